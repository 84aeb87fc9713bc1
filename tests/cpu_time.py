"""How long something takes, as a test may ask it: other processes and the garbage of earlier tests do not matter."""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import thread_time


def takes_at_most(seconds: float, work: Callable[[], object], tries: int = 3) -> bool:
    """Whether this thread spends no more CPU time in ``work``, in one of a few tries. The garbage collector rests.

    CPUs differ by a factor of five, and so must the limit from what was measured.
    """
    for _ in range(tries):
        gc.disable()
        start = thread_time()
        try:
            work()
        finally:
            taken = thread_time() - start
            gc.enable()
        if taken <= seconds:
            return True
    return False
