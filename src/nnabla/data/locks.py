"""Locks of objects that other processes get copies of."""

from __future__ import annotations

import threading
import weakref

from .._threads import in_forked_child

_locks: weakref.WeakSet[Lock] = weakref.WeakSet()


class Lock:
    """A lock that its owner may take again; a copy in another process, forked or pickled, is free at first."""

    def __init__(self) -> None:
        self._renew()
        _locks.add(self)

    def _renew(self) -> None:
        self._lock = threading.RLock()
        self._acquire, self._release = self._lock.acquire, self._lock.release

    def __enter__(self) -> None:
        self._acquire()

    def __exit__(self, *error: object) -> None:
        self._release()

    def __reduce__(self) -> tuple[type[Lock], tuple[()]]:
        return Lock, ()


def _renew_all() -> None:
    # The threads that held them are not in this process.
    for lock in list(_locks):
        lock._renew()


in_forked_child(_renew_all)
