"""The communicator of a process that is alone: what it does among several, with one of each."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.communicators as C
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.errors import ArgumentError, CommunicationError, ShapeError
from nnabla.ext_utils import get_extension_context

from .launching import VARIABLES


@pytest.fixture
def comm(monkeypatch):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    made = C.MultiProcessCommunicator(nn.get_current_context())
    made.init()
    return made


def array(*values):
    return nn.NdArray.from_numpy_array(np.array(values))


def test_names(comm):
    assert (comm.name, comm.size, comm.rank, comm.local_rank) == ("MultiProcessDataParallelCommunicator", 1, 0, 0)
    for name in ("Comm", "Dist", "MultiProcessCommunicator", "MultiProcessDataParalellCommunicator"):
        assert getattr(C, name) is C.MultiProcessDataParallelCommunicator is getattr(nn.communicator, name)
    assert isinstance(comm, C.Communicator)
    assert C.DataParallelCommunicator(nn.Context()).name == "DataParallelCommunicator"
    with pytest.raises(TypeError, match="MultiProcessDataParallelCommunicator: ctx must be a nnabla.Context, not str"):
        C.MultiProcessCommunicator("cpu")


def test_before_they_are_connected(comm, monkeypatch):
    for variable, value in {"WORLD_SIZE": "3", "RANK": "1", "MASTER_ADDR": "here", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(variable, value)
    several = C.MultiProcessCommunicator(nn.Context())
    assert (several.size, several.rank, several.local_rank) == (3, 1, 1)
    assert C.DataParallelCommunicator(nn.Context()).size == 1
    for call in (several.barrier, lambda: several.all_reduce(array(1.0)), lambda: several.new_group(("g", [0]))):
        with pytest.raises(CommunicationError, match=r"the 3 processes are not connected; call init\(\) first"):
            call()


def test_groups(comm):
    assert comm.new_group(("mine", [0])) == "mine"
    assert comm.list_groups() == {"world": [0], "mine": [0]}
    assert (comm.find_group("mine"), comm.find_group("other")) == ([0], [])
    for ranks in ([1], [], [-1], [0, 0]):
        with pytest.raises(ArgumentError, match=r"new_group: ranks must be below 1, and each given once, not \["):
            comm.new_group(("other", ranks))
    with pytest.raises(ArgumentError, match="there is a group 'mine' already"):
        comm.new_group(("mine", [0]))


def test_sums_of_one(comm):
    a, b = array(1.0, 2.0), array(3)
    comm.new_group(("mine", [0]))
    for group in ("world", "mine"):
        comm.all_reduce([a, b], division=True, inplace=True, group=group)
        comm.all_reduce(a)
        comm.reduce([a, b], 0, group=group)
        comm.bcast(a, 0, group=group)
    assert (a.data.tolist(), b.data.tolist(), b.dtype) == ([1, 2], [3], np.int64)
    collected, part = nn.NdArray((2,)), nn.NdArray((2,))
    comm.all_gather(a, [collected])
    comm.reduce_scatter([collected], part, division=True)
    assert part.dtype == np.float64 and part.data.tolist() == [1, 2]
    part.data[0] = 7
    assert a.data.tolist() == collected.data.tolist() == [1, 2]
    comm.barrier()
    with pytest.raises(SystemExit):
        comm.abort()


def test_what_does_not_fit(comm):
    a = array(1.0)
    with pytest.raises(TypeError, match="all_reduce: data must be NdArrays, not Variable"):
        comm.all_reduce([nn.Variable((1,))])
    with pytest.raises(TypeError, match="bcast: data must be NdArrays, not int"):
        comm.bcast(3, 0)
    with pytest.raises(ArgumentError, match=r"all_reduce: there is no group 'other', only \['world'\]"):
        comm.all_reduce(a, group="other")
    with pytest.raises(ArgumentError, match=r"reduce: dst must be one of \[0\], not 1"):
        comm.reduce(a, 1)
    with pytest.raises(ShapeError, match="all_gather: ndarray_list must have 1 entries, one each, not 2"):
        comm.all_gather(a, [a, a])
    with pytest.raises(ShapeError, match=r"reduce_scatter: ndarray_list must have arrays of shape \(1,\), not \(2,\)"):
        comm.reduce_scatter([array(1.0, 2.0)], a)
    with pytest.raises(ArgumentError, match="all_reduce_callback: pack_size must be at least 1, not 0"):
        comm.all_reduce_callback(a, 0)
    with pytest.raises(TypeError, match="takes a pair of a Context and a dict of Variables"):
        comm.add_context_and_parameters((nn.Context(), {"a": a}))


def trained(comm=None, scale=1.0):
    """Parameters of a small network after three steps of the manual's way to train in parallel."""
    nn.clear_parameters()
    nn.seed(313)
    rng = np.random.RandomState(0)
    x = nn.Variable.from_numpy_array(rng.randn(8, 3).astype(np.float32))
    t = nn.Variable.from_numpy_array(rng.randint(0, 2, (8, 1)))
    h = PF.affine(x, 4, name="hidden")
    if comm is None:
        h = PF.batch_normalization(h)
    else:
        h = PF.sync_batch_normalization(h, comm)
    loss = F.mean(F.softmax_cross_entropy(PF.affine(F.relu(h), 2, name="out"), t))
    solver = S.Sgd(0.5)
    solver.set_parameters(nn.get_parameters())
    grads = [p.grad for p in nn.get_parameters().values()]
    for _ in range(3):
        loss.forward()
        solver.zero_grad()
        if comm is None:
            loss.backward()
            solver.scale_grad(scale)
        else:
            loss.backward(communicator_callbacks=comm.all_reduce_callback(grads, 1 << 20, scale_grad=scale))
            comm.all_reduce(grads, division=True)
        solver.update()
    return {name: p.d.copy() for name, p in nn.get_parameters(grad_only=False).items()}


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_training_is_that_of_one_process(comm, scale):
    alone, together = trained(scale=scale), trained(comm, scale)
    assert len(alone) == len(together)
    for a, b in zip(alone.values(), together.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_parameters_of_a_context(comm):
    x = nn.Variable((2,), need_grad=True)
    x.g = 3
    comm.add_context_and_parameters((nn.get_current_context(), {"x": x}))
    comm.allreduce(division=True)
    assert x.g.tolist() == [3, 3]
    comm.clear_context_parameters()
    comm.allreduce()


def test_devices_by_rank(comm, monkeypatch):
    """As example scripts have it: the context that the communicator was made with gets its device afterwards."""
    for variable, value in {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("MASTER_ADDR", "here")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    context = get_extension_context("cudnn")
    several = C.MultiProcessDataParallelCommunicator(context)
    context.device_id = str(several.local_rank)
    assert several._context.device == torch.device("cuda", 1)
