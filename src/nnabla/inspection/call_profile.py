"""Profiles of functions of Python's, as a decorator."""

from __future__ import annotations

import atexit
import cProfile
import pstats
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ClassVar


class FunctionProfile:
    """A function that is profiled whenever it is called.

    Calls within a call that is being profiled, of this or of another function, belong to that one and are not profiled
    on their own.

    Args:
        fn: the function.
        condition: called with the arguments; where it returns a false value, the call is not profiled. Default: all
            are.
        profile_class: the profiler.
        print_freq: calls after which statistics are printed and forgotten; 0 (default): they are printed when the
            program ends.
        sort_keys: what the lines are sorted by, see `pstats.Stats.sort_stats`. Default: cumulative time, time, calls.
        print_restrictions: which lines are printed, see `pstats.Stats.print_stats`. Default: the first 40.
    """

    profiling: ClassVar[bool] = False
    """Whether a call is being profiled."""

    def __init__(
        self,
        fn: Callable[..., Any],
        condition: Callable[..., Any] | None = None,
        profile_class: Callable[[], Any] = cProfile.Profile,
        print_freq: int = 0,
        sort_keys: Sequence[str] | None = None,
        print_restrictions: Sequence[Any] | None = None,
    ) -> None:
        self.fn = fn
        self.condition = condition or _always
        self.profile_class = profile_class
        self.print_freq = print_freq
        self.sort_keys = ("cumulative", "time", "calls") if sort_keys is None else sort_keys
        self.print_restrictions = (40,) if print_restrictions is None else print_restrictions
        self.stats: pstats.Stats | None = None
        self.ncalls = 0
        if not print_freq:
            atexit.register(self.print_stats)

    def __call__(self, *args: Any, **kw: Any) -> Any:
        """Call the function."""
        if FunctionProfile.profiling or not self.condition(*args, **kw):
            return self.fn(*args, **kw)
        profiler = self.profile_class()
        FunctionProfile.profiling = True
        try:
            return profiler.runcall(self.fn, *args, **kw)
        finally:
            FunctionProfile.profiling = False
            self._take(profiler)

    def _take(self, profiler: Any) -> None:
        if self.stats is None:
            self.stats = pstats.Stats(profiler)
        else:
            self.stats.add(profiler)
        self.ncalls += 1
        if self.print_freq and self.ncalls >= self.print_freq:
            self.print_stats()

    def reset_stats(self) -> None:
        """Forget what was measured."""
        self.stats = None
        self.ncalls = 0

    def print_stats(self, reset: bool = True) -> None:
        """Print what was measured, if anything was, and forget it if `reset`."""
        if self.stats is None:
            return
        code = self.fn.__code__
        print("--- Function Profiling ---")
        print(f'File "{code.co_filename}", line {code.co_firstlineno}, function {self.fn.__name__}')
        self.stats.sort_stats(*self.sort_keys)
        self.stats.print_stats(*self.print_restrictions)
        print("--------------------------")
        if reset:
            self.reset_stats()


def profile(
    fn: Callable[..., Any] | None = None,
    condition: Callable[..., Any] | None = None,
    profile_class: Callable[[], Any] = cProfile.Profile,
    print_freq: int = 0,
    sort_keys: Sequence[str] | None = None,
    print_restrictions: Sequence[Any] | None = None,
) -> Callable[..., Any]:
    """Decorate a function so that its calls are profiled by Python's profiler; see `FunctionProfile`.

    Use it with or without arguments. The decorated function has the `FunctionProfile` as its attribute ``profiler``.

    Example:
        >>> @profile(print_freq=100)
        ... def work(n):
        ...     return sum(range(n))
        >>> work(4), work.profiler.ncalls
        (6, 1)
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        profiler = FunctionProfile(function, condition, profile_class, print_freq, sort_keys, print_restrictions)

        @wraps(function)
        def profiled(*args: Any, **kw: Any) -> Any:
            return profiler(*args, **kw)

        profiled.profiler = profiler  # type: ignore[attr-defined]
        return profiled

    return decorate if fn is None else decorate(fn)


def _always(*args: Any, **kw: Any) -> bool:
    return True
