"""``nnabla_cli convert`` of executors, parts and pieces of networks to ONNX and TFLite."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import yaml

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.utils.save import save as save_nnp

from .running import run

pytest.importorskip("tflite")
litert = pytest.importorskip("ai_edge_litert.interpreter")

TARGETS = ("onnx", "tflite")


@pytest.fixture
def archive(tmp_path):
    """A model of two executors, one of which leaves the loss out; an input, and what both compute."""
    nn.clear_parameters()
    x, t = nn.Variable((2, 3, 6, 6)), nn.Variable((2, 5))
    h = F.average_pooling(F.relu(PF.convolution(x, 2, (3, 3), name="c")), (2, 2))
    y = F.softmax(PF.affine(F.tanh(h), 5, name="a"))
    loss = F.mean(F.squared_error(y, t))
    z = F.tanh(PF.affine(x, 3, name="b"))
    x.d = np.random.RandomState(0).randn(*x.shape)
    nn.forward_all([y, z])
    content = {
        "networks": [
            {"name": "net", "batch_size": 2, "outputs": {"loss": loss, "y": y}, "names": {"x": x, "t": t}},
            {"name": "other", "batch_size": 2, "outputs": {"z": z}, "names": {"x": x}},
        ],
        "executors": [
            {"name": "run", "network": "net", "data": ["x"], "output": ["y"]},
            {"name": "more", "network": "other", "data": ["x"], "output": ["z"]},
        ],
    }
    save_nnp(str(tmp_path / "m.nnp"), content)
    nn.clear_parameters()
    return tmp_path / "m.nnp", x.d.astype(np.float32), {"y": y.d.copy(), "z": z.d.copy()}


def computed(path, *given):
    """Names of inputs and outputs, and what a runtime computes."""
    if path.suffix == ".onnx":
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        inputs, outputs = ([entry.name for entry in ends] for ends in (session.get_inputs(), session.get_outputs()))
        return inputs, outputs, session.run(None, dict(zip(inputs, given, strict=True)))
    runner = litert.Interpreter(model_path=str(path), num_threads=1)
    runner.allocate_tensors()
    inputs, outputs = runner.get_input_details(), runner.get_output_details()
    for entry, x in zip(inputs, given, strict=True):
        runner.set_tensor(entry["index"], x)
    runner.invoke()
    found = [runner.get_tensor(entry["index"]) for entry in outputs]
    return [e["name"] for e in inputs], [e["name"] for e in outputs], found


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("options", "name"), [((), "y"), (("-E", "0"), "y"), (("-E", "1"), "z")])
def test_an_executor_says_what_is_written(archive, tmp_path, target, options, name):
    path, x, expected = archive
    out = tmp_path / f"n.{target}"
    assert run("convert", "-b", "2", "--nnp-exclude-preprocess", *options, path, out) == 0
    inputs, outputs, (found,) = computed(out, x)
    assert (inputs, outputs) == (["x"], [name])
    np.testing.assert_allclose(found, expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("target", TARGETS)
def test_parts_by_numbers(archive, tmp_path, capsys, target):
    path, x, expected = archive
    assert run("convert", "-b", "2", "-E", "0", "--split=-2,3-5", path, tmp_path / f"n.{target}") == 0
    first, last = tmp_path / f"n_0_2.{target}", tmp_path / f"n_3_5.{target}"
    assert sorted(tmp_path.glob("n*")) == [first, last]
    inputs, (between,), (middle,) = computed(first, x)
    assert (inputs, middle.shape) == (["x"], (2, 2, 2, 2))
    inputs, outputs, (found,) = computed(last, middle)
    assert (inputs, outputs) == ([between], ["y"])
    np.testing.assert_allclose(found, expected["y"], rtol=1e-4, atol=1e-5)
    shown = yaml.safe_load(capsys.readouterr().out.partition("\n")[2])
    assert shown[str(last)] == {
        "input": [{"name": between, "shape": "(2, 2, 2, 2)"}], "output": [{"name": "y", "shape": "(2, 5)"}],
    }  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_pieces_between_functions_that_are_left_out(archive, tmp_path, target):
    path, x, expected = archive
    (tmp_path / "functions.txt").write_text("Convolution\nReLU\n;AveragePooling\nTanh\nAffine\nSoftmax\n")
    options = ("-b", "2", "-E", "0", "-c", tmp_path / "functions.txt")
    assert run("convert", *options, path, tmp_path / f"n.{target}") == 0
    first, last = tmp_path / f"n_0_1.{target}", tmp_path / f"n_3_5.{target}"
    middle = computed(first, x)[2][0]
    averaged = middle.reshape(2, 2, 2, 2, 2, 2).mean((3, 5))
    np.testing.assert_allclose(computed(last, averaged)[2][0], expected["y"], rtol=1e-4, atol=1e-5)
    assert run("convert", *options, path, tmp_path / f"n.{target}") == 255
    assert run("convert", "-f", *options, path, tmp_path / f"n.{target}") == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-S", "0-1"), "-S needs -E"),
        (("-E", "0", "-S", "4-9"), "4-9 is no part of"),
        (("-E", "2"), "-E must be the number of one of 2 executors, not 2"),
        (("-E", "0", "-S", "0-1", "-c", "functions.txt"), "-S and -c both say where the network is cut"),
        (("-c", "functions.txt"), "functions.txt"),
    ],
)
@pytest.mark.parametrize("target", TARGETS)
def test_parts_that_there_are_not(archive, tmp_path, capfd, target, options, message):
    assert run("convert", *options, archive[0], tmp_path / f"n.{target}") == 255
    assert message in capfd.readouterr().err
    assert not list(tmp_path.glob("n*"))


def with_generator(tmp_path, kind, factor):
    """A model that adds what its executor generates to its input."""
    x, z = nn.Variable((1, 4000)), nn.Variable((1, 4000))
    content = {
        "networks": [{"name": "net", "batch_size": 1, "outputs": {"y": F.add2(x, z)}, "names": {"x": x, "z": z}}],
        "executors": [{"name": "run", "network": "net", "data": ["x"], "generator_variables": ["z"], "output": ["y"]}],
    }
    path = tmp_path / "g.nntxt"
    save_nnp(str(path), content)
    text = path.read_text()
    assert 'type: "Constant"' in text
    path.write_text(text.replace('type: "Constant"', f'type: "{kind}"\n    multiplier: {factor}'))
    return path


@pytest.mark.parametrize(
    ("kind", "factor", "mean", "spread"),
    [("Normal", 0.5, 0, 0.5), ("Uniform", 3.0, 0, 3 / np.sqrt(3)), ("Constant", 7.0, 7, 0)],
)
@pytest.mark.parametrize("target", TARGETS)
def test_what_an_executor_generates(tmp_path, target, kind, factor, mean, spread):
    path = with_generator(tmp_path, kind, factor)
    assert run("convert", path, tmp_path / f"n.{target}") == 0
    inputs, _, (found,) = computed(tmp_path / f"n.{target}", np.full((1, 4000), 20, np.float32))
    assert inputs == ["x"]
    # Six standard errors of 4000 draws.
    assert abs(found.mean() - 20 - mean) <= 0.1 * spread and abs(found.std() - spread) <= 0.1 * spread + 1e-6


def test_a_generator_that_there_is_not(tmp_path, capfd):
    assert run("convert", with_generator(tmp_path, "Poisson", 1), tmp_path / "n.onnx") == 255
    assert "variable 'z': there is no generator 'Poisson'" in capfd.readouterr().err
    assert not (tmp_path / "n.onnx").exists()
