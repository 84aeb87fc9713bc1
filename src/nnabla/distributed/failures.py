"""What went wrong between processes: which of them has ended or is late, and what is said about it."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

# How often, and after how many seconds each, it is asked which process has ended.
_LOOKS, _BETWEEN_LOOKS = 25, 0.02
# In the store that all processes share: what the first one said that failed, and which ones have failed.
_FIRST_NOTE, _FAILED = "nnabla/first_failure", "nnabla/failed/"
# Seconds that the store may take. The process that keeps it may be the one that does not answer.
_STORE_PATIENCE = 0.5

processes: list[tuple[int, int]] = []
"""Of each rank: a number of its machine, and its number there. Empty before they are connected."""


def this_process() -> tuple[int, int]:
    """What stands in `processes` for this one."""
    return zlib.crc32(socket.gethostname().encode()), os.getpid()


def explanation(error: RuntimeError, what: str, ranks: Sequence[int], limit: float) -> str:
    """What has happened to something that processes did together.

    Args:
        error: of torch.
        what: they did.
        ranks: of those that took part.
        limit: seconds that a process waits for the others.
    """
    import torch.distributed as dist

    me = f"process {dist.get_rank()} of {dist.get_world_size()}"
    text = first_line(error)
    is_cut = any([word in text for word in ("closed", "reset", "Broken pipe")])
    store = _Store()
    keys = {rank: _FAILED + str(rank) for rank in ranks}
    store.note(_FAILED + str(dist.get_rank()), "yes")
    ended = ended_processes()
    # A process closes its connections some time before it is gone.
    for _ in range(_LOOKS if is_cut else 0):
        if ended:
            break
        time.sleep(_BETWEEN_LOOKS)
        ended = ended_processes()
    if ended:
        found = that_ended(ended)
    elif is_cut:
        where = re.search(r"\[([^\[\]]+)\]:(\d+)", text)
        who = f"a process on {where[1]}" if where else "another process"
        # Those on this machine run, and those that say that they have failed do, too.
        away = [rank for rank in store.missing(keys) if processes and processes[rank][0] != this_process()[0]]
        if away:
            who += f", {_listed(away)}," if len(away) == 1 else f", one of {_listed(away)},"
        found = f"{who} has ended"
    elif "imed out" in text or "timeout" in text:
        late = store.missing(keys)
        who = _listed(late) if late else "another process"
        found = f"{who} did not take part within {limit:g} s (collective_timeout)"
    else:
        found = "it failed"
    # All that fail after the first one mostly see that one end.
    note = f"{me} in {what}: {found}"
    first = store.note(_FIRST_NOTE, note)
    before = "" if first in (None, note) else f". The first to notice was {first}"
    return f"{me}: {what}: {found}: {text}{before}"


def that_ended(ranks: Sequence[int]) -> str:
    """Says of some processes that they have ended."""
    return f"{_listed(ranks)} {'have' if len(ranks) > 1 else 'has'} ended"


def _listed(ranks: Sequence[int]) -> str:
    """Processes by their ranks and, where these are known, by their numbers."""
    numbers = [f"{rank} (process id {processes[rank][1]})" if processes else str(rank) for rank in ranks]
    return f"process{'es' if len(ranks) > 1 else ''} {', '.join(numbers)}"


class _Store:
    """What processes tell each other when they can exchange nothing else any more.

    The process that keeps it may have ended, or be the one that does not answer: then nobody is told anything.
    """

    def __init__(self) -> None:
        self._store = store_of_all()
        self._answers = self._store is not None

    def note(self, key: str, text: str) -> str | None:
        """Leave a note, unless there is one already; the one that is there then."""
        found = self._asked(lambda: self._store.compare_set(key, "", text))
        return None if found is None else bytes(found).decode(errors="replace")

    def missing(self, keys: dict[int, str]) -> list[int]:
        """Those whose keys nobody has set, after some time in which they can."""
        end = time.monotonic() + _STORE_PATIENCE
        while not self._asked(lambda: self._store.check(list(keys.values()))):
            if not self._answers:
                return []
            if time.monotonic() > end:
                return self._asked(lambda: [r for r, key in keys.items() if not self._store.check([key])]) or []
            time.sleep(_BETWEEN_LOOKS)
        return []

    def _asked(self, call: Callable[[], Any]) -> Any:
        """What a call returns; ``None`` if it fails or takes too long, and for all calls after it."""
        if not self._answers:
            return None
        answers: list[Any] = []

        def ask() -> None:
            with suppress(RuntimeError):
                answers.append(call())

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(_STORE_PATIENCE)
        self._answers = bool(answers)
        return answers[0] if answers else None


def store_of_all() -> Any:
    """What all processes can read and write; ``None`` where torch has none."""
    import torch.distributed as dist

    try:
        return dist.group.WORLD.get_group_store()  # type: ignore[union-attr]
    except (RuntimeError, AttributeError):
        return None


def first_line(error: BaseException) -> str:
    """What an error of torch says, without where in its sources."""
    text = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"^\[[^\]]*\.cc:\d+\]\s*", "", text[0]).partition(" This is typically")[0].rstrip(".")


def ended_processes() -> list[int]:
    """Ranks of the processes on this machine that run no more."""
    if not processes:
        return []
    here, _ = this_process()
    return [rank for rank, (host, pid) in enumerate(processes) if host == here and not _runs(pid)]


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
