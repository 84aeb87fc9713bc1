"""Networks as ONNX models: parameters, names, open batch size, and what is refused."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.converters.onnx import to_onnx
from nnabla.converters.onnx.exporter import newest_opset, opset_of
from nnabla.errors import ArgumentError, FormatError
from nnabla.network import ProtoNetwork, create_graph_from_variable
from nnabla.network.argument_values import Alone


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
    x = nn.Variable((3, 4))
    described = network(x, F.cumsum(x, axis=1))
    with pytest.raises(FormatError, match="CumSum '@net/CumSum': the operator CumSum is there from opset 11 on"):
        to_onnx(described, opset=10)
    assert to_onnx(described, opset=11).opset_import[0].version == 11


@pytest.mark.parametrize("opset", [0, 8, 1000, True, "17", 17.0])
def test_opsets_that_are_refused(opset):
    x = nn.Variable((3, 4))
    with pytest.raises(ArgumentError, match=f"ONNX: opset must be a number from 9 to {newest_opset()}, not {opset!r}"):
        to_onnx(network(x, F.relu(x)), opset=opset)


def test_names_of_opsets():
    assert opset_of("opset_13") == 13
    assert opset_of(None) is None
    for text in ("opset_", "13", "nnb_3", "opset_snpe"):
        with pytest.raises(ArgumentError, match="define_version must be opset_9 to"):
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


@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("name", ["fft", "ifft"])
def test_fourier_transforms(name, normalized, opset):
    x = nn.Variable((3, 4, 5, 2))
    x.d = np.random.RandomState(0).standard_normal(x.shape)
    y = getattr(F, name)(x, 2, normalized)
    y.forward()
    np.testing.assert_allclose(run(to_onnx(network(x, y), opset), x.d), y.d, rtol=1e-4, atol=1e-5)
    with pytest.raises(FormatError, match="from opset 17 on"):
        to_onnx(network(x, y), 16)
