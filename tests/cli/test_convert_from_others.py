"""``nnabla_cli convert`` from ONNX and TFLite straight to NNB and C, and what is said of such models beforehand."""

from __future__ import annotations

import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import yaml

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.converters.nnb import load
from nnabla.converters.nnb import run as compute
from nnabla.converters.nnb.model import DataType

from ..converters.onnx.making import model, node
from ..converters.onnx.torch_models import export, made
from .running import run, save_networks


def with_onnxruntime(path, *given):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip([entry.name for entry in session.get_inputs()], given, strict=True)))


def with_gcc(folder, program, given, shape):
    """What the compiled example of self-contained C computes."""
    subprocess.run(["make", "-s", "CFLAGS=-std=c99 -O1 -Wall -Wextra -Werror"], cwd=folder, check=True, timeout=300)
    np.ascontiguousarray(given, np.float32).tofile(folder / "x")
    subprocess.run([folder / program, folder / "x", folder / "y"], check=True, timeout=120)
    return np.fromfile(folder / "y", np.float32).reshape(shape)


def close(found, expected):
    assert [y.shape for y in found] == [y.shape for y in expected]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["CNN", "ResNet block", "LSTM"])
def test_what_pytorch_exports(tmp_path, name):
    """As NNB equal to onnxruntime, with a batch whose size the file leaves open; as C, where there is one output."""
    module, x = made(name)
    path = tmp_path / "m.onnx"
    opened = {"input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}}
    export(module, x, path, dynamo=False, opset_version=17, **opened)
    expected = with_onnxruntime(path, x)
    assert run("convert", "-b", "2", path, tmp_path / "m.nnb") == 0
    written = load(tmp_path / "m.nnb")
    assert (written.api_level, written.version) == (44, 2)
    close(compute(written, [x]), expected)
    if len(expected) == 1:
        assert run("convert", "-O", "CSRC", "--self-contained", "-b", "2", path, tmp_path / "c") == 0
        close([with_gcc(tmp_path / "c", "main_graph_example", x, expected[0].shape)], expected)


@pytest.fixture
def images(tmp_path):
    """A CNN as NNP, an input of a batch of 3, and its result."""
    nn.clear_parameters()
    x = nn.Variable((3, 2, 6, 6))
    h = F.max_pooling(F.relu(PF.convolution(x, 4, (3, 3), pad=(1, 1), name="c")), (2, 2))
    y = F.softmax(PF.affine(F.tanh(F.average_pooling(h, (3, 3))), 5, name="a"))
    x.d = np.random.RandomState(0).standard_normal(x.shape)
    y.forward()
    save_networks(tmp_path / "m.nnp", x, ("net", "run", {"y": y}))
    return tmp_path / "m.nnp", x.d.astype(np.float32), y.d.copy()


@pytest.fixture(params=["onnx", "tflite"])
def other(images, tmp_path, request):
    """The same as a model of another format."""
    if request.param == "tflite":
        pytest.importorskip("tflite")
    path, x, y = images
    assert run("convert", "-b", "3", path, tmp_path / f"m.{request.param}") == 0
    return tmp_path / f"m.{request.param}", x, y


def test_nnb_and_c_are_those_of_the_detour(other, tmp_path):
    """Over NNP; level, version and type, too."""
    path, x, y = other
    assert run("convert", path, tmp_path / "d.nnp") == 0
    for options in ((), ("-d", "nnb_3", "--api", "20"), ("-T", "FIXED16_10")):
        found = []
        for source in (path, tmp_path / "d.nnp"):
            assert run("convert", "-f", "-b", "3", *options, source, tmp_path / "m.nnb") == 0
            found.append(load(tmp_path / "m.nnb"))
        straight, detour = found
        assert (straight.version, straight.api_level) == (detour.version, detour.api_level)
        assert [f.type for f in straight.functions] == [f.type for f in detour.functions]
        results = [compute(each, [x])[0] for each in found]
        np.testing.assert_array_equal(*results)
        np.testing.assert_allclose(results[0], y, rtol=1e-4, atol=0.02 if "-T" in options else 1e-5)
    assert run("convert", "-O", "CSRC", "--self-contained", "-b", "3", path, tmp_path / "c") == 0
    (program,) = [source.stem for source in (tmp_path / "c").glob("*_example.c")]
    close([with_gcc(tmp_path / "c", program, x, y.shape)], [y])
    assert run("convert", "-O", "CSRC", "-b", "3", path, tmp_path / "library") == 0
    assert list((tmp_path / "library").glob("*_inference.c"))


def test_settings_and_pieces(other, tmp_path):
    path, x, y = other
    assert run("nnb_template", "-b", "3", path, tmp_path / "s.yaml") == 0
    content = yaml.safe_load((tmp_path / "s.yaml").read_text())
    assert content["variables"]["x"] == "FLOAT32"
    content["variables"] = {"y": "FIXED16_14"}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(content))
    assert run("convert", "-b", "3", "-s", tmp_path / "s.yaml", path, tmp_path / "m.nnb") == 0
    written = load(tmp_path / "m.nnb")
    assert [v.type for v in written.variables].count(DataType.INT16) == 1
    assert written.variables[written.outputs[0]].type == DataType.INT16
    np.testing.assert_allclose(compute(written, [x])[0], y, atol=2.0**-14 + 1e-6)
    kept = {"Convolution", "ReLU", "MaxPooling", "AveragePooling", "Affine", "Softmax", "Reshape", "Transpose", "Pad"}
    (tmp_path / "functions.txt").write_text("\n".join(sorted(kept)))
    assert run("convert", "-b", "3", "-c", tmp_path / "functions.txt", path, tmp_path / "p.nnb") == 0
    first, last = sorted(tmp_path.glob("p_*.nnb"), key=lambda each: int(each.stem.split("_")[1]))
    (middle,) = compute(load(first), [x])
    close([compute(load(last), [np.tanh(middle)])[0]], [y])


def test_the_linter_reads_them(other, capsys):
    path, _, _ = other
    capsys.readouterr()
    assert run("check", "--target", "spresense", path) == 0
    printed = capsys.readouterr().out
    assert "Convolution x 1: from API level" in printed and "This would run on Spresense." in printed


def test_ends_are_those_of_the_model(tmp_path):
    """In its order; what else a node computes is none, and what nothing reads stays an input."""
    rng = np.random.RandomState(0)
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in
              {"w": (1, 16, 3), "r": (1, 16, 4), "b": (1, 32)}.items()}  # fmt: skip
    nodes = [node("LSTM", ["x", "w", "r", "b"], ["all", "", "cell"], hidden_size=4), node("Relu", ["cell"], ["first"])]
    onnx.save(model(nodes, {"unread": [2], "x": [5, 2, 3]}, ["first", "all"], arrays), tmp_path / "m.onnx")
    given = [np.zeros(2, np.float32), rng.standard_normal((5, 2, 3)).astype(np.float32)]
    expected = with_onnxruntime(tmp_path / "m.onnx", *given)
    assert run("convert", tmp_path / "m.onnx", tmp_path / "m.nnb") == 0
    written = load(tmp_path / "m.nnb")
    shapes = [[written.variables[v].shape for v in ends] for ends in (written.inputs, written.outputs)]
    assert shapes == [[(2,), (5, 2, 3)], [(1, 2, 4), (5, 1, 2, 4)]]
    close(compute(written, given), expected)
    assert run("convert", tmp_path / "m.onnx", tmp_path / "n.onnx") == 0
    close(with_onnxruntime(tmp_path / "n.onnx", *given), expected)


def test_what_is_refused(tmp_path, capfd):
    nodes = [node("Erf", ["x"], ["e"], name="f"), node("Gelu", ["e"], ["y"], name="g")]
    onnx.save(model(nodes, {"x": [2, 3]}, ["y"]), tmp_path / "m.onnx")
    for output, options in (("m.nnb", ()), ("c", ("-O", "CSRC", "--self-contained"))):
        assert run("convert", *options, tmp_path / "m.onnx", tmp_path / output) == 255
        assert "cannot be written for the C runtime:\n  Erf " in capfd.readouterr().err
        assert not (tmp_path / output).exists()
    for options, message in (
        (("-E", "0"), "from ONNX to NNB does not take -E"),
        (("-S", "0-1"), "from ONNX to NNB does not take -S"),
        (("--nnp-parameter-h5",), "from ONNX to NNB does not take --nnp-parameter-h5"),
        (("-d", "opset_17"), "define_version must be nnb_2 or nnb_3, not 'opset_17'"),
    ):
        assert run("convert", *options, tmp_path / "m.onnx", tmp_path / "m.nnb") == 255
        assert message in capfd.readouterr().err
    assert run("nnb_template", "-E", "0", tmp_path / "m.onnx", tmp_path / "s.yaml") == 255
    assert "a model of format ONNX has no executors that -E could name" in capfd.readouterr().err


def test_a_model_in_float_and_the_smallest_batch(tmp_path):
    """Without ``-b`` an open batch is 1, and -1 asks for the same of a model of another format."""
    module, x = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Sigmoid()).eval(), np.ones((2, 3), np.float32)
    opened = {"input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}}
    export(module, x, tmp_path / "m.onnx", dynamo=False, opset_version=17, **opened)
    for options in ((), ("-b", "-1")):
        assert run("convert", "-f", *options, tmp_path / "m.onnx", tmp_path / "m.nnb") == 0
        written = load(tmp_path / "m.nnb")
        assert written.variables[written.inputs[0]].shape == (1, 3)
        close(compute(written, [x[:1]]), with_onnxruntime(tmp_path / "m.onnx", x[:1]))
