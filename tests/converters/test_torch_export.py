"""Programs of `torch.export` as networks: equal to what PyTorch computes, also for other sizes of the batch."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import nnabla as nn
from nnabla.converters.torch_export import from_torch_export
from nnabla.errors import ArgumentError, FormatError

from .case_networks import computed
from .onnx.torch_models import MODELS, made
from .onnx.torch_models import computed as by_torch


@pytest.fixture(autouse=True)
def fresh_parameters():
    nn.clear_parameters()
    yield
    nn.clear_parameters()


def exported(model, x, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(model, (torch.from_numpy(x),), **options)


def equal(found, expected):
    assert [y.shape for y in found] == [y.shape for y in expected]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "quantized CNN"])
def test_a_model_with_an_open_batch(name, tmp_path):
    model, x = made(name)
    fixed = name == "RNN"
    options = {} if fixed else {"dynamic_shapes": ({0: torch.export.Dim("batch")},)}
    graph = from_torch_export(exported(model, x, **options))
    equal(computed(graph, x), by_torch(model, x))
    names = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    assert names <= set(graph.get_parameters()) or name in ("LSTM", "GRU", "RNN")
    if not fixed:
        network = graph.default_graph()
        assert network.variables[network.inputs[0]].shape[0] == -1
        graph.save(tmp_path / "m.nnp", variable_batch_size=False)
        more = np.concatenate([x, x[:1] + 0.5, x])
        equal(computed(nn.graph_def.load(tmp_path / "m.nnp"), more), by_torch(model, more))


def test_it_can_be_trained():
    model, x = made("ResNet block")
    graph = from_torch_export(exported(model, x))
    y = graph(nn.Variable.from_numpy_array(x))
    y.forward()
    y.backward()
    assert set(graph.get_parameters(grad_only=True)) == {name for name, _ in model.named_parameters()}
    gradients = {k: p.g for k, p in graph.get_parameters(grad_only=True).items()}
    model(torch.from_numpy(x)).sum().backward()
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(gradients[name].reshape(parameter.shape), parameter.grad, rtol=1e-3, atol=1e-3)


class Strange(torch.nn.Module):
    def forward(self, x):
        return torch.linalg.eigvals(x).abs(), torch.special.i0(x), x + 1


def test_what_is_refused():
    with pytest.raises(ArgumentError, match="program must be what torch.export.export returns, not Linear"):
        from_torch_export(torch.nn.Linear(2, 2))
    x = np.eye(3, dtype=np.float32)
    with pytest.raises(FormatError) as error:
        from_torch_export(exported(Strange(), x))
    assert "linalg_eig: the operator has no counterpart" in str(error.value)
    assert "i0: the operator has no counterpart" in str(error.value)
    model, x = made("ResNet block")
    with pytest.raises(FormatError, match=r"export it in eval\(\)"):
        from_torch_export(exported(model.train(), x))
    with pytest.raises(ArgumentError, match="batch_size must be at least 1, not 0"):
        from_torch_export(exported(model.eval(), x), batch_size=0)
