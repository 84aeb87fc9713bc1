"""What nodes call that is defined above them: how a graph is built, and how it runs.

Variables and functions have methods for both, and both are made of variables and functions. Each module fills in what
it defines when it is imported: `graph/call.py` how functions are called, `engine/` how they run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Entry:
    """One object, so that each is found by reading one attribute."""

    __slots__ = (
        "apply",
        "compute",
        "compute_arrays",
        "compute_gradients",
        "invoke",
        "plan",
        "run_backward",
        "run_forward",
    )

    # From graph/call.py.
    apply: Callable[..., Any]
    invoke: Callable[..., Any]
    # From engine/: a graph, forward and backward; and what its plan is.
    run_forward: Callable[..., None]
    run_backward: Callable[..., None]
    plan: Callable[..., Any]
    # One function at once: on variables, on arrays, and its gradients.
    compute: Callable[..., None]
    compute_arrays: Callable[..., None]
    compute_gradients: Callable[..., None]


entry = Entry()
