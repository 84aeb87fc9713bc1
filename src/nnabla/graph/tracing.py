"""What kernels have to know while a graph is traced, to be compiled: tensors have no values then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class NotTraceableError(Exception):
    """A kernel cannot be traced; the message says why, beginning with a verb: ``"draws random numbers"``."""


class _Trace(threading.local):
    conditions: list[torch.Tensor] | None = None


_trace = _Trace()


def is_traced() -> bool:
    """Whether this thread is tracing a graph."""
    return _trace.conditions is not None


def refuse_tracing(reason: str) -> None:
    """Called by kernels that must run as they are.

    Raises:
        NotTraceableError: a graph is being traced.
    """
    if _trace.conditions is not None:
        raise NotTraceableError(reason)


def assume(condition: torch.Tensor) -> None:
    """Take for granted, in a trace, what the kernel would look at: that all elements of `condition` are true.

    What is compiled looks at it afterwards, and where it does not hold, the graph runs as usual. It must not do any
    harm until then.
    """
    if _trace.conditions is not None:
        _trace.conditions.append(condition.all())


@contextmanager
def tracing() -> Iterator[list[torch.Tensor]]:
    """Context in which `is_traced`; gives the list of what is assumed."""
    if _trace.conditions is not None:
        raise RuntimeError("a graph is traced while another one is")
    conditions: list[torch.Tensor] = []
    _trace.conditions = conditions
    try:
        yield conditions
    finally:
        _trace.conditions = None
