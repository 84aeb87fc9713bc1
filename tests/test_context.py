"""Contexts: what computes where, in which type."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.errors import ArgumentError, ExtensionError
from nnabla.ext_utils import get_extension_context, import_extension_module, list_extensions


def test_context():
    c = nn.Context(["cpu:float"], "CpuCachedArray", "0")
    assert repr(c) == "Context(backend=['cpu:float'], array_class='CpuCachedArray', device_id='0')"
    assert c == nn.Context(["cpu:float"], "CpuCachedArray", "0")
    assert hash(c) == hash(nn.Context(["cpu:float"], "CpuCachedArray", "0"))
    assert c != nn.Context(["cpu:half"], "CpuCachedArray", "0")
    assert c["backend"] == ["cpu:float"]
    c.backend = ["cpu:double"]
    assert c.dtype is torch.float64
    assert repr(nn.Context()) == "Context(backend=['cpu:float'], array_class='', device_id='0')"


def test_scopes():
    c = get_extension_context("cpu", type_config="double")
    with nn.context_scope(c):
        assert nn.get_current_context() is c
        with pytest.raises(AssertionError, match="cannot be called inside a context_scope"):
            nn.set_default_context(c)
    assert nn.get_current_context() == nn.Context()
    nn.set_default_context(c)
    assert nn.get_current_context() is c
    with pytest.raises(TypeError, match="ctx must be a nnabla.Context, not str"), nn.context_scope("cpu"):
        pass


def test_extensions():
    assert list_extensions() == ["cpu", "cuda", "cudnn"]
    assert get_extension_context("cpu", device_id="3").backend == ["cpu:float"]
    module = import_extension_module("cpu")
    assert (module.get_device_count(), module.get_devices(), module.array_classes()[0]) == (1, ["0"], "CpuCachedArray")
    module.synchronize(device_id="0")
    module.clear_memory_cache()
    with pytest.raises(ModuleNotFoundError, match=r"no extension 'nope'; installed: \['cpu', 'cuda', 'cudnn'\]"):
        get_extension_context("nope")
    with pytest.raises(ArgumentError, match="type_config must be one of .*'bfloat16'.*, not 'quad'"):
        get_extension_context("cpu", type_config="quad")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("name", ["cuda", "cudnn"])
def test_a_gpu_context_without_a_gpu_is_one_clear_error(name):
    with pytest.raises(ExtensionError, match=rf"{name}.context: no GPU was found by torch .*; use the 'cpu' extension"):
        get_extension_context(name, device_id="0")
    with pytest.raises(ExtensionError, match="needs a GPU"), nn.context_scope(nn.Context([f"{name}:float"])):
        pass


TYPES = {"float": np.float32, "half": np.float16, "double": np.float64, "bfloat16": np.float32}


@pytest.mark.parametrize("config", TYPES)
@pytest.mark.parametrize("dynamic", [False, True])
def test_a_network_computes_and_learns_in_every_type(config, dynamic):
    context = get_extension_context("cpu", type_config=config)
    with nn.context_scope(context), nn.auto_forward(dynamic):
        x = nn.Variable.from_numpy_array(np.random.randn(4, 3, 8, 8))
        t = nn.Variable.from_numpy_array(np.random.randint(0, 5, (4, 1)))
        h = F.relu(PF.batch_normalization(PF.convolution(x, 4, (3, 3))))
        h = PF.affine(F.max_pooling(h, (2, 2)), 5)
        loss = F.mean(F.softmax_cross_entropy(h, t))
    if not dynamic:
        loss.forward()
    assert h.data.dtype == TYPES[config]
    for p in nn.get_parameters().values():
        p.grad.zero()
    loss.backward()
    for name, p in nn.get_parameters().items():
        assert p.data.dtype == np.float32, name
        assert np.isfinite(p.g).all(), name
        assert np.any(p.g), name
    assert x.data.dtype == np.float64
    assert np.isfinite(float(loss.d))


def test_types_may_meet_in_one_graph():
    x = nn.Variable.from_numpy_array(np.linspace(0.1, 1, 6).reshape(2, 3), need_grad=True)
    x.grad.zero()
    with nn.context_scope(nn.Context(["cpu:half"])):
        y = F.tanh(x)
    with nn.context_scope(nn.Context(["cpu:double"])):
        z = F.exp(y)
    s = F.sum(z)
    s.forward()
    assert (y.data.dtype, z.data.dtype, s.data.dtype) == (np.float16, np.float64, np.float32)
    s.backward()
    exact = np.exp(np.tanh(x.d)) * (1 - np.tanh(x.d) ** 2)
    np.testing.assert_allclose(x.g, exact, rtol=5e-3)
