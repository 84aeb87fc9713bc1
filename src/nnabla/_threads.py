"""How many threads kernels compute with.

A process that was forked computes on one. OpenMP's other threads do not live on in a child, and GNU's runtime would
wait for them forever. Workers that shall have several threads are started by `multiprocessing`'s method ``spawn``.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from torch import set_num_threads

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
