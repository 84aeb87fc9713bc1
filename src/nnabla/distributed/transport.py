"""Processes connected by `torch.distributed`: gloo between CPUs, NCCL between GPUs.

What torch does not do is done here: waiting that Ctrl-C can interrupt, errors that say which process is lost, and an
end without hanging, whatever the others do.
"""

from __future__ import annotations

import atexit
import os
import re
import socket
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor

from ..config import nnabla_config
from ..errors import CommunicationError, ExtensionError
from .launchers import Place

# Python looks for Ctrl-C between two waits of so long.
_SLICE = timedelta(milliseconds=200)
# How often, and after how many seconds each, it is asked which process has ended.
_LOOKS, _BETWEEN_LOOKS = 25, 0.02
_FIRST_NOTE = "nnabla/first_failure"

# Of each rank: a number of its machine, and its number there. Empty before `connect`.
_processes: list[tuple[int, int]] = []
# What was started and not waited for, by address.
_under_way: dict[int, Any] = {}
# Seconds after which a program ends although something is under way.
_PATIENCE = 1.0


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

    @property
    def is_active(self) -> bool:
        """Whether there is something to exchange: this process is a member, and not the only one."""
        return self.handle is not None and len(self.ranks) > 1


Work = Any


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
    import torch.distributed as dist

    if not dist.is_initialized():
        # torchrun may keep the place of the meeting itself, and torch knows then.
        is_told = place.launcher == "torchrun" and "MASTER_ADDR" in os.environ
        meeting = "env://" if is_told else f"tcp://{place.address}:{place.port}"
        try:
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
                init_method=meeting,
                rank=place.rank,
                world_size=place.size,
                timeout=timeout(),
            )
        except (RuntimeError, ValueError) as error:
            raise ExtensionError(
                f"communicator: process {place.rank} of {place.size} cannot meet the others at "
                f"{place.address}:{place.port} (MASTER_ADDR, MASTER_PORT): {first_line(error)}"
            ) from error
        atexit.register(disconnect)
    elif dist.get_world_size() != place.size:
        raise ExtensionError(
            f"communicator: torch.distributed is in use with {dist.get_world_size()} processes, not {place.size}"
        )
    everyone = Group(range(place.size), dist.group.WORLD)
    if not _processes:
        _introduce(everyone, place.rank)
    return everyone


def _introduce(everyone: Group, rank: int) -> None:
    """Let all know which process each rank is."""
    known = torch.zeros(len(everyone.ranks), 2, dtype=torch.int64)
    known[rank] = torch.tensor([zlib.crc32(socket.gethostname().encode()), os.getpid()])
    finish(start_sum(known, everyone), lambda: "init")
    _processes[:] = [(int(host), int(pid)) for host, pid in known.tolist()]


def new_group(ranks: Sequence[int]) -> Group:
    """A group of processes. All processes make it, members or not."""
    import torch.distributed as dist

    handle = dist.new_group(sorted(ranks), timeout=timeout())
    return Group(ranks, handle if dist.get_rank() in ranks else None)


def disconnect() -> None:
    """End the connections; called when the program ends.

    Without this, some programs abort at their end. With it, torch waits for what is under way, which never ends where
    others wait as well, after Ctrl-C: then the process is cut off.
    """
    import torch.distributed as dist

    if not dist.is_initialized():
        return
    give_up = time.monotonic() + _PATIENCE
    while any([not work.is_completed() for work in _under_way.values()]):
        if time.monotonic() > give_up:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            os._exit(1)
        time.sleep(0.01)
    _under_way.clear()
    dist.destroy_process_group()


# ---- what processes do together ------------------------------------------------------------------------------------


class _Failed:
    """What could not be started: the error comes when it is waited for, where it is known what it was."""

    def __init__(self, error: RuntimeError) -> None:
        self._error = error

    def wait(self, timeout: timedelta | None = None) -> None:
        raise self._error

    def is_completed(self) -> bool:
        return True


def _started(begin: Callable[[], Work]) -> Work:
    try:
        work = begin()
    except RuntimeError as error:
        return _Failed(error)
    _under_way[id(work)] = work
    return work


def start_sum(values: Tensor, group: Group) -> Work:
    """Let the tensor, whose memory is one piece, be the sum over the processes of the group."""
    import torch.distributed as dist

    return _started(lambda: dist.all_reduce(values, group=group.handle, async_op=True))


def start_sum_in(values: Tensor, dst: int, group: Group) -> Work:
    """As `start_sum`, in process `dst`; in the others the tensor holds nothing of use then."""
    import torch.distributed as dist

    return _started(lambda: dist.reduce(values, dst, group=group.handle, async_op=True))


def start_spreading(values: Tensor, src: int, group: Group) -> Work:
    """Let the tensor be what it is in process `src`."""
    import torch.distributed as dist

    return _started(lambda: dist.broadcast(as_bytes(values), src, group=group.handle, async_op=True))


def start_collecting(values: Tensor, everyones: Sequence[Tensor], group: Group) -> Work:
    """Copy the tensor of each process to its place in `everyones`."""
    import torch.distributed as dist

    into = [as_bytes(everyones[i]) for i in group.order]
    return _started(lambda: dist.all_gather(into, as_bytes(values), group=group.handle, async_op=True))


def start_scattered_sum(parts: Sequence[Tensor], result: Tensor, group: Group) -> Work:
    """Let `result` be the sum over the processes of what stands at the place of this one in `parts`."""
    import torch.distributed as dist

    return _started(
        lambda: dist.reduce_scatter(result, [parts[i] for i in group.order], group=group.handle, async_op=True)
    )


def start_barrier(group: Group) -> Work:
    """Nothing, but all have to do it."""
    import torch.distributed as dist

    return _started(lambda: dist.barrier(group=group.handle, async_op=True))


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
        raise CommunicationError(_explanation(error, what())) from error


# ---- what went wrong ---------------------------------------------------------------------------------------------


def _explanation(error: RuntimeError, what: str) -> str:
    import torch.distributed as dist

    me = f"process {dist.get_rank()} of {dist.get_world_size()}"
    text = first_line(error)
    is_cut = "closed" in text or "reset" in text
    ended = ended_processes()
    # A process closes its connections some time before it is gone.
    for _ in range(_LOOKS if is_cut else 0):
        if ended:
            break
        time.sleep(_BETWEEN_LOOKS)
        ended = ended_processes()
    if ended:
        many = "es" if len(ended) > 1 else ""
        numbers = ", ".join(f"{rank} (process id {_processes[rank][1]})" for rank in ended)
        found = f"process{many} {numbers} {'have' if many else 'has'} ended"
    elif is_cut:
        where = re.search(r"\[([^\[\]]+)\]:(\d+)", text)
        found = f"a process on {where[1]} has ended" if where else "another process has ended"
    elif "imed out" in text or "timeout" in text:
        found = f"another process did not take part within {timeout().total_seconds():g} s (collective_timeout)"
    else:
        found = "it failed"
    first = _noted(f"{me} in {what}: {found}")
    before = "" if first is None else f". The first to notice was {first}"
    return f"{me}: {what}: {found}: {text}{before}"


def first_line(error: BaseException) -> str:
    """What an error of torch says, without where in its sources."""
    text = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"^\[[^\]]*\.cc:\d+\]\s*", "", text[0]).partition(" This is typically")[0]


def ended_processes() -> list[int]:
    """Ranks of the processes on this machine that run no more."""
    if not _processes:
        return []
    here = zlib.crc32(socket.gethostname().encode())
    return [rank for rank, (host, pid) in enumerate(_processes) if host == here and not _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            # One that has ended stays there until its parent asks for its result.
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (OSError, IndexError):
        if os.name != "posix":
            return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _noted(note: str) -> str | None:
    """Leave a note for the others; the one that another process left before, if there is one.

    All that fail after the first one mostly see that one end.
    """
    import torch.distributed as dist

    try:
        store = dist.group.WORLD.get_group_store()  # type: ignore[union-attr]
        first = bytes(store.compare_set(_FIRST_NOTE, "", note)).decode(errors="replace")
    except (RuntimeError, AttributeError):
        # It was kept by the process that has ended.
        return None
    return None if first == note else first
