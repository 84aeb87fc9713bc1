"""On a machine with a GPU: training computes what a CPU does, on any stream, and memory is managed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.communicators as C
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.ext_utils import get_extension_context, import_extension_module

from .distributed.launching import VARIABLES

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """No products in 19 bits, which torch lets cuDNN use for convolutions in single precision."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)


def trained(context, steps=10):
    """Losses of a small CNN, and its parameters in the end."""
    nn.clear_parameters()
    nn.seed(313)
    rng = np.random.RandomState(0)
    losses = []
    with nn.context_scope(context):
        x, t = nn.Variable((16, 1, 8, 8)), nn.Variable((16, 1))
        h = F.relu(PF.batch_normalization(PF.convolution(x, 8, (3, 3), pad=(1, 1))))
        loss = F.mean(F.softmax_cross_entropy(PF.affine(F.max_pooling(h, (2, 2)), 10), t))
        solver = S.Momentum(0.05)
        solver.set_parameters(nn.get_parameters())
        for _ in range(steps):
            # New values reach the GPU although the program goes on while it copies them.
            x.d, t.d = rng.rand(16, 1, 8, 8), rng.randint(0, 10, (16, 1))
            loss.forward(clear_no_need_grad=True)
            solver.zero_grad()
            loss.backward(clear_buffer=True)
            solver.update()
            losses.append(float(loss.d))
    return losses, {name: p.d.copy() for name, p in nn.get_parameters(grad_only=False).items()}


def assert_same(found, wanted, tolerance):
    np.testing.assert_allclose(found[0], wanted[0], rtol=tolerance)
    for name, values in wanted[1].items():
        np.testing.assert_allclose(found[1][name], values, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("extension", ["cuda", "cudnn"])
def test_training(extension):
    wanted = trained(get_extension_context("cpu"))
    assert_same(trained(get_extension_context(extension)), wanted, 1e-4)
    assert_same(trained(get_extension_context(extension, type_config="bfloat16")), wanted, 0.05)
    assert len(set(wanted[0])) == len(wanted[0])


def test_another_stream():
    """What the caller's stream is, is where functions compute."""
    wanted = trained(get_extension_context("cudnn"))
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        found = trained(get_extension_context("cudnn"))
    assert_same(found, wanted, 1e-5)


def test_pinned_memory():
    context = get_extension_context("cudnn")
    array = nn.NdArray.from_numpy_array(np.arange(5, dtype=np.float32))
    on_gpu = array._as(torch.float32, context.device)
    assert on_gpu.is_cuda and array._tensor is on_gpu
    array.data = np.ones(5, np.float32)
    assert array._tensor is on_gpu
    assert array.data.tolist() == [1] * 5 and array._tensor.is_pinned()
    # Many batches, each overwritten at once by the next: none is read too late.
    batch = np.zeros(1 << 20, np.float32)
    array, sums = nn.NdArray(batch.shape), []
    array._as(torch.float32, context.device)
    for i in range(50):
        batch[:] = i
        array.data = batch
        with nn.context_scope(context):
            sums.append(F.mean(array))
    assert [float(s.data) for s in sums] == list(range(50))


def test_memory_calls(capsys):
    module = import_extension_module("cudnn")
    module.clear_memory_cache()
    before = torch.cuda.memory_reserved()
    array = nn.NdArray((1 << 24,))
    array.zero()
    array._as(torch.float32, get_extension_context("cudnn").device)
    del array
    assert torch.cuda.memory_reserved() > before
    module.print_memory_cache_map()
    assert "cache_map(device_id: 0, mem_type: cuda, used: " in capsys.readouterr().out
    module.clear_memory_cache()
    assert torch.cuda.memory_reserved() <= before
    module.synchronize(device_id="0")
    assert module.get_devices() == [str(i) for i in range(module.get_device_count())] != []


def test_a_communicator_of_one(monkeypatch):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    context = get_extension_context("cudnn")
    comm = C.MultiProcessCommunicator(context)
    comm.init()
    with nn.context_scope(context):
        w = PF.affine(nn.Variable.from_numpy_array(np.ones((2, 3))), 4)
        loss = F.sum(w)
        gradients = [p.grad for p in nn.get_parameters().values()]
        loss.forward()
        loss.backward(communicator_callbacks=comm.all_reduce_callback(gradients, 8, division=True, scale_grad=0.5))
    assert all((g.data != 0).all() for g in gradients)
