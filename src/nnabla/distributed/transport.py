"""Processes connected by `torch.distributed`: gloo between CPUs, NCCL between GPUs.

What torch does not do is done here: waiting that Ctrl-C can interrupt, errors that say which process is lost
(`failures`), and an end without hanging, whatever the others do.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from weakref import WeakSet

import torch
from torch import Tensor

from ..config import nnabla_config
from ..errors import CommunicationError, ExtensionError
from .failures import ended_processes, explanation, first_line, processes, store_of_all, that_ended, this_process
from .launchers import Place

_T = TypeVar("_T")

# Python looks for Ctrl-C between two waits of so long.
_SLICE = timedelta(milliseconds=200)
# What was started and not waited for, by address.
_under_way: dict[int, Work] = {}
# All groups that somebody holds.
_groups: WeakSet[Group] = WeakSet()
# Whether it was not the program itself that has connected the processes.
_is_ours = False
# The thread that waits in `_heard`, or has.
_waiting: list[threading.Thread] = []
# Seconds after which a program ends although something is under way, or gives up after the time limit.
_PATIENCE = 0.5


class Group:
    """Some of the processes.

    Args:
        ranks: of its members, in the order in which they were given.
        handle: what torch knows it by; ``None`` where this process is no member.
    """

    def __init__(self, ranks: Sequence[int], handle: Any) -> None:
        self.ranks = list(ranks)
        self.handle = handle
        # torch sorts members: the place in `ranks` of each.
        self.order = [self.ranks.index(rank) for rank in sorted(self.ranks)]
        _groups.add(self)

    @property
    def is_active(self) -> bool:
        """Whether there is something to exchange: this process is a member, and not the only one."""
        return self.handle is not None and len(self.ranks) > 1


class Work:
    """What processes of a group do together, under way.

    Args:
        begin: begins it.
        ranks: of those that take part.
        is_queued: whether a GPU does it. To wait for it then means that the GPU waits before it does what comes next,
            and the program goes on at once. NCCL takes a wait with a time limit for an order to give up after it.
    """

    def __init__(self, begin: Callable[[], Any], ranks: Sequence[int], is_queued: bool = False) -> None:
        self.ranks = ranks
        self._is_queued = is_queued
        # An error that comes from the start is raised where it is waited for, and it is known what it was.
        self._error: RuntimeError | None = None
        try:
            self._work = begin()
        except RuntimeError as error:
            self._error = error
        else:
            _under_way[id(self)] = self

    def wait(self, limit: timedelta | None = None) -> None:
        if self._error is not None:
            raise self._error
        if limit is None or self._is_queued:
            self._work.wait()
        else:
            self._work.wait(limit)

    def is_completed(self) -> bool:
        return self._error is not None or self._work.is_completed()


def timeout() -> timedelta:
    """How long a process waits for others."""
    text = nnabla_config.get("MULTINODE", "collective_timeout")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise ExtensionError(f"configuration: collective_timeout in section MULTINODE must be seconds, not {text!r}")
    return timedelta(seconds=seconds)


def connect(place: Place, on_gpu: bool) -> Group:
    """Connect this process with all others, once.

    Raises:
        ExtensionError: that is not possible, for example because nobody answers.
    """
    global _is_ours
    import torch.distributed as dist

    if dist.is_initialized() and dist.get_world_size() != place.size:
        raise ExtensionError(
            f"communicator: torch.distributed is in use with {dist.get_world_size()} processes, not {place.size}"
        )
    try:
        if not dist.is_initialized():
            _is_ours = True
            store = _heard(lambda: _introduced(_store(place), place.rank, place.size))
            begin = partial(
                dist.init_process_group,
                "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
                store=store,
                rank=place.rank,
                world_size=place.size,
                timeout=timeout(),
            )
            _heard(begin)
            _meet("init")
        elif not processes and (store := store_of_all()) is not None:
            _heard(lambda: _introduced(store, place.rank, place.size))
    except (RuntimeError, ValueError) as error:
        ended = ended_processes()
        raise ExtensionError(
            f"communicator: process {place.rank} of {place.size} cannot meet the others at "
            f"{place.address}:{place.port} (MASTER_ADDR, MASTER_PORT): "
            f"{that_ended(ended) if ended else first_line(error)}"
        ) from error
    return Group(range(place.size), dist.group.WORLD)


def _store(place: Place) -> Any:
    """What all processes can read and write before they are connected; the first one keeps it."""
    import torch.distributed as dist

    stores: Any = dist  # Types are known of its submodules only.
    # torchrun keeps one itself, the same one when it starts processes again. They would read there where those before
    # them could be reached (seen with torch 2.13).
    is_kept = place.launcher == "torchrun" and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") if is_kept else "0"
    store = stores.TCPStore(
        place.address,
        place.port,
        place.size,
        is_master=place.rank == 0 and not is_kept,
        timeout=timeout(),
        multi_tenant=True,
    )
    return stores.PrefixStore(f"nnabla/start{attempt}", store)


def _introduced(store: Any, rank: int, count: int) -> Any:
    """The store, when every process has said there which one it is. Nobody is reached yet."""
    keys = [f"process{i}" for i in range(count)]
    store.set(keys[rank], " ".join(map(str, this_process())))
    store.wait(keys, timeout())
    processes[:] = [(int(host), int(pid)) for host, pid in (found.split() for found in store.multi_get(keys))]
    return store


def _heard(call: Callable[[], _T]) -> _T:
    """What a call returns in which torch waits for others, deaf to Ctrl-C, and to their end.

    gloo tries five times, each as long as the time limit, to reach a process that has said where it is and is gone.
    So another thread waits; what it never comes back from ends with the program.

    Raises:
        RuntimeError: that of the call; or a process has ended, or the time is over.
    """
    answers: list[_T] = []
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            answers.append(call())
        except BaseException as error:
            errors.append(error)

    if any(thread.is_alive() for thread in _waiting):
        raise RuntimeError("an earlier call still waits for others")
    if not _waiting:
        atexit.register(disconnect)
    thread = threading.Thread(target=wait, daemon=True)
    _waiting[:] = [thread]
    limit = timeout().total_seconds()
    end = time.monotonic() + limit + _PATIENCE
    thread.start()
    thread.join(_SLICE.total_seconds())
    while thread.is_alive():
        ended = ended_processes()
        if ended:
            # They may have done their part before.
            end = min(end, time.monotonic() + 2 * _PATIENCE)
        if time.monotonic() > end:
            raise RuntimeError("no answer" + ("" if ended else f" within {limit:g} s (collective_timeout)"))
        thread.join(_SLICE.total_seconds())
    if errors:
        raise errors[0]
    return answers[0]


def _meet(what: str) -> None:
    """Let nobody go on, and maybe end, before all are connected: the first process takes the store with it."""
    import torch.distributed as dist

    finish(start_barrier(Group(range(dist.get_world_size()), dist.group.WORLD)), lambda: what)


def new_group(ranks: Sequence[int]) -> Group:
    """A group of processes. All processes make it, members or not.

    Raises:
        CommunicationError: another process has ended, or did not take part in time.
    """
    import torch.distributed as dist

    limit = timeout()
    try:
        handle = _heard(lambda: dist.new_group(sorted(ranks), timeout=limit))
        _meet("new_group")
    except CommunicationError:
        raise
    except RuntimeError as error:
        everyone = range(dist.get_world_size())
        raise CommunicationError(explanation(error, "new_group", everyone, limit.total_seconds())) from error
    return Group(ranks, handle if dist.get_rank() in ranks else None)


def disconnect() -> None:
    """End the connections; called when the program ends.

    Without this, some programs abort at their end, and so do those in which somebody holds a group of torch's, as a
    communicator does that is a global variable. With it, torch waits for what is under way, which never ends where
    others wait as well, after Ctrl-C: then the process is cut off.
    """
    import torch.distributed as dist

    give_up = time.monotonic() + _PATIENCE
    while any([not work.is_completed() for work in _under_way.values()]) or any(t.is_alive() for t in _waiting):
        if time.monotonic() > give_up:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            os._exit(1)
        time.sleep(0.01)
    _under_way.clear()
    for group in _groups:
        group.handle = None
    if _is_ours and dist.is_initialized():
        dist.destroy_process_group()


# ---- what processes do together ------------------------------------------------------------------------------------


def start_sum(values: Tensor, group: Group) -> Work:
    """Let the tensor, whose memory is one piece, be the sum over the processes of the group."""
    import torch.distributed as dist

    begin = partial(dist.all_reduce, values, group=group.handle, async_op=True)
    return Work(begin, group.ranks, values.is_cuda)


def start_sum_in(values: Tensor, dst: int, group: Group) -> Work:
    """As `start_sum`, in process `dst`; in the others the tensor holds nothing of use then."""
    import torch.distributed as dist

    begin = partial(dist.reduce, values, dst, group=group.handle, async_op=True)
    return Work(begin, group.ranks, values.is_cuda)


def start_spreading(values: Tensor, src: int, group: Group) -> Work:
    """Let the tensor be what it is in process `src`."""
    import torch.distributed as dist

    begin = partial(dist.broadcast, as_bytes(values), src, group=group.handle, async_op=True)
    return Work(begin, group.ranks, values.is_cuda)


def start_collecting(values: Tensor, everyones: Sequence[Tensor], group: Group) -> Work:
    """Copy the tensor of each process to its place in `everyones`."""
    import torch.distributed as dist

    into = [as_bytes(everyones[i]) for i in group.order]
    begin = partial(dist.all_gather, into, as_bytes(values), group=group.handle, async_op=True)
    return Work(begin, group.ranks, values.is_cuda)


def start_scattered_sum(parts: Sequence[Tensor], result: Tensor, group: Group) -> Work:
    """Let `result` be the sum over the processes of what stands at the place of this one in `parts`."""
    import torch.distributed as dist

    ordered = [parts[i] for i in group.order]
    begin = partial(dist.reduce_scatter, result, ordered, group=group.handle, async_op=True)
    return Work(begin, group.ranks, result.is_cuda)


def start_barrier(group: Group) -> Work:
    """Nothing, but all have to do it. In the memory of the host, so that waiting for it is waiting."""
    return start_sum(torch.zeros(1), group)


def as_bytes(values: Tensor) -> Tensor:
    """The memory of a contiguous tensor."""
    return values.view(-1).view(torch.uint8)


def finish(work: Work, what: Callable[[], str]) -> None:
    """Wait for what was started.

    Args:
        what: says what it is, for the error.

    Raises:
        CommunicationError: another process has ended, or did not take part in time.
    """
    while True:
        try:
            work.wait(_SLICE)
            break
        except RuntimeError:
            if work.is_completed():
                _under_way.pop(id(work), None)
                _require_success(work, what)
                return
    _under_way.pop(id(work), None)


def _require_success(work: Work, what: Callable[[], str]) -> None:
    """Raise the error of what is completed, if there is one: it may have been so just after a wait was over."""
    try:
        work.wait()
    except RuntimeError as error:
        raise CommunicationError(explanation(error, what(), work.ranks, timeout().total_seconds())) from error
