"""Contexts: what computes where, in which type."""

from __future__ import annotations

import copy
import pickle
import sys

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.contrib.context import extension_context
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


def test_a_context_can_be_changed():
    """As on NNabla 1.39: what is set shows, and functions that were created before keep what they had."""
    c = nn.Context(["cpu:float"], "CpuCachedArray", "0")
    x = nn.Variable.from_numpy_array([1.0, 2.0])
    with nn.context_scope(c):
        before = F.exp(x)
        c.backend, c.array_class, c.device_id = ["cpu:double", "cpu:float"], "CpuArray", "1"
        after = F.exp(x)
    assert repr(c) == "Context(backend=['cpu:double', 'cpu:float'], array_class='CpuArray', device_id='1')"
    assert repr(before.parent.context) == repr(nn.Context(["cpu:float"], "CpuCachedArray", "0"))
    assert repr(after.parent.context) == repr(c)
    nn.forward_all([before, after])
    assert (before.data.dtype, after.data.dtype) == (np.float32, np.float64)
    assert before.parent(x).parent.context.backend == ["cpu:float"]
    before.parent.context.backend = ["cpu:half"]
    assert before.parent.context.backend == ["cpu:float"]
    c.backend = ("cpu:half",)
    for same in (copy.copy(c), copy.deepcopy(c), pickle.loads(pickle.dumps(c))):
        assert same is not c and repr(same) == repr(c)
        assert same.dtype is torch.float16


def test_a_context_that_is_no_more_leaves_nothing_to_others():
    """What is remembered of calls goes by the address of the context, which another one may get."""
    x = nn.Variable((2, 3))
    for name, dtype in (("half", torch.float16), ("double", torch.float64)) * 5:
        with nn.context_scope(nn.Context([f"cpu:{name}"])):
            assert F.tanh(x).parent._operator.compute_dtype is dtype


def test_names_of_the_module():
    module = sys.modules["nnabla.context"]
    assert module.context_level == 0
    with nn.context_scope(c := nn.Context(["cpu:double"])):
        assert module.current_ctx is c and module.context_level == 1
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


@pytest.fixture
def gpu(monkeypatch):
    """Lets torch say that there is a GPU. Nothing may compute on it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    yield monkeypatch
    torch.backends.cudnn.deterministic = False


@pytest.mark.parametrize("backend", ["cuda:float", "cudnn:half"])
def test_environment_variables_of_cudnn(gpu, backend):
    for value, deterministic in (("", False), ("0", False), ("1", True)):
        torch.backends.cudnn.deterministic = False
        gpu.setenv("NNABLA_CUDNN_DETERMINISTIC", value)
        assert nn.Context([backend], device_id="2").device == torch.device("cuda", 2)
        assert torch.backends.cudnn.deterministic is deterministic
    gpu.setenv("NNABLA_CUDNN_DETERMINISTIC", "yes")
    with pytest.raises(ArgumentError, match="NNABLA_CUDNN_DETERMINISTIC must be 0 or 1, not 'yes'"):
        nn.Context([backend]).resolved  # noqa: B018
    gpu.delenv("NNABLA_CUDNN_DETERMINISTIC")
    gpu.setenv("NNABLA_CUDNN_WORKSPACE_LIMIT", "1000000")
    with pytest.raises(ExtensionError, match="NNABLA_CUDNN_WORKSPACE_LIMIT is set, .* has no such limit; unset it"):
        nn.Context([backend]).resolved  # noqa: B018
    assert nn.Context(["cpu:float"]).dtype is torch.float32


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
    # As on NNabla 1.39, where another type than float has float behind it.
    assert repr(get_extension_context("cpu", device_id="3")) == (
        "Context(backend=['cpu:float'], array_class='CpuCachedArray', device_id='')"
    )
    assert get_extension_context("cpu", type_config="half").backend == ["cpu:half", "cpu:float"]
    module = import_extension_module("cpu")
    assert (module.get_device_count(), module.get_devices(), module.array_classes()[0]) == (1, ["0"], "CpuCachedArray")
    module.synchronize(device_id="0")
    module.clear_memory_cache()
    with pytest.raises(ModuleNotFoundError, match=r"no extension 'nope'; installed: \['cpu', 'cuda', 'cudnn'\]"):
        get_extension_context("nope")
    with pytest.raises(ArgumentError, match="type_config must be one of .*'bfloat16'.*, not 'quad'"):
        get_extension_context("cpu", type_config="quad")


def test_the_former_name():
    assert extension_context() == get_extension_context("cpu")
    assert extension_context("cpu", type_config="half") == get_extension_context("cpu", type_config="half")
    with pytest.raises(ModuleNotFoundError, match="no extension 'nope'"):
        extension_context(extension_name="nope")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("name", ["cuda", "cudnn"])
def test_a_gpu_context_without_a_gpu_is_one_clear_error(name):
    with pytest.raises(ExtensionError, match=rf"{name}.context: no GPU was found by torch .*; use the 'cpu' extension"):
        get_extension_context(name, device_id="0")
    with pytest.raises(ExtensionError, match="needs a GPU"), nn.context_scope(nn.Context([f"{name}:float"])):
        pass


@pytest.mark.parametrize("name", ["cuda", "cudnn"])
def test_what_a_gpu_extension_says_of_memory(name, gpu, capsys):
    """With what torch would say on a machine that has a GPU."""
    calls = []
    gpu.setattr(torch.cuda, "memory_allocated", lambda device: 3 << 20)
    gpu.setattr(torch.cuda, "memory_reserved", lambda device: (5 << 20) * (device + 1))
    gpu.setattr(torch.cuda, "empty_cache", lambda: calls.append("emptied"))
    gpu.setattr(torch.cuda, "synchronize", lambda device: calls.append(device))
    gpu.setattr(torch.cuda, "device_count", lambda: 2)
    module = import_extension_module(name)
    module.print_memory_cache_map()
    module.print_memory_cache_map(device_id="1")
    assert capsys.readouterr().out == (
        "cache_map(device_id: 0, mem_type: cuda, used: 3.00MB, free: 2.00MB)\n"
        "cache_map(device_id: 1, mem_type: cuda, used: 3.00MB, free: 7.00MB)\n"
    )
    module.clear_memory_cache()
    module.synchronize(device_id=1)
    module.device_synchronize("0")
    assert calls == ["emptied", 1, 0]
    assert (module.get_device_count(), module.get_devices()) == (2, ["0", "1"])
    assert module.context("1").device == torch.device("cuda", 1)
    with pytest.raises(ArgumentError, match=rf"{name}.context: device_id must be one of \['0', '1'\], not 2"):
        module.context(2)


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
