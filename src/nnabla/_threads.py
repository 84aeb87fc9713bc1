"""How many threads kernels compute with.

Threads that wait for each other at the end of every kernel make a network of small kernels slower than one thread
does, and many times slower where something else runs on the machine: a data loader, a notebook, a second job. Which
is faster, one thread or all, depends on the network and on the moment. So what repeats is measured: the replays of a
plan, the updates of a solver (`ThreadChoice`). At first it runs on one thread and on all in turns, and then on what was
faster. After each repetition the clock is read once; where the time between repetitions has changed, and from time to
time, the choice is looked at again. Work on small arrays alone is not measured and runs on one thread (`OneThread`).

"All" is what `torch.get_num_threads` says: what ``OMP_NUM_THREADS`` or the user's `torch.set_num_threads` allows. Where
that is one thread, there is nothing to choose, and no clock is read. Outside of what is measured it stays as it was.

Threads that share a sum round it differently from one that computes it alone. With the choice, two runs of a program
may therefore differ in the last digits. With ``NNABLA_THREADS=all`` in the environment, or after
``nnabla_ext.cpu.set_thread_choice("all")``, everything runs on all threads and gives the same digits in every run.

A process that was forked computes on one thread. OpenMP's other threads do not exist in a child, and GNU's runtime
would wait for them forever. For workers with several threads, use `multiprocessing`'s start method ``spawn``.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable
from math import inf
from pathlib import Path
from time import perf_counter as clock
from time import thread_time

import torch
from torch import get_num_threads

from .errors import ArgumentError

# ---- the number of threads -----------------------------------------------------------------------------------------


def _without_side_effects() -> Callable[[int], object]:
    """What sets the number of threads that kernels of this Python thread use.

    `torch.set_num_threads` tells OpenMP and MKL, and so does this; but it also drops what oneDNN's convolutions have
    prepared, so that each backward of a convolution after it takes 0.1 to 0.3 milliseconds longer, twice as long as a
    small one. What they have prepared serves any number of threads. Where torch is built otherwise, it is torch's.
    """
    try:
        # It is loaded already. These calls are too short to let other Python threads run meanwhile.
        library = ctypes.PyDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        openmp, mkl = library.omp_set_num_threads, library.MKL_Set_Num_Threads_Local
    except (OSError, AttributeError):
        return torch.set_num_threads
    openmp.restype = None
    openmp.argtypes = mkl.argtypes = (ctypes.c_int,)

    def set_both(count: int) -> None:
        openmp(count)
        mkl(count)

    return set_both


set_num_threads = _without_side_effects()

# ---- forked children -----------------------------------------------------------------------------------------------

_forked = False


def put_back(count: int) -> None:
    """Go back to `count` threads, unless this is a child that was forked in the meantime."""
    if not _forked:
        set_num_threads(count)


def in_forked_child(call: Callable[[], None]) -> None:
    """Have `call` made at once in every child that this process forks, where a system has that."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=call)


def _compute_on_one() -> None:
    global _forked
    _forked = True
    set_num_threads(1)


in_forked_child(_compute_on_one)


# ---- one thread or all ---------------------------------------------------------------------------------------------

CHOICES = ("measured", "all")

# Elements. Waking a second thread takes longer than it saves on arrays smaller than this, but matrix products and
# convolutions do it all the same; and it takes very long when the other core is busy.
_WORTH_A_THREAD = 1 << 12

# Elements. torch's element-wise kernels divide larger arrays among threads. What has none is first run on one thread.
_DIVIDED = 1 << 15

# Repetitions in a row on one thread or on all. The first is not counted: threads sleep, kernels are to be compiled.
_BLOCK = 3

# After this many repetitions of each, the slower one is dropped if it is slower by this factor; later, by any.
_CLEAR = {1: 4.0, 2: 1.5, 3: 1.25, 4: 1.2, 5: 1.15, 6: 1.15, 7: 1.15}

# Where both have run before, the first repetition on what was not chosen is enough if it is slower by this factor.
_HOPELESS = 8.0

# Seconds after which two repetitions of each must suffice.
_ENOUGH = 1.0

# At first, one thread may take this many times as long as all: it leaves the other cores free, and is not disturbed by
# what runs on them. Later, the same advantage goes to what was chosen.
_AS_FAST = 1.01

# Where one thread computes for less than this part of its time, others take the cores. All threads must then be faster
# by the factor that follows, and are not chosen before they were seen as often as can be: most of the time they are not
# held up, but for long where they are.
_UNDISTURBED, _MUCH_FASTER = 0.8, 1.3

# How many times between repetitions define what is usual; by what factor others may differ from it; and how many more
# unusual ones than usual ones count as a change.
_USUAL, _UNUSUAL, _CHANGE = 9, 1.6, 8

# Seconds after which one thread is looked at again for the first time, and at the latest, twice as long each time. All
# threads are looked at again at the latest only: where others need the cores, all become slower, and that is seen. One
# thread does not become faster where the cores become free.
_SOON, _LATE = 2.0, 120.0

# Looking again may cost 1 / n of the time: with the first n for all that the process measures, and with the second for
# each plan or solver whose times do not change.
_OFTEN, _SELDOM = 40, 100


class _Process:
    """When anything of this process was last measured, whether anything is, and until when no look begins."""

    __slots__ = ("choice", "last", "wary")

    def __init__(self) -> None:
        self.choice = os.environ.get("NNABLA_THREADS", CHOICES[0])
        if self.choice not in CHOICES:
            raise ArgumentError(f"environment: NNABLA_THREADS must be one of {list(CHOICES)}, not {self.choice!r}")
        self.last = self.wary = 0.0


_process = _Process()


def set_thread_choice(choice: str) -> None:
    """How many threads the functions of a graph and the updates of solvers compute with.

    Args:
        choice: ``"measured"`` (the default) to measure whether one thread or all are faster, which may show in the last
            digits of results; ``"all"`` to use all, with the same results in every run. All are as many as
            `torch.get_num_threads` says.

    Raises:
        ArgumentError: it is something else.
    """
    if choice not in CHOICES:
        raise ArgumentError(f"set_thread_choice: choice must be one of {list(CHOICES)}, not {choice!r}")
    _process.choice = choice


def get_thread_choice() -> str:
    """What `set_thread_choice` has set, else the environment variable ``NNABLA_THREADS``, else ``"measured"``."""
    return _process.choice


class OneThread:
    """One thread, unless all are asked for: for work that is too small to measure."""

    __slots__ = ()

    def start(self, threads: int) -> None:
        if _process.choice == "measured":
            set_num_threads(1)

    def stop(self, threads: int) -> None:
        put_back(threads)


class _Look:
    """Repetitions on one thread and on all in turns, and what they say.

    Args:
        one: whether to begin with one.
        again: whether both have run before.
    """

    __slots__ = ("again", "began", "computed", "computing", "counts", "first", "left", "one", "seconds", "spent")

    def __init__(self, one: bool, again: bool) -> None:
        self.first = self.one = one
        self.again = again
        self.left = _BLOCK
        self.began = self.computing = 0.0
        # CPU time of the repetitions on one thread.
        self.computed = 0.0
        self.seconds: dict[bool, list[float]] = {True: [], False: []}
        # Of all repetitions, those that do not count included.
        self.spent = {True: 0.0, False: 0.0}
        self.counts = {True: 0, False: 0}

    def start(self) -> None:
        """A repetition begins."""
        if self.one:
            self.computing = thread_time()
        self.began = clock()

    def stop(self, now: float) -> bool:
        """A repetition has ended; whether that is enough."""
        if self.one:
            self.computed += thread_time() - self.computing
        seconds = now - self.began
        self.spent[self.one] += seconds
        self.counts[self.one] += 1
        self.left -= 1
        if self.left < _BLOCK - 1:
            self.seconds[self.one].append(seconds)
            if self._is_clear():
                return True
        elif self.again and self.one is not self.first and seconds > _HOPELESS * max(self.seconds[self.first]):
            self.seconds[self.one].append(seconds)
            return True
        if self.left <= 0:
            self.one = not self.one
            self.left = _BLOCK
        return False

    def _is_clear(self) -> bool:
        one, every = self.seconds[True], self.seconds[False]
        count = min(len(one), len(every))
        if count == 0:
            return False
        if count > max(_CLEAR) or (count > 1 and sum(one) + sum(every) > _ENOUGH):
            return True
        faster, slower = (one, every) if _cost(one) < _cost(every) else (every, one)
        if faster is every and self._is_disturbed():
            return False
        return _cost(slower) > _CLEAR[count] * _cost(faster) and _usual_ones(faster)[-1] < _usual_ones(slower)[0]

    def _is_disturbed(self) -> bool:
        return self.computed < _UNDISTURBED * self.spent[True]

    def verdict(self, favoured: bool) -> tuple[bool, float]:
        """Whether to take one thread, and the seconds that were lost on the slower choice.

        Args:
            favoured: whether to prefer one thread where the difference is small.
        """
        one, every = _cost(self.seconds[True]), _cost(self.seconds[False])
        if self._is_disturbed():
            favoured, every = True, _MUCH_FASTER * sum(self.seconds[False]) / len(self.seconds[False])
        best = one <= _AS_FAST * every if favoured else _AS_FAST * one < every
        return best, max(0.0, self.spent[not best] - self.counts[not best] * min(one, every))


def _cost(seconds: list[float]) -> float:
    """Their mean without the longest one in six, which something else may have interrupted.

    No more are left out: threads that wait for others on a busy machine wait long now and then.
    """
    kept = sorted(seconds)[: len(seconds) - len(seconds) // 6]
    return sum(kept) / len(kept)


def _usual_ones(seconds: list[float]) -> list[float]:
    """In order, without the shortest and the longest one in four."""
    odd = len(seconds) // 4
    return sorted(seconds)[odd : len(seconds) - odd]


class ThreadChoice:
    """Whether one thread or all do work that repeats; see the module.

    `start` and `stop` stand around each repetition where there is more than one thread, see `Chosen`.

    Args:
        one: whether to begin with one thread.
    """

    __slots__ = (
        "_high",
        "_look",
        "_look_at",
        "_low",
        "_mode",
        "_odd",
        "_patience",
        "_threads",
        "_times",
        "one",
    )

    def __init__(self, one: bool) -> None:
        self.one = one
        self._look: _Look | None = None
        self._threads = 0
        self._mode = ""

    def start(self, threads: int) -> None:
        """Switch to the number of threads that this repetition is to run on.

        Args:
            threads: all.
        """
        if threads != self._threads or self._mode is not _process.choice:
            self._begin(threads)
        if self.one:
            set_num_threads(1)
        if self._look is not None:
            self._look.start()

    def stop(self, threads: int) -> None:
        """Switch back."""
        if self.one:
            put_back(threads)
        now = clock()
        look = self._look
        if look is not None:
            if look.stop(now):
                self._settle(look, now)
            else:
                self.one = look.one
        elif self._low < now - _process.last < self._high and now < self._look_at:
            if self._odd:
                self._odd -= 1
        else:
            self._wonder(now)
        _process.last = now

    def _begin(self, threads: int) -> None:
        self._threads, self._mode = threads, _process.choice
        self._low, self._high, self._look_at = -inf, inf, inf
        self._odd = 0
        self._patience = _SOON / 2
        if self._mode == "measured":
            self._look, self._look_at = _Look(self.one, again=False), -inf
        else:
            self._look, self.one = None, False

    def _settle(self, look: _Look, now: float) -> None:
        first = self._look_at == -inf
        self.one, lost = look.verdict(first or look.first)
        self._look = None
        self._patience = min(2 * self._patience, _LATE) if self.one is look.first else _SOON
        self._look_at = now + max(self._patience if self.one else _LATE, _SELDOM * lost)
        if look.again:
            _process.wary = max(_process.wary, now) + _OFTEN * lost
        self._low, self._high = inf, -inf
        self._times: list[float] = []
        self._odd = 0

    def _wonder(self, now: float) -> None:
        """Learn what times are usual, or look again: because they have changed, or because it is time to."""
        if len(self._times) < _USUAL:
            self._times.append(now - _process.last)
            if len(self._times) == _USUAL:
                usual = sorted(self._times)[_USUAL // 2]
                self._low, self._high = usual / _UNUSUAL, usual * _UNUSUAL
            return
        self._odd += 1
        if now >= _process.wary and (now >= self._look_at or self._odd >= _CHANGE):
            self._look = _Look(self.one, again=True)


def choice_for(sizes: Iterable[int]) -> OneThread | ThreadChoice:
    """For work on arrays of these sizes.

    Args:
        sizes: in elements.
    """
    largest = max(sizes, default=0)
    return OneThread() if largest < _WORTH_A_THREAD else ThreadChoice(one=largest < _DIVIDED)


class Chosen:
    """Context of one repetition.

    Args:
        choice: of the work within.
    """

    __slots__ = ("_choice", "_threads")

    def __init__(self, choice: OneThread | ThreadChoice) -> None:
        self._choice = choice

    def __enter__(self) -> None:
        self._threads = get_num_threads()
        if self._threads > 1:
            self._choice.start(self._threads)

    def __exit__(self, *error: object) -> None:
        if self._threads > 1:
            self._choice.stop(self._threads)
