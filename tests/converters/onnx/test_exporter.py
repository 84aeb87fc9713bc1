"""Networks as ONNX models: parameters, names, open batch size, and what is refused."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.converters.onnx import from_onnx, to_onnx
from nnabla.converters.onnx.exporter import newest_opset, opset_of
from nnabla.errors import ArgumentError, FormatError
from nnabla.network import ProtoNetwork, create_graph_from_variable
from nnabla.network.argument_values import Alone

from ..case_networks import computed as read_again
from .exported_cases import computed


@pytest.fixture(autouse=True)
def fresh_parameters():
    nn.clear_parameters()
    yield
    nn.clear_parameters()


def lenet(batch: int = 4) -> tuple[nn.Variable, nn.Variable]:
    x = nn.Variable((batch, 1, 12, 12))
    with nn.parameter_scope("c1"):
        h = F.relu(PF.batch_normalization(PF.convolution(x, 6, (3, 3), pad=(1, 1)), batch_stat=False))
    h = F.max_pooling(h, (2, 2))
    with nn.parameter_scope("f1"):
        h = F.elu(PF.affine(h, 10))
    with nn.parameter_scope("f2"):
        y = F.softmax(PF.affine(F.reshape(h, (batch, 10)), 3))
    return x, y


def network(x: nn.Variable, y: nn.Variable) -> ProtoNetwork:
    return create_graph_from_variable("net", y, names={"x": x, "y": y})["net"]


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": x.astype(np.float32)})[0]


def test_a_network_with_parameters():
    x, y = lenet()
    x.d = np.random.RandomState(0).standard_normal(x.shape)
    y.forward()
    model = to_onnx(network(x, y))
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
    assert [entry.name for entry in model.graph.input] == ["x"]
    assert {"c1/conv/W", "c1/bn/mean", "f1/affine/W"} <= {entry.name for entry in model.graph.initializer}
    np.testing.assert_allclose(run(model, x.d), y.d, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch_size(batch):
    x, y = lenet()
    model = to_onnx(network(x, y), batch_size=batch)
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [batch, 1, 12, 12]
    x2, y2 = lenet(batch)
    x2.d = np.random.RandomState(1).standard_normal(x2.shape)
    y2.forward()
    np.testing.assert_allclose(run(model, x2.d), y2.d, rtol=1e-5, atol=1e-6)


def test_an_open_batch_size_takes_any():
    x, y = lenet()
    described = network(x, y)
    model = to_onnx(described, batch_size=-1)
    first = model.graph.input[0].type.tensor_type.shape.dim[0]
    assert first.dim_param == "batch"
    for batch in (1, 5):
        data = np.random.RandomState(batch).standard_normal((batch, 1, 12, 12)).astype(np.float32)
        x2, y2 = lenet(batch)
        x2.d = data
        y2.forward()
        np.testing.assert_allclose(run(model, data), y2.d, rtol=1e-5, atol=1e-6)


def test_all_obstacles_are_named_at_once():
    x = nn.Variable((2, 8, 8))
    y = F.batch_logdet(F.batch_inv(x))
    z = F.add2(F.mean(y), F.mean(F.random_crop(x, (4, 4))))
    with pytest.raises(FormatError) as caught:
        to_onnx(network(x, z))
    text = str(caught.value)
    assert "network 'net' cannot be written as ONNX with opset 17" in text
    for name in ("BatchLogdet", "BatchInv", "RandomCrop"):
        assert f"{name} '@net/{name}': no rule writes this function as ONNX" in text


def test_an_operator_set_that_is_too_old():
    x = nn.Variable((3, 4, 4))
    described = network(x, F.batch_det(x))
    with pytest.raises(FormatError, match="BatchDet '@net/BatchDet': the operator Det is there from opset 11 on"):
        to_onnx(described, opset=10)
    assert to_onnx(described, opset=11).opset_import[0].version == 11


@pytest.mark.parametrize("opset", [9, 17, 26])
@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_running_sums_and_products(name, opset):
    """Before there are operators for them, each element is a sum or product of its own; infinities stay in place."""
    x = nn.Variable((2, 5, 3))
    x.d = np.random.RandomState(0).standard_normal(x.shape)
    x.d[0, 3, 1] = np.inf
    for exclusive in (False, True):
        for reverse in (False, True):
            y = getattr(F, name)(x, axis=1, exclusive=exclusive, reverse=reverse)
            y.forward()
            np.testing.assert_allclose(run(to_onnx(network(x, y), opset), x.d), y.d, rtol=1e-5, atol=1e-6)
    x = nn.Variable((2, 2000))
    described = network(x, getattr(F, name)(x, axis=1))
    if opset == 9:
        with pytest.raises(FormatError, match="over an axis longer than 1024"):
            to_onnx(described, opset)


@pytest.mark.parametrize("opset", [0, 5, 1000, True, "17", 17.0])
def test_opsets_that_are_refused(opset):
    x = nn.Variable((3, 4))
    allowed = f"a number from 6 to {newest_opset()}, or 'snpe' or 'tensorrt'"
    with pytest.raises(ArgumentError, match=f"ONNX: opset must be {allowed}, not {opset!r}"):
        to_onnx(network(x, F.relu(x)), opset=opset)


def test_names_of_opsets():
    assert opset_of("opset_13") == 13
    assert opset_of(None) is None
    assert (opset_of("opset_snpe"), opset_of("opset_tensorrt")) == ("snpe", "tensorrt")
    for text in ("opset_", "13", "nnb_3", "opset_SNPE", "opset_snpe_2"):
        with pytest.raises(ArgumentError, match="define_version must be opset_6 to"):
            opset_of(text)


@pytest.mark.parametrize("batch", [0, -2, True])
def test_batch_sizes_that_are_refused(batch):
    x = nn.Variable((3, 4))
    with pytest.raises(ArgumentError, match="batch_size must be -1 or at least 1"):
        to_onnx(network(x, F.relu(x)), batch_size=batch)


def test_a_network_without_a_batch():
    x = nn.Variable((3, 4))
    with pytest.raises(ArgumentError, match="nothing in network 'net' says which axis is the batch's"):
        to_onnx(network(x, F.relu(x)), batch_size=-1)


def test_batch_normalization_between_processes():
    x = nn.Variable((2, 3, 4, 4))
    x.d = np.random.RandomState(0).standard_normal(x.shape)
    y = F.sync_batch_normalization(
        x, *[nn.Variable.from_numpy_array(np.full((1, 3, 1, 1), v, np.float32)) for v in (0.5, 2.0, 0.1, 3.0)],
        comm=Alone(), batch_stat=False,
    )  # fmt: skip
    y.forward()
    parameters = {f"p{i}": v for i, v in enumerate(y.parent.inputs[1:])}
    described = create_graph_from_variable("net", y, names={"x": x, "y": y} | parameters)["net"]
    model = to_onnx(described)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {"x": x.d} | {name: v.d for name, v in parameters.items()}
    found = session.run(["y"], {name: v.astype(np.float32) for name, v in feeds.items()})[0]
    np.testing.assert_allclose(found, y.d, rtol=1e-5, atol=1e-6)


def test_the_same_variable_read_twice_and_passed_on():
    x = nn.Variable((2, 3))
    h = F.identity(x)
    y = F.add2(h, F.identity(h))
    x.d = np.arange(6).reshape(2, 3)
    y.forward()
    np.testing.assert_allclose(run(to_onnx(network(x, y)), x.d.astype(np.float32)), y.d)


@pytest.mark.parametrize("opset", [9, 16, 17, 20])
@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("name", ["fft", "ifft"])
def test_fourier_transforms(name, normalized, opset):
    x = nn.Variable((3, 4, 5, 2))
    x.d = np.random.RandomState(0).standard_normal(x.shape)
    y = getattr(F, name)(x, 2, normalized)
    y.forward()
    np.testing.assert_allclose(run(to_onnx(network(x, y), opset), x.d), y.d, rtol=1e-4, atol=1e-5)
    x = nn.Variable((2, 1025, 2))
    with pytest.raises(FormatError, match="from opset 17 on, and axes of at most 1024 elements before"):
        to_onnx(network(x, F.fft(x, 1)), 16)


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("opset", [11, 21])
def test_places_of_images_with_an_open_batch_and_channels_last(mode, opset):
    rng = np.random.RandomState(0)
    image = rng.standard_normal((3, 2, 5, 4)).astype(np.float32)
    places = rng.uniform(-1.4, 1.4, (3, 2, 3, 2)).astype(np.float32)

    def warped(batch):
        x, grid = nn.Variable((batch, 2, 5, 4)), nn.Variable((batch, 2, 3, 2))
        h = F.transpose(PF.convolution(x, 2, (1, 1)), (0, 2, 3, 1))
        return x, grid, F.warp_by_grid(h, grid, mode, "reflect", channel_last=True)

    x, grid, y = warped(2)
    names = {"x0": x, "x1": grid, "y": y}
    model = to_onnx(create_graph_from_variable("net", y, names=names)["net"], opset, batch_size=-1)
    x, grid, y = warped(3)
    x.d, grid.d = image, places
    y.forward()
    np.testing.assert_allclose(computed(model, [image, places], ["y"])[0], y.d, rtol=1e-4, atol=1e-5)


def test_random_numbers():
    u, n, one = F.rand(-2.0, 3.0, (4000,), seed=7), F.randn(1.0, -0.5, (50, 80)), F.rand(seed=3)
    described = create_graph_from_variable("net", [u, n, one], names={"u": u, "n": n, "one": one})["net"]
    uniform, normal, single = computed(to_onnx(described), [], ["u", "n", "one"])
    assert (uniform.shape, normal.shape, single.shape) == ((4000,), (50, 80), ())
    # Six standard errors.
    assert uniform.min() >= -2 and uniform.max() <= 3 and abs(uniform.mean() - 0.5) < 0.15
    assert abs(normal.mean() - 1) < 0.05 and abs(normal.std() - 0.5) < 0.05


def test_places_of_what_is_not_zero():
    x = nn.Variable((3, 4))
    x.d = [[0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 0, 4]]
    y = F.nonzero(x)
    y.forward()
    model = to_onnx(network(x, y))
    assert [dim.WhichOneof("value") for dim in model.graph.output[0].type.tensor_type.shape.dim] == [None, None]
    np.testing.assert_array_equal(run(model, x.d), y.d)
    with pytest.raises(FormatError, match="the shape of an input is known only when the network has run"):
        to_onnx(network(x, F.relu(F.nonzero(x))))


def test_inputs_and_outputs_that_are_named():
    x, t, z = (nn.Variable((2, 3)) for _ in range(3))
    h = F.tanh(F.add2(x, z))
    y = F.exp(h)
    loss = F.squared_error(y, t)
    described = create_graph_from_variable("net", [loss], names={"x": x, "t": t, "z": z, "h": h, "y": y, "loss": loss})
    model = to_onnx(described["net"], inputs=["z", "x"], outputs=["y", "h", "y"])
    assert [e.name for e in model.graph.input] == ["z", "x"] and [e.name for e in model.graph.output] == ["y", "h"]
    assert [n.op_type for n in model.graph.node] == ["Add", "Tanh", "Exp"]
    assert [e.name for e in to_onnx(described["net"], outputs=["h"], inputs=["z"]).graph.input] == ["z", "x"]
    for names in ({"inputs": ["q"]}, {"outputs": ["q"]}, {"generated": {"q": ("Normal", 1.0)}}):
        with pytest.raises(ArgumentError, match="ONNX: network 'net' has no variable 'q'"):
            to_onnx(described["net"], **names)


def test_what_is_generated_needs_a_length():
    x, z = nn.Variable((2, 3)), nn.Variable((2, 3))
    graph = create_graph_from_variable("net", F.add2(x, z), names={"x": x, "z": z})
    for variable in graph["net"].variables.values():
        variable.shape = (-1, 3)
    with pytest.raises(FormatError, match="generator of 'z': with an open batch size, the shape of random numbers"):
        to_onnx(graph["net"], batch_size=-1, generated={"z": ("Normal", 1.0)})
    model = to_onnx(graph["net"], batch_size=4, generated={"z": ("Constant", 2.0)})
    (entry,) = model.graph.input
    (found,) = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        None, {entry.name: np.ones((4, 3), np.float32)}
    )
    np.testing.assert_array_equal(found, np.full((4, 3), 3))


# ---- opset 6 -----------------------------------------------------------------------------------------------


def as_opset_6(model: onnx.ModelProto, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the operators of opset 6 are defined to compute; onnxruntime has some of them from opset 7 on only."""
    arrays = arrays | {a.name: onnx.numpy_helper.to_array(a) for a in model.graph.initializer}
    of_two = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}
    for node in model.graph.node:
        how = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        x, *more = [arrays[name] for name in node.input]
        if node.op_type in of_two:
            (y,) = more
            assert how.get("broadcast") or x.shape == y.shape
            axis = how.get("axis", x.ndim - y.ndim)
            found = of_two[node.op_type](x, y.reshape(y.shape + (1,) * (x.ndim - axis - y.ndim)))
            assert found.shape == x.shape
        elif node.op_type == "Gemm":
            assert how == {"broadcast": 1}
            found = x @ more[0] + more[1]
        elif node.op_type == "BatchNormalization":
            assert how["is_test"] == 1
            scale, bias, mean, variance = (v.reshape(-1, 1, 1) for v in more)
            found = (x - mean) / np.sqrt(variance + how["epsilon"]) * scale + bias
        elif node.op_type == "PRelu":
            assert more[0].shape == (x.shape[1],)
            found = np.where(x < 0, x * more[0].reshape(-1, 1, 1), x)
        else:
            found = {"Reshape": np.reshape, "Tile": np.tile}[node.op_type](x, more[0])
        arrays[node.output[0]] = found
    return arrays


def test_opset_6_says_what_is_broadcast():
    x = nn.Variable((2, 3, 4, 5))
    x.d = np.random.RandomState(0).standard_normal(x.shape)
    c, w, s = (nn.Variable.from_numpy_array(np.random.RandomState(1).rand(*shape) + 0.5)
               for shape in ((1, 3, 1, 1), (1, 1, 1, 5), (2, 1, 4, 1)))  # fmt: skip
    h = F.sub2(c, F.div2(F.mul2(c, F.add2(x, w)), s))
    h = F.prelu(F.batch_normalization(h, *[c] * 4, batch_stat=False), F.reshape(c, (3,)))
    y = F.affine(h, nn.Variable.from_numpy_array(np.ones((60, 2)) * 0.1), nn.Variable.from_numpy_array(np.ones(2)))
    y.forward()
    described = create_graph_from_variable("net", y, names={"x": x, "y": y, "c": c, "w": w, "s": s})["net"]
    feeds = {name: v.d.astype(np.float32) for name, v in (("x", x), ("c", c), ("w", w), ("s", s))}
    model = to_onnx(described, 6, inputs=["x", "c", "w", "s"])
    onnx.checker.check_model(model)
    assert (model.opset_import[0].version, model.ir_version) == (6, 4)
    flags = [{a.name: a.i for a in n.attribute} for n in model.graph.node if n.op_type in ("Add", "Mul", "Div", "Sub")]
    assert {"broadcast": 1, "axis": 1} in flags and {"broadcast": 1, "axis": 3} in flags
    others = dict(zip([i.name for i in model.graph.input][4:], [v.d for v in y.parent.inputs[1:]], strict=True))
    np.testing.assert_allclose(as_opset_6(model, feeds | others)["y"], y.d, rtol=1e-4, atol=1e-5)
    network_again = from_onnx(model)
    names = network_again.default_graph().inputs
    assert names[:4] == ["x", "c", "w", "s"]
    (found,) = read_again(network_again, *[(feeds | others)[name] for name in names])
    np.testing.assert_allclose(found, y.d, rtol=1e-4, atol=1e-5)


def test_models_for_two_runtimes(tmp_path):
    """As NNabla 1.39 writes them: opset 6 with affine weights (outputs, inputs), and opset 11 with pads in poolings."""
    x, y = lenet()
    h = F.reshape(PF.affine(y, 50, with_bias=False, name="wide"), (4, 2, 5, 5))
    z = F.average_pooling(h, (3, 3), (2, 2), pad=(1, 1))
    x.d = np.random.RandomState(0).standard_normal(x.shape)
    z.forward()
    described = network(x, z)
    plain = to_onnx(described, 6)
    model = to_onnx(described, "snpe")
    onnx.checker.check_model(model)
    assert model.opset_import[0].version == 6
    arrays = {a.name: onnx.numpy_helper.to_array(a) for a in model.graph.initializer}
    gemms = [n for n in model.graph.node if n.op_type == "Gemm"]
    assert len(gemms) == 3 and "MatMul" not in {n.op_type for n in model.graph.node}
    for node in gemms:
        assert {a.name: a.i for a in node.attribute} == {"transB": 1, "broadcast": 1}
    weights = [nn.get_parameters()[name] for name in ("f1/affine/W", "f2/affine/W", "wide/affine/W")]
    for node, weight in zip(gemms, weights, strict=True):
        np.testing.assert_array_equal(arrays[node.input[1]], weight.d.T)
    assert not any(name.endswith("affine/W") for name in arrays)
    for each in (plain, model):
        (found,) = read_again(from_onnx(each), x.d)
        np.testing.assert_allclose(found, z.d, rtol=1e-4, atol=1e-5)
    model = to_onnx(described, "tensorrt")
    assert model.opset_import[0].version == 11
    (pool,) = [n for n in model.graph.node if n.op_type == "AveragePool"]
    how = {a.name: onnx.helper.get_attribute_value(a) for a in pool.attribute}
    assert (how["pads"], how["count_include_pad"]) == ([1, 1, 1, 1], 1)
    assert "Pad" not in {n.op_type for n in model.graph.node}
    np.testing.assert_allclose(run(model, x.d), z.d, rtol=1e-4, atol=1e-5)


def test_what_opset_6_has_not_is_named():
    x = nn.Variable((3, 4))
    with pytest.raises(FormatError, match="(?s)with opset 6:.*Tan .*there from opset 7 on"):
        to_onnx(network(x, F.tan(x)), opset=6)
