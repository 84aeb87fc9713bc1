"""``nnabla_cli optimize`` with models of NNabla, and what it calls."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.rewriting.affine_products import simplified
from nnabla.utils.cli.optimize_model import optimize_nnp_model_command
from nnabla.utils.converter.nnabla.optimizer import optimize_nnp

from .running import run

rng = np.random.RandomState(0)


def parameter(name, *shape):
    return nn.parameter.get_parameter_or_create(name, initializer=rng.standard_normal(shape).astype(np.float32))


def product(x, w, b=None, **options):
    """Of matrices, between reshapes as other frameworks' models become them."""
    inner = F.batch_matmul(*[F.reshape(v, (1, *v.shape)) if v.ndim == 2 else v for v in (x, w)], **options)
    y = F.reshape(inner, inner.shape[1:]) if x.ndim == 2 else inner
    return y if b is None else F.add2(y, b)


NETWORKS = {
    "with bias": ((2, 3), lambda x: product(x, parameter("w", 3, 4), parameter("b", 1, 4)), ["Affine"]),
    "row before": ((2, 3), lambda x: F.add2(parameter("b", 1, 4), product(x, parameter("w", 3, 4))), ["Affine"]),
    "alone": ((2, 3), lambda x: F.relu(product(x, parameter("w", 3, 4))), ["Affine", "ReLU"]),
    "turned": ((2, 3), lambda x: product(x, parameter("w", 4, 3), parameter("b", 1, 4), transpose_b=True), ["Affine"]),
    "reshaped": (
        (2, 3),
        lambda x: product(x, F.reshape(parameter("w", 12), (3, 4)), F.reshape(parameter("b", 4), (1, 4))),
        ["Affine"],
    ),
    "of three axes": ((5, 2, 3), lambda x: product(x, parameter("w", 1, 3, 4), parameter("b", 1, 1, 4)), ["Affine"]),
    "two layers": (
        (2, 3),
        lambda x: product(F.tanh(product(x, parameter("w", 3, 4), parameter("b", 1, 4))), parameter("v", 4, 2)),
        ["Affine", "Tanh", "Affine"],
    ),
    "nothing done": ((2, 3), lambda x: F.relu(F.identity(F.identity(x))), ["ReLU"]),
    # What must stay.
    "matrices by samples": ((5, 2, 3), lambda x: product(x, parameter("w", 5, 3, 4)), ["BatchMatmul"]),
    "turned input": ((1, 3, 2), lambda x: product(x, parameter("w", 1, 3, 4), transpose_a=True), ["BatchMatmul"]),
    "computed": ((5, 3, 3), lambda x: product(x, F.relu(x)), ["ReLU", "BatchMatmul"]),
    "column": ((2, 3), lambda x: product(x, parameter("w", 3, 4), parameter("b", 2, 1)), ["Affine", "Add2"]),
    "other reshapes": (
        (2, 6),
        lambda x: F.reshape(product(F.reshape(x, (1, 4, 3)), parameter("w", 1, 3, 4)), (2, 8)),
        ["Reshape", "Affine", "Reshape"],
    ),
}


@pytest.fixture(autouse=True)
def no_parameters():
    nn.clear_parameters()
    yield
    nn.clear_parameters()


def described(name):
    shape, build, types = NETWORKS[name]
    x = nn.Variable(shape)
    y = build(x)
    x.d = rng.standard_normal(shape)
    y.forward()
    graph = nn.graph_def.create_graph_from_variable("net", y, names={"x": x, "y": y})
    return graph, x.d.copy(), y.d.copy(), types


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name):
    graph, x, y, types = described(name)
    before = [f.type for f in graph["net"].functions.values()]
    found = simplified(graph)
    network = found["net"]
    assert [f.type for f in network.functions.values()] == types
    assert (network.inputs, network.outputs) == (["x"], ["y"])
    assert set(found.get_parameters()) == set(network.parameters)
    result = network(nn.Variable.from_numpy_array(x))
    result.forward()
    np.testing.assert_allclose(result.d, y, rtol=1e-5, atol=1e-6)
    assert [f.type for f in graph["net"].functions.values()] == before
    assert [f.type for f in optimize_nnp(graph).functions.values()] == types


def test_a_row_that_two_read():
    """Each layer gets its own parameters, and what others read stays."""
    x, w, b = nn.Variable((2, 3)), parameter("w", 3, 3), parameter("b", 1, 3)
    first = product(x, w, b)
    y = F.add2(product(first, w, b, transpose_b=True), first)
    x.d = rng.standard_normal(x.shape)
    y.forward()
    found = simplified(nn.graph_def.create_graph_from_variable("net", y, names={"x": x}))
    assert [f.type for f in found["net"].functions.values()] == ["Affine", "Affine", "Add2"]
    result = found(nn.Variable.from_numpy_array(x.d))
    result.forward()
    np.testing.assert_allclose(result.d, y.d, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("extension", [".nnp", ".nntxt"])
def test_a_model_of_nnabla(tmp_path, capsys, extension):
    graph, x, y, _ = described("two layers")
    graph.save(str(tmp_path / "m.nnp"), executors=[{"name": "run", "network": "net", "data": ["x"], "output": ["y"]}])
    assert run("optimize", tmp_path / "m.nnp", tmp_path / f"o{extension}") == 0
    assert f"o{extension}: 3 functions instead of 10" in capsys.readouterr().out
    found = nn.graph_def.load(str(tmp_path / f"o{extension}"))
    assert list(found.executors) == ["run"]
    result = found(nn.Variable.from_numpy_array(x))
    result.forward()
    np.testing.assert_allclose(result.d, y, rtol=1e-5, atol=1e-6)
    assert optimize_nnp_model_command(str(tmp_path / "m.nnp"), str(tmp_path / f"o{extension}"))


def test_what_is_refused(tmp_path, capfd):
    (tmp_path / "m.onnx").write_bytes(b"")
    assert run("optimize", tmp_path / "m.onnx", tmp_path / "o.onnx") == 255
    assert "optimize: the input must be a .pb, .nnp or .nntxt file, not" in capfd.readouterr().err
    (tmp_path / "m.nntxt").write_text("")
    assert run("optimize", tmp_path / "m.nntxt", tmp_path / "o.onnx") == 255
    assert "optimize: the extension must be one of" in capfd.readouterr().err
