"""Plans that are settled on a GPU are captured as CUDA graphs. Here a recorder of calls stands in for the GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.engine import capture


class Recorder(TorchDispatchMode):
    """As a CUDA graph: what is called within is done when it is replayed, on the same memory each time."""

    made: list

    def __init__(self):
        super().__init__()
        self.calls = []
        self.own = []
        self.before = {}
        self.replays = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        # Not all functions that write to an argument say so in their schema.
        given = [(tensor, tensor.clone()) for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, torch.Tensor)]
        results = func(*args, **kwargs)
        for tensor, before in given:
            if not torch.equal(tensor, before):
                self.before.setdefault(id(tensor), (tensor, before))
        self.calls.append((func, args, kwargs, results))
        return results

    def undo(self):
        """A graph does nothing while it is captured."""
        for tensor, values in self.before.values():
            tensor.copy_(values)

    def replay(self):
        self.replays += 1
        for func, args, kwargs, results in self.calls:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(results), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


@pytest.fixture
def graphs(monkeypatch):
    """The graphs that are captured."""
    made = []

    def captured(run):
        recorder = Recorder()
        with recorder:
            run()
        recorder.undo()
        made.append(recorder)
        return recorder

    monkeypatch.setattr(capture, "_captured", captured)
    monkeypatch.setattr(capture, "_is_on_gpu", lambda device: True)
    monkeypatch.setattr(capture.option, "is_on", True)
    return made


def network(x, test=False):
    h = F.relu(PF.batch_normalization(PF.affine(x, 8, name="a"), batch_stat=not test, name="n"))
    h = F.reshape(h, (x.shape[0], 2, 4))
    return PF.affine(F.tanh(h) + F.sum(h, axis=1, keepdims=True), 3, name="b")


def trained(steps=12, change=lambda step, x, loss: None, between=lambda step: None, clear=True, zero_every=1):
    """The loss of each step, and all parameters in the end."""
    nn.clear_parameters()
    nn.seed(1)
    rng = np.random.RandomState(0)
    x, t = nn.Variable((6, 5)), nn.Variable((6, 1))
    loss = F.mean(F.softmax_cross_entropy(network(x), t))
    solver = S.Momentum(0.1)
    solver.set_parameters(nn.get_parameters())
    losses = []
    for step in range(steps):
        x.d, t.d = rng.rand(6, 5).astype(np.float32), rng.randint(0, 3, (6, 1))
        change(step, x, loss)
        loss.forward(clear_no_need_grad=clear)
        if step % zero_every == 0:
            solver.zero_grad()
        loss.backward(clear_buffer=clear)
        between(step)
        solver.update()
        losses.append(float(loss.d))
    return losses, {name: p.d.copy() for name, p in nn.get_parameters(grad_only=False).items()}


def assert_same_as_without(monkeypatch, graphs, **options):
    found = trained(**options)
    monkeypatch.setattr(capture.option, "is_on", False)
    wanted = trained(**options)
    # Products of matrices may differ in the last bit with the address of the memory.
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-4)
    for name, values in wanted[1].items():
        np.testing.assert_allclose(found[1][name], values, rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("clear", [True, False])
def test_a_settled_training_is_replayed(monkeypatch, graphs, clear):
    assert_same_as_without(monkeypatch, graphs, clear=clear)
    # Forward runs as usual three times, and backward three times more, once what it reads stays in one place.
    assert len(graphs) == 2
    assert [graph.replays for graph in graphs] == [9, 6]
    assert len(graphs[0].calls) > 8 and len(graphs[1].calls) > 8


def test_gradients_that_are_added_up_are_another_plan(monkeypatch, graphs):
    assert_same_as_without(monkeypatch, graphs, steps=20, zero_every=2)


def test_other_memory_runs_as_usual(monkeypatch, graphs):
    def change(step, x, loss):
        if step == 8:
            x.data = nn.NdArray.from_numpy_array(x.d * 2)
        if step == 10:
            x.d = x.d.astype(np.float64)

    assert_same_as_without(monkeypatch, graphs, change=change, steps=24)
    assert len(graphs) > 2 and graphs[0].replays == 5


def test_parameters_that_are_exchanged(monkeypatch, graphs):
    def between(step):
        if step == 8:
            w = nn.get_parameters()["a/affine/W"]
            w.d = w.d * 0.5
        if step == 9:
            nn.get_parameters()["b/affine/b"].grad.fill(0.25)
        if step == 10:
            nn.get_parameters()["b/affine/b"].grad = nn.NdArray.from_numpy_array(np.ones(3, np.float32))

    assert_same_as_without(monkeypatch, graphs, between=between, steps=14)


def test_users_may_write_to_what_was_computed(graphs):
    x = nn.Variable.from_numpy_array(np.ones((2, 3), np.float32))
    h = x * 2
    h.persistent = True
    y = h + 1
    for i in range(8):
        x.d = np.full((2, 3), i, np.float32)
        y.forward()
        assert y.d.tolist() == [[2 * i + 1] * 3] * 2 and h.d[0, 0] == 2 * i
        y.data.fill(7)
        h.d = np.zeros((2, 3))
    assert len(graphs) == 1 and graphs[0].replays > 2


def test_what_cannot_be_repeated_is_not_captured(graphs):
    x = nn.Variable.from_numpy_array(np.ones((20, 30), np.float32))
    drawn = F.dropout(x)
    values = set()
    for _ in range(8):
        drawn.forward()
        values.add(drawn.d.tobytes())
    assert len(values) == 8 and not graphs
    # A function whose result has as many elements as the data says.
    counted = F.bool_gather(x, x)
    for _ in range(8):
        counted.forward()
    assert not graphs


def test_what_the_gpu_refuses_runs_as_usual(monkeypatch, graphs, caplog):
    def refuse(run):
        run()
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(capture, "_captured", refuse)
    tries = []
    monkeypatch.setattr(capture, "_state", lambda plan, real=capture._state: tries.append(plan) or real(plan))
    x = nn.Variable.from_numpy_array(np.ones((2, 3), np.float32), need_grad=True)
    y = F.sum(F.tanh(x))
    for _ in range(10):
        y.forward()
        x.grad.zero()
        y.backward()
        np.testing.assert_allclose(x.g, 1 - np.tanh(1) ** 2, rtol=1e-6)
    # Forward only: what backward reads is never at the same place twice.
    assert len(tries) == 1


def test_it_is_off_unless_asked_for(monkeypatch, graphs):
    from nnabla_ext.cuda import set_graph_capture

    monkeypatch.setattr(capture.option, "is_on", False)
    trained(steps=8)
    assert not graphs
    set_graph_capture(True)
    trained(steps=8)
    assert graphs
    set_graph_capture(False)
    assert not capture.option.is_on
    assert not capture._Option().is_on
    monkeypatch.setenv("NNABLA_CUDA_GRAPHS", "1")
    assert capture._Option().is_on
