"""Reading minibatches from a data source."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from .columns import Column, joined, put
from .sources import DataSource

_LARGEST_POOL = 4


class Batch(NamedTuple):
    """A minibatch and where reading it ended."""

    arrays: tuple[np.ndarray, ...]
    position: int
    epochs_ended: int


class BatchReader:
    """Reads one minibatch after the other, going over to the next epoch in the middle of a batch.

    Args:
        data_source: where samples come from.
        batch_size: samples in a batch.
        stop_exhausted: do not go over to another epoch.
        threads: how many may read samples at a time, if the source gains by it.
    """

    def __init__(
        self, data_source: DataSource, batch_size: int, stop_exhausted: bool = False, threads: int = 1
    ) -> None:
        self._source = data_source
        self._batch_size = batch_size
        self._stop_exhausted = stop_exhausted
        self._size = data_source.size
        self._variables = list(data_source.variables or ())
        self._threads = min(threads, batch_size)
        self._pool: ThreadPoolExecutor | None = None

    def read(self) -> Batch:
        """The next batch.

        Raises:
            ArgumentError: the samples of the batch differ in shape, or lack a value for a variable.
            Exception: whatever the data source raised. Reading goes on with the sample that failed.
        """
        source = self._source
        pieces: list[tuple[np.ndarray, ...]] = []
        # Samples that are read one by one, in all epochs of a batch, are put together at the end.
        samples = _Samples(self._batch_size, self._variables)
        missing, epochs_ended = self._batch_size, 0
        while missing:
            count = min(missing, max(1, self._size - source.position))
            arrays = self._arrays(count)
            if arrays is None:
                self._read_samples(count, samples)
            else:
                if samples.count:
                    pieces.append(samples.taken())
                    samples = _Samples(missing - count, self._variables)
                pieces.append(arrays)
            missing -= count
            if source.position >= self._size and not self._stop_exhausted:
                source.reset()
                epochs_ended += 1
        if epochs_ended:
            source.apply_order()
        if samples.count:
            pieces.append(samples.taken())
        return Batch(joined(pieces, self._variables), source.position, epochs_ended)

    def close(self) -> None:
        """Wait for the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _arrays(self, count: int) -> tuple[np.ndarray, ...] | None:
        source = self._source
        if type(source).next is not DataSource.next:
            return None
        arrays = source._get_arrays(source.position, source.position + count)
        if arrays is not None:
            source._position += count
        return arrays

    def _read_samples(self, count: int, samples: _Samples) -> None:
        source = self._source
        concurrently = self._threads > 1 and count > 1 and source._reads_concurrently
        if not concurrently or type(source).next is not DataSource.next:
            for _ in range(count):
                samples.add(source.next())
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, "nnabla-data-reader")
        first, start = source.position, samples.count

        def read_every(begin: int) -> None:
            for i in range(begin, count, self._threads):
                try:
                    samples.set(start + i, source._get_data(first + i))
                except Exception as error:
                    failed[i] = error
                    return

        failed: dict[int, Exception] = {}
        for _ in self._pool.map(read_every, range(self._threads)):
            pass
        if failed:
            # As if they had been read one by one.
            at = min(failed)
            source._position += at
            raise failed[at]
        source._position += count
        samples.count += count


class _Samples:
    """Samples on their way to become arrays."""

    def __init__(self, size: int, variables: Sequence[str]) -> None:
        self.count = 0
        self._variables = variables
        self._columns = [Column(size) for _ in variables]

    def add(self, sample: Sequence[object]) -> None:
        self.set(self.count, sample)
        self.count += 1

    def set(self, row: int, sample: Sequence[object]) -> None:
        put(self._columns, row, sample, self._variables)

    def taken(self) -> tuple[np.ndarray, ...]:
        named = zip(self._columns, self._variables, strict=True)
        return tuple(column.array(name, self.count) for column, name in named)


def reading_threads() -> int:
    """How many threads read samples where that gains something: one for each processor, at most 4."""
    if hasattr(os, "sched_getaffinity"):
        return min(_LARGEST_POOL, len(os.sched_getaffinity(0)))
    return min(_LARGEST_POOL, os.cpu_count() or 1)
