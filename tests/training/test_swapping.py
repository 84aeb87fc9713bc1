"""Swapping of arrays, with half of the memory of a CPU in the part of a GPU: all but the copies is what a GPU has.

What is outside is full of NaN while it is there, so a function that reads it shows in the results.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla._array_view import shown_by
from nnabla.function import PythonFunction
from nnabla.graph.order import topological
from nnabla.training import out_of_core
from nnabla.training.out_of_core import SwapInOutScheduler, lms_scheduler

from ..rewriting.networks import NETWORKS, fill


class FakeMemory:
    """The memory of a device: whatever lies in no copy that was taken out. Counts what some arrays take of it."""

    def __init__(self, arrays):
        self._arrays = arrays
        self._outside = {}
        self.came = 0

    @property
    def left(self):
        return len(self._outside)

    def holds(self, tensor):
        return tensor.untyped_storage().data_ptr() not in self._outside

    def allocated(self):
        tensors = [array._tensor for array in self._arrays() if array._tensor is not None]
        blocks = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors if self.holds(t)}
        return sum(blocks.values())

    def take_out(self, block):
        host, values = torch.empty_like(block), block.clone()

        def arrive():
            host.fill_(255)  # NaN in each type of floating point numbers

        # The copies live as long as this, so no address comes up twice.
        self._outside[host.data_ptr()] = host, values
        return host, arrive

    def bring_back(self, host):
        self.came += 1
        return self._outside[host.data_ptr()][1].clone(), lambda: None

    def rest(self):
        """An iteration has ended: the program may read what is outside."""
        for host, values in self._outside.values():
            host.copy_(values)

    def begin(self):
        for host, _ in self._outside.values():
            host.fill_(255)


class InPlace(PythonFunction):
    """Doubles its input, and writes over it backward."""

    def min_outputs(self):
        return 1

    def setup_impl(self, inputs, outputs):
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs, outputs):
        outputs[0].d = 2 * inputs[0].d

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        inputs[0].g = 2 * outputs[0].g + (inputs[0].g if accum[0] else 0)


def _views(batch_stat):
    x = nn.Variable((2, 3, 4, 4))
    h = F.relu(PF.convolution(x, 6, (3, 3), pad=(1, 1)), inplace=True)
    a, b = F.split(F.reshape(h, (2, 2, 3, 16)), axis=1)
    h = F.concatenate(F.transpose(a, (0, 2, 1)), F.identity(F.transpose(b, (0, 2, 1))), axis=2)
    h = InPlace()(F.reshape(h, (2, 16, 6), inplace=False))
    return x, PF.affine(h + F.broadcast(F.mean(h, axis=1, keepdims=True), h.shape), 3)


def _mixed(batch_stat):
    x = nn.Variable((2, 3, 4, 4))
    h = F.relu(PF.convolution(x, 6, (3, 3), pad=(1, 1)))
    with nn.context_scope(nn.Context(["cpu:double"])):
        h = F.tanh(PF.affine(h, 5, name="double"))
    return x, PF.affine(h * h, 3, name="float")


def _recomputed(batch_stat):
    x = nn.Variable((2, 3, 4, 4))
    h = F.sigmoid(PF.convolution(x, 6, (3, 3), pad=(1, 1)))
    with nn.recompute():
        h = F.tanh(F.exp(F.sin(h)) * h)
    return x, PF.affine(h, 3, name="float")


NETS = {**NETWORKS, "views": _views, "mixed types": _mixed, "recomputed": _recomputed}


def trained(name, options, limit=None, dynamic=False, steps=4):
    """Losses and parameters of a training, the memory, and the most that was in use after a function."""
    nn.clear_parameters()
    nn.seed(1)

    def built():
        x, y = NETS[name](True)
        return x, F.mean(F.pow_scalar(y - 0.3, 2))

    x, loss = built()
    fill(x, 3)
    values = x.d.copy()
    solver = S.Adam(0.01)
    solver.set_parameters(nn.get_parameters())
    order = [[]]
    memory, peak, hooks, scheduler = None, 0, {}, lms_scheduler(None, False)
    if limit is not None:

        def arrays():
            buffers = [b for f in order[0] for b in (*(v._buffers for v in f._inputs), *f._outputs)]
            given = [array for b in buffers for array in (b.data, b._grad) if array is not None]
            return list({id(a): a for a in map(shown_by, given)}.values())

        context = nn.get_current_context()
        memory = FakeMemory(arrays)
        scheduler = SwapInOutScheduler(context, context, limit)
        scheduler._swapping = out_of_core.Swapping(memory, limit, limit)

        def after(function):
            nonlocal peak
            scheduler.function_post_hook(function)
            peak = max(peak, memory.allocated())

        hooks = {"function_pre_hook": scheduler.function_pre_hook, "function_post_hook": after}
    found = []
    for _ in range(steps):
        if dynamic:
            x, loss = built()
            x.d = values
        order[0] = list(topological([loss]))
        if memory is not None:
            memory.begin()
        with out_of_core.schedule_scope(scheduler):
            loss.forward(clear_no_need_grad=options, **hooks)
            solver.zero_grad()
            loss.backward(clear_buffer=options, **hooks)
            solver.update()
        if memory is not None:
            memory.rest()
        found.append(loss.d.copy())
    found += [v.d.copy() for v in nn.get_parameters(grad_only=False).values()]
    return found, memory, peak


@pytest.mark.parametrize("clear", [True, False])
@pytest.mark.parametrize("name", list(NETS))
def test_results_are_those_without_it(name, clear):
    # With hooks, too, but nothing to swap: graphs run by other kernels where there are hooks, to rounding.
    expected = trained(name, clear, 10**9, steps=3)[0]
    for limit in (1, 2000) if clear else (1,):
        found, memory, _ = trained(name, clear, limit, steps=3)
        assert memory.left > 0
        assert memory.came > 0
        for without, swapped in zip(expected, found, strict=True):
            np.testing.assert_array_equal(swapped, without)


def test_graphs_that_are_built_anew():
    expected = trained("resnet", True, 10**9, dynamic=True)[0]
    found, memory, _ = trained("resnet", True, 4000, dynamic=True)
    assert memory.came > 0
    for without, swapped in zip(expected, found, strict=True):
        np.testing.assert_array_equal(swapped, without)


def test_memory_is_bounded():
    """Of a deep network: activations far beyond the limit, each function far below."""

    def deep(batch_stat):
        x = nn.Variable((8, 4, 16, 16))
        h = x
        for i in range(12):
            h = F.tanh(PF.convolution(h, 4, (3, 3), pad=(1, 1), name=f"conv{i}"))
        return x, PF.affine(F.average_pooling(h, (16, 16)), 3)

    NETS["deep"] = deep
    try:
        unlimited = trained("deep", True, 10**9)
        array = 8 * 4 * 16 * 16 * 4
        limit = 9 * array
        limited = trained("deep", True, limit)
    finally:
        del NETS["deep"]
    assert unlimited[1].left == 0
    assert unlimited[2] > 12 * array
    assert limited[2] <= limit
    for without, swapped in zip(unlimited[0], limited[0], strict=True):
        np.testing.assert_array_equal(swapped, without)


def test_contexts_choose(monkeypatch):
    """A GPU's context gets a scheduler that swaps, a CPU's one that does not."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    gpu, cpu = nn.Context(["cudnn:float"]), nn.Context()
    scheduler = lms_scheduler(gpu, True, 5000)
    assert isinstance(scheduler, SwapInOutScheduler)
    assert (scheduler.size, scheduler.prefetch_size) == (5000, 7500)
    swapping = scheduler._swapping
    assert isinstance(swapping._memory, out_of_core.GpuMemory)
    assert swapping._memory.holds(torch.empty(0, device="meta")) is False
    assert SwapInOutScheduler(cpu, cpu, 5000)._swapping is None
    assert lms_scheduler(gpu, False).function_pre_hook is None
