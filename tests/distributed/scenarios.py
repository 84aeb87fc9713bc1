"""What each of several processes does in tests of communicators. A failed assertion ends the process with code 1."""

from __future__ import annotations

import atexit
import hashlib
import itertools
import os
import time
from pathlib import Path

import numpy as np
import torch

import nnabla as nn
import nnabla.communicators as C
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.config import nnabla_config
from nnabla.distributed import overlap
from nnabla.errors import CommunicationError, ShapeError
from nnabla.ext_utils import get_extension_context


def connected(**settings):
    for name, value in settings.items():
        nnabla_config.set("MULTINODE", name, str(value))
    comm = C.MultiProcessCommunicator(nn.get_current_context())
    comm.init()
    return comm


def raises(kind, part, call, *args, **kwargs):
    """Assert that a call raises an error whose text has `part` in it."""
    try:
        call(*args, **kwargs)
    except kind as error:
        assert part in str(error), str(error)
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


# ---- collectives ---------------------------------------------------------------------------------------------------

NUMPY_TYPES = ("float32", "float64", "float16", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "bool")
SHAPES = ((5,), (2, 3), (), (0,), (3, 0), (1, 4, 1), (70001,))


def values(rank, dtype, shape, seed=0):
    """What process `rank` has: anybody can work it out."""
    rng = np.random.RandomState(1000 * seed + rank)
    numbers = rng.randint(-4, 5, shape) if np.dtype(dtype).kind != "u" else rng.randint(0, 9, shape)
    if np.dtype(dtype).kind == "f":
        numbers = numbers + rng.randint(0, 8, shape) / 8
    return np.asarray(numbers).astype(dtype)


def array(numpy_array):
    return nn.NdArray.from_numpy_array(numpy_array)


def total(each, division):
    """Sum of arrays in their type, where sums that do not fit wrap around; the quotient is rounded towards zero."""
    kind = each[0].dtype
    if kind == np.bool_:
        return np.any(each, axis=0)
    wide = np.sum([v.astype(np.float64 if kind.kind == "f" else np.int64) for v in each], axis=0)
    if division:
        wide = wide / len(each) if kind.kind == "f" else np.trunc(wide / len(each)).astype(np.int64)
    return np.asarray(wide).astype(kind)


def collectives(folder, types=NUMPY_TYPES):
    """Every collective, type and group against NumPy."""
    comm = connected()
    me, size = comm.rank, comm.size
    assert (size, me) == (int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"]))
    groups = {"world": list(range(size)), "reversed": list(range(size))[::-1], "one": [size - 1]}
    if size > 2:
        groups["some"] = [size - 1, 0]
    for name, ranks in groups.items():
        if name != "world":
            assert comm.new_group((name, ranks)) == name
    assert comm.list_groups() == groups
    for (name, ranks), dtype in itertools.product(groups.items(), types):
        each = [[values(rank, dtype, shape) for shape in SHAPES] for rank in ranks]
        mine = [values(me, dtype, shape) for shape in SHAPES]
        is_in = me in ranks
        for division, inplace in itertools.product((False, True), repeat=2):
            wanted = [total(column, division) for column in zip(*each, strict=True)]
            arrays = [array(v) for v in mine]
            comm.all_reduce(arrays, division=division, inplace=inplace, group=name)
            same(arrays, wanted if is_in else mine, (name, dtype, "all_reduce", division, inplace))
            arrays = [array(v) for v in mine]
            comm.reduce(arrays, ranks[-1], division=division, inplace=inplace, group=name)
            same(arrays, wanted if me == ranks[-1] else mine, (name, dtype, "reduce", division, inplace))
        arrays = [array(v) for v in mine]
        comm.bcast(arrays, ranks[0], group=name)
        same(arrays, each[0] if is_in else mine, (name, dtype, "bcast"))
        for shape in ((5,), (2, 3), (), (0,)):
            collected = [nn.NdArray(shape) for _ in ranks]
            comm.all_gather(array(values(me, dtype, shape)), collected, group=name)
            if is_in:
                same(collected, [values(rank, dtype, shape) for rank in ranks], (name, dtype, "all_gather"))
            parts = [[values(rank, dtype, shape, seed) for seed in range(len(ranks))] for rank in ranks]
            own = [array(values(me, dtype, shape, seed)) for seed in range(len(ranks))]
            for division in (False, True):
                result = nn.NdArray(shape)
                comm.reduce_scatter(own, result, division=division, group=name)
                if is_in:
                    here = ranks.index(me)
                    same(
                        [result], [total([p[here] for p in parts], division)], (name, dtype, "reduce_scatter", division)
                    )
    comm.barrier()
    views(comm)
    mixed(comm)


def same(arrays, wanted, what):
    for found, expected in zip(arrays, wanted, strict=True):
        assert found.shape == expected.shape, what
        np.testing.assert_array_equal(found.data, expected, str(what))
        assert found.dtype == expected.dtype, (what, found.dtype, expected.dtype)


def views(comm):
    """Memory beside a view stays as it is; elements that are one in memory become several."""
    me, size = comm.rank, comm.size
    for cut in ((slice(None), slice(None, None, 2)), (slice(None), slice(3)), (slice(None, None, 2),)):
        for call in ("all_reduce", "bcast"):
            whole = torch.arange(24.0).view(4, 6) + 100 * me
            view = nn.NdArray.from_torch(whole[cut])
            wanted = whole.clone()
            everyones = [(torch.arange(24.0).view(4, 6) + 100 * rank)[cut] for rank in range(size)]
            wanted[cut] = sum(everyones) if call == "all_reduce" else everyones[1]
            comm.all_reduce(view, inplace=True) if call == "all_reduce" else comm.bcast(view, 1)
            assert torch.equal(whole, wanted), (cut, call)
    expanded = nn.NdArray.from_torch(torch.full((), float(me)).expand(3))
    turned = nn.NdArray.from_torch((torch.arange(6.0).view(2, 3) + me).t())
    comm.all_reduce([expanded, turned])
    np.testing.assert_array_equal(expanded.data, [sum(range(size))] * 3)
    np.testing.assert_array_equal(turned.data, np.arange(6).reshape(2, 3).T * size + sum(range(size)))


def mixed(comm):
    """Arrays of several types at once, arrays without values, and sums that gloo would round step by step."""
    me, size = comm.rank, comm.size
    zero, filled = nn.NdArray((2,)), nn.NdArray((2,))
    zero.zero()
    filled.fill(me)
    comm.all_reduce([array(np.ones(3, np.float64)), nn.NdArray((4,)), zero, array(np.ones(3, np.int16)), filled])
    assert filled.data.tolist() == [sum(range(size))] * 2 and zero.data.tolist() == [0, 0]
    small = torch.tensor([1.0 if me == 0 else 2.0**-9], dtype=torch.bfloat16)
    comm.all_reduce(nn.NdArray.from_torch(small))
    exact = torch.tensor([1 + (size - 1) * 2.0**-9]).to(torch.bfloat16)
    assert torch.equal(small, exact), (small, exact)
    # The type of what is received, too.
    got = array(np.arange(3) if me == 0 else np.zeros(3, np.float32))
    comm.bcast(got, 0)
    assert got.dtype == np.int64 and got.data.tolist() == [0, 1, 2]
    comm.all_reduce([])
    assert comm.gather_bytes(b"x" * me) == [b"x" * rank for rank in range(size)]
    wrong = array(np.zeros(3 + me))
    if me == 0:
        comm.bcast(wrong, 0)
    else:
        raises(
            ShapeError,
            f"process {me} has an array of shape ({3 + me},), process 0 one of 3 elements",
            comm.bcast,
            wrong,
            0,
        )
    # And nothing is broken by it.
    comm.all_reduce(zero)


def disagreements(folder):
    """With the check switched on, processes that do not do the same are told."""
    comm = connected(check_collectives=True)
    comm.all_reduce(array(np.ones(3, np.float32)))
    text = raises(CommunicationError, "do not do the same", comm.all_reduce, array(np.ones(3 + comm.rank)))
    assert f"process {comm.rank} has 1 arrays with {3 + comm.rank} elements" in text
    kind = np.float32 if comm.rank else np.float64
    raises(CommunicationError, "has arrays of other shapes or types", comm.all_reduce, array(np.ones(3, kind)))
    if comm.rank:
        raises(CommunicationError, "calls another function", comm.all_reduce, array(np.ones(3)))
    else:
        raises(CommunicationError, "calls another function", comm.reduce, array(np.ones(3)), 0)
    comm.all_reduce(array(np.ones(3)))


# ---- training ------------------------------------------------------------------------------------------------------


def digits(count, seed=0):
    """Noisy pictures of ten patterns, and which they are of."""
    rng = np.random.RandomState(seed)
    patterns = np.random.RandomState(7).rand(10, 1, 8, 8) * 16
    labels = rng.randint(0, 10, (count, 1))
    return (patterns[labels[:, 0]] + rng.randn(count, 1, 8, 8)).astype(np.float32) / 16, labels


def trained(comm, synchronized, channel_last, overlapped, steps, type_config, whole=48):
    """Parameters after some steps of Momentum, as one NumPy array for each, from `whole` samples in all processes."""
    nn.clear_parameters()
    nn.set_default_context(get_extension_context("cpu", type_config=type_config))
    nn.seed(313)
    np.random.seed(0)
    batch = whole // comm.size
    shape = (8, 8, 1) if channel_last else (1, 8, 8)
    x, t = nn.Variable((batch, *shape)), nn.Variable((batch, 1))
    # A layer that is used twice, and one that is not used.
    h = PF.convolution(x, 6, (3, 3), pad=(1, 1), channel_last=channel_last, name="conv")
    if synchronized:
        h = PF.sync_batch_normalization(h, comm, axes=[3 if channel_last else 1], name="norm")
    # Smooth: where a rectifier is at its kink, rounding would decide.
    h = F.reshape(F.elu(h), (batch, 384))
    h = F.elu(PF.affine(h, 12, name="first"))
    for _ in range(2):
        h = F.tanh(PF.affine(h, 12, name="shared"))
    loss = F.mean(F.softmax_cross_entropy(PF.affine(h, 10, name="last"), t))
    PF.affine(h, 3, name="idle")
    parameters = nn.get_parameters()
    solver = S.Momentum(0.02, 0.9)
    solver.set_parameters(parameters)
    gradients = [p.grad for p in parameters.values()]
    callback = comm.all_reduce_callback(gradients, 300, division=True) if overlapped else None
    first = None
    for step in range(steps):
        images, labels = digits(whole, seed=step)
        mine = slice(comm.rank * batch, (comm.rank + 1) * batch)
        x.d, t.d = images[mine].reshape(x.shape), labels[mine]
        loss.forward(clear_no_need_grad=True)
        solver.zero_grad()
        loss.backward(clear_buffer=True, communicator_callbacks=callback)
        if not overlapped:
            comm.all_reduce(gradients, division=True)
        solver.update()
        first = float(loss.d) if first is None else first
    assert steps < 50 or float(loss.d) < 0.7 * first
    return {name: p.d.copy() for name, p in nn.get_parameters(grad_only=False).items()}


def training(folder, steps):
    """The same parameters as those of one process with the whole batch, and the same bits in all processes."""
    comm = connected()
    alone = C.DataParallelCommunicator(nn.get_current_context())
    # Rounding errors grow in training; in double precision they are still small after some steps.
    for kind, tolerance, *options in (
        ("float", 1e-5, 0, 0, 0, steps),
        ("float", 1e-5, 0, 0, 1, steps),
        ("float", 1e-5, 1, 0, 1, steps),
        ("float", 1e-5, 1, 1, 1, steps),
        ("double", 1e-11, 1, 0, 1, 10),
        ("double", 1e-11, 1, 1, 0, 10),
    ):
        found = trained(comm, *options, kind)
        digest = hashlib.sha256(b"".join(v.tobytes() for v in found.values())).digest()
        assert len(set(comm.gather_bytes(digest))) == 1, "processes differ"
        if comm.rank:
            continue
        wanted = trained(alone, *options, kind)
        assert list(found) == list(wanted)
        for name in wanted:
            np.testing.assert_allclose(
                found[name], wanted[name], rtol=0, atol=tolerance, err_msg=f"{name} {kind} {options}"
            )
    comm.barrier()


def overlapping(folder):
    """Sums are begun before backward ends, all but the last, and each only when its gradients are complete."""
    comm = connected()
    nn.seed(1)
    x = nn.Variable.from_numpy_array(np.random.RandomState(comm.rank).randn(4, 30).astype(np.float32))
    h = x
    for i in range(6):
        h = F.tanh(PF.affine(h, 30, name=f"layer{i % 5}"))
    loss = F.mean(h)
    gradients = {name: p.grad for name, p in nn.get_parameters().items()}
    events = []
    begun = overlap.start_sum

    def start(flat, group):
        events.append(("sum", flat.numel(), time.perf_counter()))
        return begun(flat, group)

    overlap.start_sum = start
    loss.forward()
    for scale in (1, 3):
        for p in nn.get_parameters().values():
            p.grad.zero()
        loss.backward()
        own = {name: g.data.copy() for name, g in gradients.items()}
        for p in nn.get_parameters().values():
            p.grad.zero()
        callback = comm.all_reduce_callback(list(gradients.values()), 900, division=True, scale_grad=scale)
        finish = callback.on_finish_backward
        callback.on_finish_backward = lambda finish=finish: (events.append(("end",)), finish())
        events.clear()
        loss.backward(communicator_callbacks=callback)
        kinds = [event[0] for event in events]
        # layer4, 3, 2 and 1 are complete in backward; layer0, used twice, at its end.
        assert kinds[:-2] == ["sum"] * (len(kinds) - 2) and len(kinds) >= 6, events
        assert sum(event[1] for event in events if event[0] == "sum") == 5 * 930
        assert kinds[-2:] in (["sum", "end"], ["end", "sum"]), events
        for name, gradient in gradients.items():
            wanted = nn.NdArray.from_numpy_array(own[name])
            comm.all_reduce(wanted, division=True)
            np.testing.assert_allclose(gradient.data, wanted.data * scale, rtol=1e-6, atol=1e-9)


def statistics(folder):
    """Batch normalization over processes whose batches differ in size, against one with the whole batch."""
    comm = connected()
    sizes = [3, 5, 2, 4][: comm.size]
    begin = sum(sizes[: comm.rank])
    mine = slice(begin, begin + sizes[comm.rank])
    rng = np.random.RandomState(0)
    for shape, axis, offset, outputs in (
        ((7, 2, 3), 1, 0, False),
        ((3, 2, 7), 3, 0, False),
        ((7,), 1, 1e3, False),
        ((7, 2, 3), 1, 0, True),
        ((2, 4, 7), -1, 5, True),
    ):
        whole = (rng.randn(sum(sizes), *shape) + offset).astype(np.float32)
        dy = rng.randn(*whole.shape).astype(np.float32)
        parameter = [1] * whole.ndim
        parameter[axis] = 7
        start = [(rng.rand(*parameter) + 0.5).astype(np.float32) for _ in range(4)]

        def computed(x, dy, call, more, start=start, axis=axis, outputs=outputs):
            given = [nn.Variable.from_numpy_array(v, need_grad=i < 2) for i, v in enumerate(start)]
            v = nn.Variable.from_numpy_array(x, need_grad=True)
            y = call(v, *given, *more, axes=[axis], output_stat=outputs)
            seed = nn.Variable.from_numpy_array(dy)
            ends = [F.sum(y[0] * seed) + F.sum(y[1] * y[1]) * 0.3 + F.sum(y[2]) * 0.7] if outputs else [F.sum(y * seed)]
            end = ends[0]
            for each in (v, *given[:2]):
                each.grad.zero()
            end.forward()
            end.backward()
            second = nn.grad([end], [v])[0]
            turn = F.sum(second * second)
            turn.forward()
            gradients = [g.g.copy() for g in (v, *given[:2])]
            v.grad.zero()
            turn.backward()
            shown = y[0] if outputs else y
            shown.forward()
            return shown.d.copy(), gradients, [g.d.copy() for g in given[2:]], [second.d.copy(), v.g.copy()]

        # Each process adds the part of the loss that is of the statistics; so does the whole batch as often.
        y, gradients, running, second = computed(whole[mine], dy[mine], F.sync_batch_normalization, [comm])
        tolerance = dict(rtol=2e-4, atol=2e-4)
        if not outputs:
            wanted = computed(whole, dy, F.batch_normalization, [])
            np.testing.assert_allclose(y, wanted[0][mine], **tolerance)
            np.testing.assert_allclose(gradients[0], wanted[1][0][mine], **tolerance)
            for found, expected in zip(second, wanted[3], strict=True):
                np.testing.assert_allclose(found, expected[mine], rtol=2e-3, atol=2e-3)
            for found, expected in zip(gradients[1:], wanted[1][1:], strict=True):
                summed = array(found)
                comm.all_reduce(summed)
                np.testing.assert_allclose(summed.data, expected, **tolerance)
            for found, expected in zip(running, wanted[2], strict=True):
                np.testing.assert_allclose(found, expected, rtol=1e-4)
        else:
            axes = tuple(i for i in range(whole.ndim) if i != axis % whole.ndim)
            wide = whole.astype(np.float64)
            mean, variance = wide.mean(axes, keepdims=True), wide.var(axes, keepdims=True)
            np.testing.assert_allclose(
                y, ((wide - mean) / np.sqrt(variance + 1e-5) * start[1] + start[0])[mine], **tolerance
            )
            # Of the sum over processes of <y, dy> + 0.3 mean^2 + 0.7 variance, in float64 by central differences.
            check_gradient(wide, dy, start, axes, comm.size, gradients[0], mine)
    plain = F.sync_batch_normalization(
        array(np.ones((2, 7), np.float32)),
        *[array(np.ones((1, 7), np.float32)) for _ in range(4)],
        comm,
        batch_stat=False,
    )
    np.testing.assert_allclose(plain.data, 1.0, atol=1e-6)


def check_gradient(x, dy, start, axes, times, gradient, mine):
    def loss(x):
        mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
        y = (x - mean) / np.sqrt(variance + 1e-5) * start[1] + start[0]
        return (y * dy).sum() + times * (0.3 * (mean**2).sum() + 0.7 * variance.sum())

    rng = np.random.RandomState(3)
    for _ in range(3):
        direction = np.zeros_like(x)
        direction[mine] = rng.randn(*x[mine].shape)
        slope = (loss(x + 1e-5 * direction) - loss(x - 1e-5 * direction)) / 2e-5
        np.testing.assert_allclose((gradient * direction[mine]).sum(), slope, rtol=2e-3, atol=2e-3)


# ---- programs ------------------------------------------------------------------------------------------------------


def meeting(folder):
    """Processes find each other by what their launcher says."""
    comm = connected()
    mine = array(np.array([comm.rank, comm.local_rank]))
    everyones = [nn.NdArray((2,)) for _ in range(comm.size)]
    comm.all_gather(mine, everyones)
    assert [e.data.tolist() for e in everyones] == [[rank, rank] for rank in range(comm.size)]
    assert comm.size > 1


def wrapped(folder):
    """The way of example scripts: the device of a process is its rank, in the communicator's own context."""
    context = get_extension_context("cpu")
    comm = C.MultiProcessDataParallelCommunicator(context)
    comm.init()
    context.device_id = str(comm.rank)
    nn.set_default_context(context)
    w = nn.parameter.get_parameter_or_create("w", (3,), np.ones(3), need_grad=True)
    loss = F.sum(w * float(1 + comm.rank))
    loss.forward()
    w.grad.zero()
    loss.backward()
    assert loss.parent.context.device_id == str(comm.rank)
    comm.all_reduce([p.grad for p in nn.get_parameters().values()], division=True, inplace=False)
    np.testing.assert_array_equal(w.g, (1 + comm.size) / 2)


def command(folder, arguments):
    """``nnabla_cli``."""
    from nnabla_cli import main

    os.chdir(Path(arguments[2]).parent)
    main(arguments)


def checkpoints(folder):
    """Each process goes on with its own random numbers and its own part of the data."""
    from nnabla.utils.data_iterator import data_iterator_simple

    comm = connected()
    path = folder / "last.nnp"

    def made():
        nn.clear_parameters()
        PF.affine(nn.Variable((1, 2)), 3)
        solver = S.Adam()
        solver.set_parameters(nn.get_parameters())
        whole = data_iterator_simple(lambda i: (np.array([i]),), 24, 2, shuffle=True)
        return solver, whole.slice(None, comm.size, comm.rank)

    def drawn(part):
        return [part.next()[0].ravel().tolist(), np.random.rand(), float(F.rand(shape=(1,)).d[0])]

    nn.seed(comm.rank)
    np.random.seed(comm.rank)
    solver, part = made()
    with nn.auto_forward():
        before = [drawn(part) for _ in range(8)]
        nn.save_checkpoint(path, solver, 8, data_iterators=part, comm=comm)
        wanted = [drawn(part) for _ in range(9)]
        solver, part = made()
        np.random.seed(77)
        assert nn.load_checkpoint(path, solver, data_iterators=part, comm=comm).iteration == 8
        assert [drawn(part) for _ in range(9)] == wanted
    everyones = comm.gather_bytes(repr([before, wanted]).encode())
    assert len(set(everyones)) == comm.size, "processes do the same"
    raises(ValueError, f"is of {comm.size} processes, not of 1", nn.load_checkpoint, path, solver)


HELD = []


def held(folder):
    """A communicator is there until the end of the program, as in a script of a few lines."""
    comm = connected()
    HELD.append(comm)
    comm.all_reduce(array(np.ones(2)))
    comm.barrier()


# ---- failures ------------------------------------------------------------------------------------------------------


def endless(folder, timeout=60.0, wait_for=-1):
    """Sum a parameter again and again. Process `wait_for` takes part in one sum only, and sleeps then."""
    comm = connected(collective_timeout=timeout)
    with nn.parameter_scope("net"):
        w = PF.affine(nn.Variable((2, 300)), 400, name="fc")
    gradients = [p.grad for p in nn.get_parameters().values()]
    comm.all_reduce(gradients)
    (folder / f"ready{comm.rank}").touch()
    if comm.rank == wait_for:
        # Until the other has given up.
        while not any(word in (folder / "0.txt").read_text() for word in ("Error", "KeyboardInterrupt")):
            time.sleep(0.05)
        return
    while w is not None:
        comm.all_reduce(gradients)


def saving(folder, timeout):
    """Sum, and save a checkpoint in which all values are the number of the iteration, again and again."""
    comm = connected(collective_timeout=timeout)
    with nn.parameter_scope("net"):
        PF.affine(nn.Variable((2, 300)), 400, name="fc")
    parameters = nn.get_parameters()
    solver = S.Momentum()
    solver.set_parameters(parameters)
    for iteration in itertools.count(1):
        comm.all_reduce([p.grad for p in parameters.values()])
        for p in parameters.values():
            p.d = iteration
        nn.save_checkpoint(folder / "last.nnp", solver, iteration, comm=comm)
        (folder / f"ready{comm.rank}").touch()


def dying(folder, rank):
    """One process raises an error of its own."""
    comm = connected()
    comm.all_reduce(array(np.ones(2)))
    if comm.rank == rank:
        raise ValueError("something of mine")
    while True:
        comm.all_reduce(array(np.ones(2)))


def vanishing(folder, timeout, rank, call):
    """One process ends where all connect."""
    import torch.distributed as dist

    if int(os.environ["RANK"]) == rank:
        setattr(dist, call, lambda *args, **kwargs: os._exit(1))
    connected(collective_timeout=timeout).new_group(("all", range(int(os.environ["WORLD_SIZE"]))))


def stopped(folder):
    """Process 0 asks to end all."""
    comm = connected()
    comm.barrier()
    if comm.rank == 0:
        comm.abort()
    comm.barrier()
    comm.barrier()


def leaving(folder, ranks):
    """All end as soon as they are connected, or some have a group; process 2 is slow to find the others."""
    import torch.distributed as dist

    from nnabla.distributed import transport

    if int(os.environ["RANK"]) == 2 and not ranks:
        store_of = transport._store
        transport._store = lambda place: _SlowStore(store_of(place))
    comm = connected()
    if comm.rank == 2:
        new_group = dist.new_group
        dist.new_group = lambda *args, **kwargs: time.sleep(1.0) or new_group(*args, **kwargs)
    if ranks:
        comm.new_group(("some", ranks))


def guest(folder):
    """The program has connected its processes itself, and ends that itself."""
    import torch.distributed as dist

    dist.init_process_group("gloo")
    atexit.register(dist.destroy_process_group)
    comm = connected()
    numbers = array(np.ones(2))
    comm.all_reduce(numbers)
    assert numbers.data.tolist() == [comm.size] * 2


class _SlowStore(torch.distributed.Store):
    """Takes its time to tell where another process is."""

    def __init__(self, store):
        super().__init__()
        self._store = store

    def set(self, key, value):
        self._store.set(key, value)

    def get(self, key):
        time.sleep(0.5)
        return self._store.get(key)

    def wait(self, keys, *limit):
        self._store.wait(keys, *limit)

    def add(self, key, number):
        return self._store.add(key, number)

    def check(self, keys):
        return self._store.check(keys)

    def multi_get(self, keys):
        return self._store.multi_get(keys)

    def has_extended_api(self):
        return False
