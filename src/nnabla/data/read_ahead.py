"""Samples that processes read ahead while a cache is filled."""

from __future__ import annotations

import numpy as np

from .columns import joined
from .sources import DataSource
from .workers import WorkerError, WorkerPool, Workers

_SAMPLES_AT_A_TIME = 32


def read_ahead(data_source: DataSource, workers: Workers | None) -> ReadAhead | None:
    """Processes that read a source ahead, where that gains something; threads are told that they may read it."""
    if workers is None or data_source._is_in_memory:
        return None
    if workers.kind == "thread":
        data_source._is_thread_safe = True
        return None
    return ReadAhead(data_source, workers)


class ReadAhead:
    """The samples of a source in its present order, read by processes as long as they are asked for in turn.

    Processes are started when the first sample is asked for, and end behind the last.

    Args:
        data_source: the source.
        workers: how many processes.
    """

    def __init__(self, data_source: DataSource, workers: Workers) -> None:
        self._source, self._workers = data_source, workers
        self._pool: WorkerPool | None = None
        # Samples at hand, and the position of the first of them.
        self._piece: tuple[np.ndarray, ...] = ()
        self._start, self._stop = 0, 0

    def _get_arrays(self, start: int, stop: int) -> tuple[np.ndarray, ...] | None:
        """The samples at positions `start` to `stop` - 1, an array for each variable.

        None if they cannot be had in this way: then and from then on, the caller must read them.

        Raises:
            WorkerError: a process ended before its time.
        """
        pieces = []
        while start < stop:
            if not self._start <= start < self._stop and not self._next_piece(start):
                self.stop()
                return None
            part = tuple(array[start - self._start : stop - self._start] for array in self._piece)
            pieces.append(part)
            start += len(part[0])
        return joined(pieces, list(self._source.variables or ()))

    def _next_piece(self, position: int) -> bool:
        """Have the piece that begins at a position; whether there is one."""
        if position != self._stop:
            return False
        if self._pool is None:
            if position > 0:
                return False
            self._pool = WorkerPool(self._source, _SAMPLES_AT_A_TIME, True, self._workers, keep_rest=True)
        try:
            self._piece = self._pool.read()
        except WorkerError:
            self.stop()
            raise
        except Exception:
            # The caller will meet it, and at which sample.
            return False
        self._start, self._stop = position, position + len(self._piece[0])
        if self._stop >= self._source.size:
            self.stop()
        return True

    def stop(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
