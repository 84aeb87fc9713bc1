"""Models that PyTorch's exporter writes: read, run with other sizes of the batch, saved, loaded again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nnabla as nn
from nnabla.converters.onnx import from_onnx, to_onnx

from .torch_models import MODELS, computed, export, made


@pytest.fixture(autouse=True)
def fresh_parameters():
    nn.clear_parameters()
    yield
    nn.clear_parameters()


def run(graph, x):
    network = graph.default_graph()
    variable = nn.Variable.from_numpy_array(x)
    network(variable)
    names = [v.variable_name for v in graph.executors["runtime"].as_proto().output_variable]
    outputs = [network.variables[name].variable_instance for name in names]
    nn.forward_all(outputs)
    return [y.d for y in outputs]


def equal(found, expected):
    assert [y.shape for y in found] == [y.shape for y in expected]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_with_an_open_batch(name, tmp_path):
    model, x = made(name)
    axis = 1 if name == "RNN" else 0
    fixed = axis == 1
    if name == "quantized CNN":
        # The newer exporter does not know rounding to 8 bits.
        options = {"dynamo": False, "opset_version": 17, "input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}}
    else:
        options = {"dynamo": True} | ({"opset_version": 23} if name == "attention" else {})
        options |= {} if fixed else {"dynamic_shapes": ({0: torch.export.Dim("batch")},)}
    export(model, x, tmp_path / "m.onnx", **options)
    graph = from_onnx(tmp_path / "m.onnx", batch_size=1 if not fixed else 2)
    equal(run(graph, x), computed(model, x))
    network = graph.default_graph()
    assert network.batch_size == (None if fixed else 1)
    graph.save(tmp_path / "m.nnp", variable_batch_size=False)
    loaded = nn.graph_def.load(tmp_path / "m.nnp")
    if not fixed:
        assert all(network.variables[each].shape[0] == -1 for each in network.inputs)
        x = np.concatenate([x, x[:1] + 0.5, x])
    equal(run(loaded, x), computed(model, x))


@pytest.mark.parametrize("name", ["CNN", "LSTM"])
def test_a_model_of_a_fixed_batch_and_the_older_exporter(name, tmp_path):
    model, x = made(name)
    export(model, x, tmp_path / "m.onnx", dynamo=False, opset_version=17)
    equal(run(from_onnx(tmp_path / "m.onnx"), x), computed(model, x))


def test_it_can_be_written_again(tmp_path):
    model, x = made("ResNet block")
    export(model, x, tmp_path / "m.onnx", dynamo=True)
    network = from_onnx(tmp_path / "m.onnx").default_graph()
    equal(run(from_onnx(to_onnx(network, 13)), x), computed(model, x))


def test_parameters_keep_their_names_and_can_be_trained(tmp_path):
    model, x = made("ResNet block")
    export(model, x, tmp_path / "m.onnx", dynamo=True, dynamic_shapes=({0: torch.export.Dim("batch")},))
    graph = from_onnx(tmp_path / "m.onnx")
    assert "c.bias" in graph.get_parameters(grad_only=True)
    y = graph(nn.Variable.from_numpy_array(x))
    y.forward()
    y.backward()
    assert all(np.abs(p.g).sum() > 0 for p in graph.get_parameters(grad_only=True).values())
