"""``nnabla_cli convert`` from NNP to ONNX and back."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import numpy as np
import onnx
import onnxruntime
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.converters.onnx import save, to_onnx
from nnabla.converters.onnx.exporter import exported

from .running import run, save_networks


@pytest.fixture
def archive(tmp_path):
    """A model file, and an input with its result."""
    nn.clear_parameters()
    x = nn.Variable((4, 3, 6, 6))
    y = F.relu(PF.affine(F.max_pooling(PF.convolution(x, 2, (3, 3)), (2, 2)), 70))
    x.d = np.random.RandomState(0).standard_normal(x.shape)
    y.forward()
    save_networks(tmp_path / "m.nnp", x, ("net", "run", {"y": y}))
    nn.clear_parameters()
    return tmp_path / "m.nnp", x.d.astype(np.float32), y.d.copy()


def computed(path, x):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


def lengths(path):
    model = onnx.load(path)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    return [d.dim_param or d.dim_value for d in dims], model


@pytest.mark.parametrize(("batch", "first"), [((), 1), (("-b", "2"), 2), (("-b", "-1"), "batch")])
def test_batch_sizes(archive, tmp_path, batch, first):
    path, x, y = archive
    assert run("convert", *batch, path, tmp_path / "m.onnx") == 0
    shape, model = lengths(tmp_path / "m.onnx")
    assert shape == [first, 3, 6, 6]
    assert model.opset_import[0].version == 17
    count = 4 if first == "batch" else first
    np.testing.assert_allclose(computed(tmp_path / "m.onnx", x[:count]), y[:count], rtol=1e-4, atol=1e-5)


def test_opset_and_version_of_the_format(archive, tmp_path):
    path, x, y = archive
    out = tmp_path / "m.onnx"
    assert run("convert", "-d", "opset_13", "--ir_version", "8", "-b", "-1", path, out) == 0
    _, model = lengths(out)
    assert (model.opset_import[0].version, model.ir_version) == (13, 8)
    np.testing.assert_allclose(computed(out, x), y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "opset"), [("opset_snpe", 6), ("opset_tensorrt", 11)])
def test_models_for_a_runtime(archive, tmp_path, name, opset):
    path, x, y = archive
    assert run("convert", "-d", name, "-b", "4", path, tmp_path / "m.onnx") == 0
    _, model = lengths(tmp_path / "m.onnx")
    assert model.opset_import[0].version == opset
    if opset > 6:
        np.testing.assert_allclose(computed(tmp_path / "m.onnx", x), y, rtol=1e-4, atol=1e-5)
    assert run("convert", "-b", "4", tmp_path / "m.onnx", tmp_path / "n.nnp") == 0
    np.testing.assert_allclose(loaded(tmp_path / "n.nnp", x), y, rtol=1e-5, atol=1e-6)


def test_a_file_that_is_there(archive, tmp_path, capfd):
    out = tmp_path / "m.onnx"
    out.write_bytes(b"kept")
    assert run("convert", archive[0], out) == 255
    assert "exists; -f overwrites it" in capfd.readouterr().err
    assert out.read_bytes() == b"kept"
    assert run("convert", "-f", archive[0], out) == 0
    onnx.checker.check_model(str(out))


@pytest.mark.parametrize(
    ("options", "output", "message"),
    [
        (("--quantization",), "m.onnx", "from NNP to ONNX does not take --quantization"),
        (("--nnp-parameter-h5",), "m.onnx", "from NNP to ONNX does not take --nnp-parameter-h5"),
        (("-O", "CAFFE"), "m.x", "from NNP to CAFFE is not there yet"),
        (("--quantization",), "m.tflite", "--quantization and --dataset must be given together"),
        (("-d", "opset_5"), "m.onnx", "opset must be a number from 6 to"),
        (("-d", "opset_99"), "m.onnx", "opset must be a number from 6 to"),
        (("-d", "nnb_3"), "m.onnx", "define_version must be opset_6 to"),
        (("-E", "1"), "m.onnx", "-E must be the number of one of 1 executors, not 1"),
        (("--ir_version", "3"), "m.onnx", "--ir_version must be from 8 to"),
    ],
)
def test_what_is_refused(archive, tmp_path, capfd, options, output, message):
    assert run("convert", *options, archive[0], tmp_path / output) == 255
    assert message in capfd.readouterr().err
    assert not (tmp_path / output).exists()


@pytest.mark.parametrize("options", [("--inputs", "x"), ("--outputs", "y"), ("--enable-optimize-pb",)])
@pytest.mark.parametrize("output", ["m.onnx", "m.tflite", "n.nnp", "m.nnb"])
def test_options_of_other_formats(archive, tmp_path, capfd, options, output):
    assert run("convert", *options, archive[0], tmp_path / output) == 255
    assert f"does not take {options[0]}" in capfd.readouterr().err
    assert not (tmp_path / output).exists()


def test_formats_that_no_extension_says(archive, tmp_path):
    path, x, y = archive
    assert run("convert", "-b", "-1", "-O", "ONNX", path, tmp_path / "m.model") == 0
    np.testing.assert_allclose(computed(tmp_path / "m.model", x), y, rtol=1e-4, atol=1e-5)
    assert run("convert", "-I", "ONNX", "-b", "-1", tmp_path / "m.model", tmp_path / "n.nnp") == 0
    np.testing.assert_allclose(loaded(tmp_path / "n.nnp", x), y, rtol=1e-5, atol=1e-6)


def test_arrays_in_a_second_file(tmp_path):
    nn.clear_parameters()
    x = nn.Variable((2, 50))
    y = PF.affine(x, 60)
    x.d = np.random.RandomState(0).standard_normal(x.shape)
    y.forward()
    graph = nn.graph_def.create_graph_from_variable("net", y, names={"x": x, "y": y})
    save(to_onnx(graph["net"]), tmp_path / "m.onnx", most_inside=10_000)
    assert (tmp_path / "m.onnx.data").stat().st_size == 50 * 60 * 4
    assert (tmp_path / "m.onnx").stat().st_size < 2000
    onnx.checker.check_model(str(tmp_path / "m.onnx"))
    np.testing.assert_allclose(computed(tmp_path / "m.onnx", x.d.astype(np.float32)), y.d, rtol=1e-4, atol=1e-5)
    nn.clear_parameters()


def test_a_file_holds_the_model_that_it_is_written_from(tmp_path):
    """It is written array by array."""
    nn.clear_parameters()
    x = nn.Variable((2, 3, 8, 8))
    y = PF.affine(F.relu(PF.batch_normalization(PF.convolution(x, 4, (3, 3)), batch_stat=False)), 300)
    graph = nn.graph_def.create_graph_from_variable("net", y, names={"x": x, "y": y})
    model = to_onnx(graph["net"])
    model.metadata_props.add(key="made by", value="a test")
    model.graph.doc_string = "of the graph"
    save(model, tmp_path / "m.onnx")
    found = onnx.load(tmp_path / "m.onnx")
    assert found == model and len(found.graph.initializer) == 10
    for most in (10**9, 1000):
        written = []
        for source in (to_onnx(graph["net"]), exported(graph["net"])):
            save(source, tmp_path / "m.onnx", most_inside=most)
            written.append([path.read_bytes() for path in sorted(tmp_path.glob("m.onnx*"))])
        assert written[0] == written[1] and len(written[0]) == (1 if most > 1000 else 2)
    nn.clear_parameters()


EXPORTED = """
import sys
import numpy as np
import nnabla as nn, nnabla.functions as F, nnabla.parametric_functions as PF
from nnabla.converters.onnx import save, to_onnx
from nnabla.converters.onnx.exporter import exported

def memory(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field)) / 1024

def net(width):
    nn.clear_parameters()
    x = y = nn.Variable((1, width))
    for i in range(32):
        y = F.relu(PF.affine(y, width, w_init=lambda shape: np.ones(shape, np.float32), name=f"a{i}"))
    return nn.graph_def.create_graph_from_variable("net", y, names={"x": x, "y": y})["net"]

save(to_onnx(net(8)), sys.argv[1])
before = memory("VmRSS")
network = net(800)
for export in (exported, to_onnx):
    save(export(network), sys.argv[1])
    print(memory("VmHWM") - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of memory by Linux's means")
def test_memory_of_an_export(tmp_path):
    """The parameters, and the model; not the file on top of them. The command does without the model's arrays, too."""
    path = tmp_path / "m.onnx"
    done = subprocess.run([sys.executable, "-c", EXPORTED, path], capture_output=True, text=True, check=True)
    assert path.stat().st_size > 80e6
    command, model = map(float, done.stdout.split())
    assert command < 1.5 * path.stat().st_size / (1 << 20)
    assert model < 2.2 * path.stat().st_size / (1 << 20)


# ---- and back ----------------------------------------------------------------------------------------------


@pytest.fixture
def written(archive, tmp_path):
    """A model with an open batch, and an input with its result."""
    path, x, y = archive
    assert run("convert", "-b", "-1", path, tmp_path / "m.onnx") == 0
    return tmp_path / "m.onnx", x, y


def loaded(path, x):
    graph = nn.graph_def.load(str(path))
    assert list(graph.executors) == ["runtime"]
    y = graph(nn.Variable.from_numpy_array(x))
    y.forward()
    return y.d


@pytest.mark.parametrize(
    ("options", "output", "member"),
    [
        ((), "n.nnp", "parameter.protobuf"),
        (("--nnp-parameter-h5",), "n.nnp", "parameter.h5"),
        (("--nnp-parameter-nntxt",), "n.nnp", None),
        ((), "n.nntxt", None),
    ],
)
def test_from_onnx(written, tmp_path, options, output, member):
    path, x, y = written
    assert run("convert", *options, path, tmp_path / output) == 0
    if output.endswith(".nnp"):
        members = set(zipfile.ZipFile(tmp_path / output).namelist())
        assert members == {"nnp_version.txt", "network.nntxt"} | ({member} if member else set())
    np.testing.assert_allclose(loaded(tmp_path / output, x), y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(loaded(tmp_path / output, x[:1]), y[:1], rtol=1e-5, atol=1e-6)


def test_from_onnx_without_parameters(written, tmp_path):
    assert run("convert", "--nnp-exclude-parameter", "-b", "3", written[0], tmp_path / "n.nnp") == 0
    assert set(zipfile.ZipFile(tmp_path / "n.nnp").namelist()) == {"nnp_version.txt", "network.nntxt"}
    network = nn.graph_def.load(str(tmp_path / "n.nnp")).default_graph()
    assert network.batch_size == 3
    assert network.variables[network.inputs[0]].shape == (-1, 3, 6, 6)


def test_from_onnx_to_another_opset(written, tmp_path):
    path, x, y = written
    assert run("convert", "-b", "-1", "-d", "opset_11", path, tmp_path / "n.onnx") == 0
    shape, model = lengths(tmp_path / "n.onnx")
    assert (shape[0], model.opset_import[0].version) == ("batch", 11)
    np.testing.assert_allclose(computed(tmp_path / "n.onnx", x), y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-E", "0"), "from ONNX to NNP does not take -E"),
        (("-d", "opset_17"), "from ONNX to NNP does not take -d"),
        (("-b", "0"), "-b must be -1 or at least 1, not 0"),
    ],
)
def test_what_is_refused_of_onnx(written, tmp_path, capfd, options, message):
    assert run("convert", *options, written[0], tmp_path / "n.nnp") == 255
    assert message in capfd.readouterr().err
    assert not (tmp_path / "n.nnp").exists()


def test_a_model_that_cannot_be_read(tmp_path, capfd):
    (tmp_path / "m.onnx").write_bytes(b"no model")
    assert run("convert", tmp_path / "m.onnx", tmp_path / "n.nnp") == 255
    assert "this is no ONNX model, or it is damaged" in capfd.readouterr().err
    assert not (tmp_path / "n.nnp").exists()
