"""Reading minibatches from a data source."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import NamedTuple

import numpy as np

from ..errors import ArgumentError
from .columns import Column, joined, put
from .sources import DataSource

_LARGEST_POOL = 4
# Bytes of a sample below which decoding it takes so short that threads would mostly wait for the interpreter's lock.
_WORTH_THREADS = 16384


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
        keep_rest: with `stop_exhausted`, read a last batch of what does not fill one.
    """

    def __init__(
        self,
        data_source: DataSource,
        batch_size: int,
        stop_exhausted: bool = False,
        threads: int = 1,
        keep_rest: bool = False,
    ) -> None:
        self._source = data_source
        self._batch_size = batch_size
        self._stop_exhausted = stop_exhausted
        self._size = data_source.size
        self._variables = list(data_source.variables or ())
        self._threads = min(threads, batch_size)
        self._keep_rest = keep_rest
        self._sample_bytes = inf
        self._pool: ThreadPoolExecutor | None = None
        # The batch that is being read. It stays after an error, and reading goes on with the sample that failed.
        self._begin()

    def _begin(self) -> None:
        self._pieces: list[tuple[np.ndarray, ...]] = []
        left = self._size - self._source.position
        self._missing = min(self._batch_size, left) if self._keep_rest else self._batch_size
        # Samples that are read one by one, in all epochs of a batch, are put together at the end.
        self._samples = _Samples(self._missing, self._variables)
        self._epochs_ended = 0

    @property
    def is_exhausted(self) -> bool:
        """Whether the epoch, where it is the only one, has no batch any more."""
        return self._stop_exhausted and (self._missing == 0 or self._source.position + self._missing > self._size)

    def read(self) -> Batch:
        """The next batch.

        Raises:
            ArgumentError: the samples of the batch differ in shape, or lack a value for a variable.
            Exception: whatever the data source raised. Reading goes on with the sample that failed.
        """
        while self._missing:
            count = self._until_end()
            arrays = self._arrays(count)
            if arrays is not None:
                self._take_samples()
                self._pieces.append(arrays)
                self._advance(count)
            else:
                self._read_samples(count)
        self._end_epochs()
        self._take_samples()
        pieces, epochs_ended = self._pieces, self._epochs_ended
        self._begin()
        arrays = joined(pieces, self._variables)
        self._sample_bytes = sum(array.nbytes for array in arrays) / self._batch_size
        return Batch(arrays, self._source.position, epochs_ended)

    @property
    def can_skip(self) -> bool:
        """Whether samples can be passed over: a source with a `next` of its own says nothing of their places."""
        return type(self._source).next is DataSource.next

    def skip(self) -> tuple[int, int]:
        """Pass over a batch without reading it; position and number of epochs that ended, as in a `Batch`."""
        while self._missing:
            count = self._until_end()
            self._source._position += count
            self._advance(count)
        self._end_epochs()
        epochs_ended = self._epochs_ended
        self._begin()
        return self._source.position, epochs_ended

    def close(self) -> None:
        """Wait for the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _until_end(self) -> int:
        """Samples to read before the batch is full or the epoch ends."""
        return min(self._missing, max(1, self._size - self._source.position))

    def _advance(self, count: int) -> None:
        """Count samples that were read, and begin a new epoch if one ended."""
        self._missing -= count
        if self._source.position >= self._size and not self._stop_exhausted:
            self._source.reset()
            self._epochs_ended += 1

    def _end_epochs(self) -> None:
        if self._epochs_ended:
            self._source.apply_order()

    def _arrays(self, count: int) -> tuple[np.ndarray, ...] | None:
        source = self._source
        if type(source).next is not DataSource.next:
            return None
        arrays = source._get_arrays(source.position, source.position + count)
        if arrays is not None:
            source._position += count
        return arrays

    def _take_samples(self) -> None:
        if not self._samples.count:
            return
        samples, self._samples = self._samples, _Samples(self._missing, self._variables)
        try:
            self._pieces.append(samples.taken())
        except ArgumentError:
            # There is no batch of these; the next one begins behind them.
            self._begin()
            raise

    def _read_samples(self, count: int) -> None:
        source = self._source
        worthwhile = self._sample_bytes >= _WORTH_THREADS or source._is_thread_safe
        concurrently = self._threads > 1 and count > 1 and worthwhile and source._reads_concurrently
        if concurrently and type(source).next is DataSource.next:
            self._read_concurrently(count)
            return
        if type(source).next is not DataSource.next:
            for _ in range(count):
                self._samples.add(source.next())
                self._advance(1)
            return
        first = source.position
        try:
            for sample in source._get_samples(first, first + count):
                self._samples.add(sample)
                source._position += 1
        finally:
            self._advance(source.position - first)

    def _read_concurrently(self, count: int) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, "nnabla-data-reader")
        source, samples = self._source, self._samples
        first, start = source.position, samples.count
        failed: dict[int, Exception] = {}

        def read_every(begin: int) -> None:
            for i in range(begin, count, self._threads):
                try:
                    samples.set(start + i, source._get_data(first + i))
                except Exception as error:
                    failed[i] = error
                    return

        for _ in self._pool.map(read_every, range(self._threads)):
            pass
        # As if they had been read one by one, up to the first that failed.
        read = min(failed, default=count)
        source._position += read
        samples.count += read
        self._advance(read)
        if failed:
            raise failed[read]


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
