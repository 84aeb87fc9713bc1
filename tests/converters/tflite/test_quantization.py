"""TFLite models of 8-bit integers and of half as large weights, and images with channels last, run by LiteRT."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert.interpreter")

from nnabla.converters.tflite import to_tflite
from nnabla.converters.tflite.flat_file import from_bytes
from nnabla.errors import ArgumentError
from nnabla.utils.save import save as save_nnp

from ...cli.running import run
from .running import computed, fed, interpreter

rng = np.random.RandomState(0)


def described(y, **names):
    return nn.graph_def.create_graph_from_variable("net", y, names=names)["net"]


def varied():
    """A network with most of the operators that are done with integers, and some that are not."""
    nn.clear_parameters()
    x = nn.Variable((2, 3, 8, 8))
    h = F.relu(PF.batch_normalization(PF.convolution(x, 6, (3, 3), pad=(1, 1), name="c1"), batch_stat=False))
    h = F.max_pooling(h, (3, 3), stride=(2, 2), pad=(1, 1))
    a = F.leaky_relu(PF.depthwise_convolution(h, (3, 3), pad=(1, 1), name="d1"), 0.2)
    b = F.average_pooling(F.sigmoid(PF.convolution(h, 6, (3, 3), pad=(1, 1), group=2, name="c2")), (1, 1))
    h = F.concatenate(F.tanh(a + b), F.mul2(a, b), axis=1)
    h = PF.deconvolution(h, 4, (2, 2), stride=(2, 2), name="d2")
    h = F.pad(h[:, 1:, ::2, :], (1, 0), "constant", 0.5)
    h = F.sum(h, axis=2) / 8 + F.exp(F.mean(h, axis=2) * 0.1)
    return x, F.softmax(PF.affine(h, 5, name="a"))


def varied_network():
    """Its description, with the numbers of parameters set, its input and its output."""
    x, y = varied()
    state = np.random.RandomState(3)
    for name, v in nn.get_parameters(grad_only=False).items():
        v.d = np.abs(state.randn(*v.shape)) + 0.5 if name.endswith("var") else 0.3 * state.randn(*v.shape)
    return described(y, x=x), x, y


@pytest.fixture
def network():
    return varied_network()


# ---- what each operator should compute ---------------------------------------------------------------------


def _images(x, kernel, o):
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, (1, 2))
    return view[:, :: o["StrideH"], :: o["StrideW"]]


def _conv(o, x, w, b):
    return np.einsum("bhwcij,oijc->bhwo", _images(x, w.shape[1:3], o), w) + b


def _depthwise(o, x, w, b):
    y = np.einsum("bhwcij,ijcm->bhwcm", _images(x, w.shape[1:3], o), w[0].reshape(*w.shape[1:3], x.shape[3], -1))
    return y.reshape(*y.shape[:3], -1) + b


def _transposed(o, shape, w, x):
    s, k = (o["StrideH"], o["StrideW"]), w.shape[1:3]
    y = np.zeros((x.shape[0], (x.shape[1] - 1) * s[0] + k[0], (x.shape[2] - 1) * s[1] + k[1], w.shape[0]))
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            y[:, i * s[0] : i * s[0] + k[0], j * s[1] : j * s[1] + k[1]] += np.einsum("bc,oijc->bijo", x[:, i, j], w)
    return y


def _slice(o, x, start, stop, step):
    return x[tuple([slice(int(a), int(b), int(s)) for a, b, s in zip(start, stop, step, strict=True)])]


def _softmax(o, x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _pad(o, x, widths, value=0.0):
    return np.pad(x, widths.astype(int), constant_values=float(np.ravel(value)[0]))


REFERENCE = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transposed,
    "FULLY_CONNECTED": lambda o, x, w, b: x.reshape(-1, w.shape[1]) @ w.T + b,
    "MAX_POOL_2D": lambda o, x: _images(x, (o["FilterHeight"], o["FilterWidth"]), o).max((-1, -2)),
    "AVERAGE_POOL_2D": lambda o, x: _images(x, (o["FilterHeight"], o["FilterWidth"]), o).mean((-1, -2)),
    "ADD": lambda o, a, b: a + b,
    "MUL": lambda o, a, b: a * b,
    "LOGISTIC": lambda o, x: 1 / (1 + np.exp(-x)),
    "TANH": lambda o, x: np.tanh(x),
    "SOFTMAX": _softmax,
    "LEAKY_RELU": lambda o, x: np.where(x > 0, x, o["Alpha"] * x),
    "CONCATENATION": lambda o, *x: np.concatenate(x, o["Axis"]),
    "TRANSPOSE": lambda o, x, axes: x.transpose(axes.astype(int)),
    "RESHAPE": lambda o, x, shape: x.reshape(shape.astype(int)),
    "STRIDED_SLICE": _slice,
    "PAD": _pad,
    "PADV2": _pad,
    "SUM": lambda o, x, axes: x.sum(tuple(axes.astype(int)), keepdims=bool(o["KeepDims"])),
    "MEAN": lambda o, x, axes: x.mean(tuple(axes.astype(int)), keepdims=bool(o["KeepDims"])),
    "QUANTIZE": lambda o, x: x,
}
LIMITS = {0: (-np.inf, np.inf), 1: (0, np.inf), 3: (0, 6)}


def largest_steps(described_network) -> tuple[dict[str, int], set[str]]:
    """By how many steps the result of each operator is off at most, and which operators compute with floats."""
    data = rng.randn(16, 3, 8, 8).astype(np.float32)
    model = to_tflite(described_network, dataset=data)
    g = from_bytes(model, "model").graph
    runner = interpreter(model, plain=True)
    runner.allocate_tensors()
    fed(runner, [data[:2]])

    def number(n):
        """What a tensor holds, as float64."""
        tensor, values = g.tensors[n], runner.get_tensor(n)
        return values.astype(np.float64) if tensor.quantization is None else exact(tensor, values)

    def exact(tensor, q):
        spread, scale = tensor.quantization.spread, tensor.quantization.scale.astype(np.float64)
        return (q.astype(np.float64) - spread(tensor.quantization.zero_point, q.ndim)) * spread(scale, q.ndim)

    seen, floats = dict[str, int](), set()
    for o in g.operations:
        result = g.tensors[o.outputs[0]]
        if result.dtype != np.int8:
            floats.add(o.code)
            continue
        inputs = [number(n) for n in o.inputs if n >= 0]
        low, high = LIMITS[o.values.get("FusedActivationFunction", 0)]
        wanted = np.clip(REFERENCE[o.code](o.values, *inputs), low, high)
        steps = result.quantization.quantized(wanted, np.int8).astype(int) - runner.get_tensor(o.outputs[0])
        seen[o.code] = max(seen.get(o.code, 0), int(np.abs(steps).max()))
    return seen, floats


def test_each_operator_is_within_one_step_of_float64(network):
    seen, floats = largest_steps(network[0])
    assert max(seen.values()) <= 1, seen
    assert seen.keys() >= {
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "TRANSPOSE_CONV",
        "FULLY_CONNECTED",
        "MAX_POOL_2D",
        "ADD",
        "MUL",
        "LOGISTIC",
        "TANH",
        "SOFTMAX",
        "LEAKY_RELU",
        "CONCATENATION",
        "PADV2",
        "STRIDED_SLICE",
    }
    assert floats >= {"EXP", "SUM"}


def test_the_whole_is_near_the_floats(network):
    described_network, x, y = network
    data = rng.randn(64, 3, 8, 8).astype(np.float32)
    model = to_tflite(described_network, dataset={"x": data})
    x.d = data[:2]
    y.forward()
    assert np.abs(computed(model, [data[:2]])[0] - y.d).max() < 0.03


def test_scales_are_as_the_specification_says(network):
    data = rng.randn(8, 3, 8, 8).astype(np.float32)
    file = from_bytes(to_tflite(network[0], dataset=[data]), "model")
    g, axes = file.graph, {"CONV_2D": 0, "FULLY_CONNECTED": 0, "DEPTHWISE_CONV_2D": 3}
    for o in g.operations:
        if o.code in axes:
            x, weight, bias = (g.tensors[n] for n in o.inputs)
            assert (weight.dtype, bias.dtype, weight.quantization.axis) == (np.int8, np.int32, axes[o.code])
            assert weight.quantization.scale.size == weight.shape[axes[o.code]]
            assert not weight.quantization.zero_point.any() and not bias.quantization.zero_point.any()
            assert weight.data.min() >= -127
            product = x.quantization.scale * weight.quantization.scale
            np.testing.assert_allclose(bias.quantization.scale, product, rtol=1e-6)
        if o.code in ("SOFTMAX", "LOGISTIC"):
            made = g.tensors[o.outputs[0]].quantization
            assert (made.scale[0], made.zero_point[0]) == (1 / 256, -128)
        if o.code in ("CONCATENATION", "MAX_POOL_2D", "TRANSPOSE"):
            found = {
                (g.tensors[n].quantization.scale[0], g.tensors[n].quantization.zero_point[0])
                for n in (*o.inputs, *o.outputs)
                if g.tensors[n].dtype == np.int8
            }
            assert len(found) == 1, o.code
    ends = [g.tensors[n] for n in (*file.inputs, *file.outputs)]
    assert [t.dtype for t in ends] == [np.int8, np.int8] and ends[0].name == "x"


def test_ends_may_stay_float(network):
    described_network, x, y = network
    data = rng.randn(64, 3, 8, 8).astype(np.float32)
    model = to_tflite(described_network, dataset=data, float_ends=True)
    file = from_bytes(model, "model")
    assert [file.graph.tensors[n].dtype for n in (*file.inputs, *file.outputs)] == [np.float32] * 2
    assert {"QUANTIZE", "DEQUANTIZE"} <= {o.code for o in file.graph.operations}
    x.d = data[:2]
    y.forward()
    assert np.abs(computed(model, [data[:2]])[0] - y.d).max() < 0.03


def test_half_as_large_weights(network):
    described_network, x, y = network
    data = rng.randn(2, 3, 8, 8).astype(np.float32)
    whole, half = to_tflite(described_network), to_tflite(described_network, weights="float16")
    g = from_bytes(half, "model").graph
    assert any(t.dtype == np.float16 and t.name == "c2/conv/W" for t in g.tensors)
    assert len(half) < len(whole)
    x.d = data
    y.forward()
    np.testing.assert_allclose(computed(half, [data])[0], y.d, atol=2e-3)
    np.testing.assert_allclose(computed(whole, [data])[0], y.d, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("quantized", [False, True])
def test_channels_last(quantized):
    nn.clear_parameters()
    x, z = nn.Variable((2, 3, 8, 8)), nn.Variable((2, 5))
    h = F.relu(PF.convolution(x, 4, (3, 3), pad=(1, 1)))
    y = F.average_pooling(F.relu(PF.convolution(h, 4, (1, 1), name="two")) + h, (2, 2))
    data = [rng.randn(32, 3, 8, 8).astype(np.float32), rng.randn(32, 5).astype(np.float32)]
    x.d, z.d = (a[:2] for a in data)
    w = F.tanh(z)
    nn.forward_all([y, w])
    network = nn.graph_def.create_graph_from_variable("net", [y, w], names={"x": x, "z": z, "y": y, "w": w})["net"]
    given = [data[0].transpose(0, 2, 3, 1), data[1]]
    options = {"dataset": given} if quantized else {}
    model = to_tflite(network, inputs=["x", "z"], outputs=["y", "w"], channel_last=True, **options)
    g = from_bytes(model, "model").graph
    assert "TRANSPOSE" not in {o.code for o in g.operations}
    assert {t.shape for t in g.tensors if t.name == "x"} == {(2, 8, 8, 3)}
    found = computed(model, [a[:2] for a in given])
    np.testing.assert_allclose(found[0], y.d.transpose(0, 2, 3, 1), atol=0.05 if quantized else 1e-5)
    np.testing.assert_allclose(found[1], w.d, atol=0.02 if quantized else 1e-5)


def test_factors_and_activations_are_part_of_layers(network):
    codes = [o.code for o in from_bytes(to_tflite(network[0]), "model").graph.operations]
    assert "RELU" not in codes  # of the first convolution, with its normalization
    assert codes.count("CONV_2D") == 3 and codes.count("MUL") <= 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "int4"}, "weights must be one of float32, float16, not 'int4'"),
        ({"weights": "float16", "dataset": np.zeros((4, 3, 8, 8))}, "float16 is not possible"),
        ({"dataset": np.zeros((4, 3, 8))}, r"for input 'x' must be numbers of shape \(samples, 3, 8, 8\), not float64"),
        ({"dataset": {"z": np.zeros((4, 3, 8, 8))}}, r"dataset has nothing for input 'x', only \['z'\]"),
        ({"dataset": [np.zeros((4, 3, 8, 8))] * 2}, "an array for each of 1 inputs, not 2"),
        ({"dataset": np.zeros((1, 3, 8, 8))}, r"dataset holds \[1\] samples for batches of \[2\]"),
        ({"dataset": np.full((4, 3, 8, 8), np.nan)}, "holds numbers that are not finite"),
        ({"dataset": np.array(["a"])}, "must be numbers of shape"),
    ],
)
def test_what_is_not_possible_is_said(network, options, message):
    with pytest.raises(ArgumentError, match=message):
        to_tflite(network[0], **options)


# ---- digits ------------------------------------------------------------------------------------------------


def learned_digits():
    """A small network that has learned digits: its description, test images and labels, and other images."""
    data = pytest.importorskip("sklearn.datasets").load_digits()
    images = (data.images / 16).astype(np.float32)[:, None]
    order = np.random.RandomState(1).permutation(len(images))
    images, labels = images[order], data.target[order].reshape(-1, 1)
    nn.clear_parameters()
    nn.random.prng = np.random.RandomState(5)
    x, t = nn.Variable((64, 1, 8, 8)), nn.Variable((64, 1))

    def model(v, train):
        h = F.relu(PF.batch_normalization(PF.convolution(v, 12, (3, 3), pad=(1, 1), name="c"), batch_stat=train))
        return PF.affine(F.max_pooling(h, (2, 2)), 10)

    loss = F.mean(F.softmax_cross_entropy(model(x, True), t))
    solver = S.Adam(5e-3)
    solver.set_parameters(nn.get_parameters())
    for step in range(8 * 20):
        at = (step % 20) * 64
        x.d, t.d = images[at : at + 64], labels[at : at + 64]
        loss.forward()
        solver.zero_grad()
        loss.backward()
        solver.update()
    held, targets = images[1347:], labels[1347:].ravel()
    v = nn.Variable(held.shape)
    y = model(v, False)
    v.d = held
    y.forward()
    network = described(y, x=v)
    return network, held, targets, images[:900], float((y.d.argmax(1) == targets).mean())


def right_digits() -> tuple[float, float, float]:
    """The share of digits that are right with floats, and with integers, whose file is how many times as large."""
    network, held, targets, others, right = learned_digits()
    model = to_tflite(network, dataset=others)
    found = float((computed(model, [held])[0].argmax(1) == targets).mean())
    return right, found, len(model) / len(to_tflite(network))


def test_digits_are_as_right_as_with_floats():
    floats, integers, size = right_digits()
    assert floats > 0.93
    assert abs(integers - floats) <= 0.01
    assert size < 0.7


# ---- the command -------------------------------------------------------------------------------------------


@pytest.fixture
def archive(tmp_path):
    nn.clear_parameters()
    x = nn.Variable((4, 3, 6, 6))
    y = F.softmax(PF.affine(F.average_pooling(F.relu(PF.convolution(x, 2, (3, 3))), (2, 2)), 5))
    x.d = rng.randn(*x.shape)
    y.forward()
    content = {
        "networks": [{"name": "net", "batch_size": 4, "outputs": {"y": y}, "names": {"x": x}}],
        "executors": [{"name": "run", "network": "net", "data": ["x"], "output": ["y"]}],
    }
    save_nnp(str(tmp_path / "m.nnp"), content)
    return tmp_path / "m.nnp", x.d.astype(np.float32), y.d.copy()


def test_the_command_quantizes(archive, tmp_path):
    path, given, expected = archive
    np.save(tmp_path / "d.npy", rng.randn(32, 3, 6, 6).astype(np.float32))
    np.savez(tmp_path / "d.npz", x=rng.randn(32, 6, 6, 3).astype(np.float32))
    first = ("--quantization", "--dataset", tmp_path / "d.npy")
    last = ("--quantization", "--channel-last", "--dataset", tmp_path / "d.npz", "-f")
    for options, feed in ((first, given), (last, given.transpose(0, 2, 3, 1))):
        assert run("convert", "-b", "4", *options, path, tmp_path / "m.tflite") == 0
        assert np.abs(computed((tmp_path / "m.tflite").read_bytes(), [feed])[0] - expected).max() < 0.05
    assert run("convert", "-b", "4", "-T", "FLOAT16", "-f", path, tmp_path / "m.tflite") == 0
    np.testing.assert_allclose(computed((tmp_path / "m.tflite").read_bytes(), [given])[0], expected, atol=2e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--quantization"], "--quantization and --dataset must be given together"),
        (["--dataset", "d.npy"], "--quantization and --dataset must be given together"),
        (["--quantization", "--dataset", "d.txt"], "must be a .npy file, or .npz"),
        (["--quantization", "--dataset", "bad.npy"], "bad.npy holds no arrays of numbers"),
        (["--quantization", "--dataset", "objects.npy"], "objects.npy holds no arrays of numbers"),
        (["--quantization", "--dataset", "missing.npy"], "No such file"),
        (["-T", "FIXED8"], "to TFLITE, -T must be one of FLOAT32, FLOAT16, not 'FIXED8'"),
        (["--ir_version", "8"], "does not take --ir_version"),
    ],
)
def test_the_command_says_what_is_wrong(archive, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY nothing")
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    assert run("convert", *options, archive[0], tmp_path / "m.tflite") == 255
    captured = capsys.readouterr()
    assert message in captured.out + captured.err
    assert not (tmp_path / "m.tflite").exists()
