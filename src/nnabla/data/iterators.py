"""Data iterators: minibatches from a data source."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np

from .._transfers import pinned
from ..context import get_current_context
from ..errors import ArgumentError
from ..logger import logger
from .batches import Batch, BatchReader, reading_threads
from .file_cache import DataSourceWithFileCache
from .memory_cache import DataSourceWithMemoryCache
from .slices import SlicedDataSource
from .sources import DataSource, checked_source
from .workers import WorkerReader, Workers, checked_workers

# Bytes of a batch below which copying it from memory takes less time than handing it from one thread to another.
_WORTH_THREAD = 2**20

EpochCallback = Callable[[int], object]


class DataIterator:
    """Minibatches from a data source, without end.

    A batch in which an epoch ends is completed with samples of the next one, unless `stop_exhausted`. With
    `use_thread` a background thread reads the next batch while the program works on this one. The samples are
    the same either way, as are `position` and `epoch`, which tell about the batches that `next` has returned.

    The source is reset when the iterator is made.

    Args:
        data_source: where samples come from.
        batch_size: samples in a batch.
        rng: not used; the order is the data source's. Accepted for compatibility.
        use_thread: read ahead by one batch. An exception in the thread is raised by `next`.
        epoch_begin_callbacks: called with the number of the epoch that begins, in the thread that calls
            `next`, before it returns the batch in which the epoch before ended. They are not called for epoch
            0.
        epoch_end_callbacks: called likewise with the number of the epoch that ended, counted from 0.
        stop_exhausted: raise StopIteration at the end of the first epoch. Samples that do not fill a batch
            are not used.
        num_workers: how many processes read batches beside the program, each several ahead; or `Workers`, for threads
            and more settings. Processes are not started for a source whose samples lie in memory. 0: none.
        pin_memory: put batches into memory that a GPU reads by itself, in the background where a thread or processes
            read ahead; default (None): if the iterator is made in the context of a GPU. ``x.d = batch`` then waits for
            this copy only, not for what the GPU still computes.

    Raises:
        TypeError: `data_source` is not a DataSource, or names no variables; `batch_size` is not an integer.
        ArgumentError: `batch_size` is not positive, the data source has no samples, or processes cannot read it.
    """

    def __init__(
        self,
        data_source: DataSource,
        batch_size: int,
        rng: np.random.RandomState | None = None,
        use_thread: bool = True,
        epoch_begin_callbacks: Iterable[EpochCallback] = (),
        epoch_end_callbacks: Iterable[EpochCallback] = (),
        stop_exhausted: bool = False,
        *,
        num_workers: int | Workers = 0,
        pin_memory: bool | None = None,
    ) -> None:
        logger.info("Using DataIterator")
        self._data_source = checked_source("DataIterator", data_source)
        self._batch_size = operator.index(batch_size)
        if self._batch_size < 1:
            raise ArgumentError(f"DataIterator: batch_size must be at least 1, not {batch_size}")
        if data_source.variables is None:
            raise TypeError(f"DataIterator: {type(data_source).__name__} has no names of variables")
        self._variables = data_source.variables
        self._use_thread = use_thread
        self._stop_exhausted = stop_exhausted
        self._epoch_begin_callbacks = list(epoch_begin_callbacks)
        self._epoch_end_callbacks = list(epoch_end_callbacks)
        self._current_epoch = 0
        self._data_position = 0
        self._closed = False
        data_source.reset()
        self._size = data_source.size
        if self._size < 1:
            raise ArgumentError(f"DataIterator: the data source {type(data_source).__name__} has no samples")
        self._workers = checked_workers(num_workers)
        self._pins = get_current_context().device.type == "cuda" if pin_memory is None else pin_memory
        self._batches, use_thread = self._readers(use_thread, self._workers)
        self._reader = ThreadPoolExecutor(1, "nnabla-data-iterator") if use_thread else None
        self._batch_bytes = 0
        self._ahead: Future[Batch] | None = self._read_ahead()

    def _readers(self, use_thread: bool, workers: Workers | None) -> tuple[BatchReader | WorkerReader, bool]:
        """What reads batches, and whether it does in a thread."""
        source, size, stop = self._data_source, self._batch_size, self._stop_exhausted
        if workers is None or source._is_in_memory:
            return BatchReader(source, size, stop, reading_threads() if use_thread else 1), use_thread
        if workers.kind == "process":
            # What processes have read is pinned beside the program, too.
            return WorkerReader(source, size, stop, workers), self._pins
        source._is_thread_safe = True
        return BatchReader(source, size, stop, workers.count), True

    def __iter__(self) -> DataIterator:
        return self

    def __next__(self) -> tuple[np.ndarray, ...]:
        return self.next()

    def __enter__(self) -> DataIterator:
        return self

    def __exit__(
        self, type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def epoch(self) -> int:
        """Number of epochs that have ended."""
        return self._current_epoch

    @property
    def position(self) -> int:
        """Number of samples of the current epoch in the batches so far."""
        return self._data_position

    @property
    def size(self) -> int:
        """Number of samples in an epoch."""
        return self._size

    @property
    def variables(self) -> Sequence[str]:
        """Names of the arrays in a batch."""
        return self._variables

    @property
    def batch_size(self) -> int:
        """Samples in a batch."""
        return self._batch_size

    def next(self) -> tuple[np.ndarray, ...]:
        """The next batch: for each variable an array, whose first axis has `batch_size` elements.

        Raises:
            StopIteration: the epoch has ended, if the iterator was made with `stop_exhausted`.
            ArgumentError: the samples of the batch differ in shape, or lack a value for a variable.
            RuntimeError: the iterator is closed.
            Exception: whatever the data source raised. Reading goes on with the sample that failed.
        """
        if self._closed:
            raise RuntimeError("DataIterator.next: the iterator is closed")
        if self._is_exhausted(self._data_position):
            raise StopIteration
        batch = _read(self._batches, self._pins) if self._ahead is None else self._taken_ahead(self._ahead)
        self._data_position = batch.position
        self._batch_bytes = sum(array.nbytes for array in batch.arrays)
        for _ in range(batch.epochs_ended):
            for callback in self._epoch_end_callbacks:
                callback(self._current_epoch)
            self._current_epoch += 1
            for callback in self._epoch_begin_callbacks:
                callback(self._current_epoch)
        # After the callbacks, so that what they change applies to the next batch, read ahead or not.
        self._ahead = self._read_ahead()
        return batch.arrays

    @property
    def batches(self) -> int:
        """Number of batches that `next` has returned, or that were passed over."""
        return (self._current_epoch * self._size + self._data_position) // self._batch_size

    def skip(self, batches: int) -> None:
        """Go on as if `next` had been called so many times: that is how a training goes on after an interruption.

        Samples are not read where the data source allows it. Callbacks are not called.

        Raises:
            StopIteration, RuntimeError: as `next` does.
        """
        for _ in range(batches):
            if self._closed:
                raise RuntimeError("DataIterator.skip: the iterator is closed")
            if self._is_exhausted(self._data_position):
                raise StopIteration
            if self._ahead is not None:
                batch = self._taken_ahead(self._ahead)
                self._data_position, ended = batch.position, batch.epochs_ended
            elif isinstance(self._batches, BatchReader) and self._batches.can_skip:
                self._data_position, ended = self._batches.skip()
            else:
                batch = self._batches.read()
                self._data_position, ended = batch.position, batch.epochs_ended
            self._current_epoch += ended
        if self._ahead is None:
            self._ahead = self._read_ahead()

    def _is_exhausted(self, position: int) -> bool:
        return self._stop_exhausted and position + self._batch_size > self._size

    def _read_ahead(self) -> Future[Batch] | None:
        if self._reader is None or self._is_exhausted(self._data_position):
            return None
        if self._batch_bytes < _WORTH_THREAD and self._data_source._is_filled:
            return None
        return self._reader.submit(_read, self._batches, self._pins)

    def _taken_ahead(self, ahead: Future[Batch]) -> Batch:
        # Waits. If that is interrupted, the batch is still there for the next call.
        ahead.exception()
        self._ahead = None
        return ahead.result()

    def slice(
        self,
        rng: np.random.RandomState | None,
        num_of_slices: int | None = None,
        slice_pos: int | None = None,
        slice_start: int | None = None,
        slice_end: int | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        use_cache: bool = False,
        drop_last: bool = False,
    ) -> DataIterator:
        """An iterator over a part of the same data source, with the same `batch_size`, `use_thread` and `num_workers`.

        It has no callbacks and does not stop at the end of an epoch, whatever this one does.

        Either `num_of_slices` and `slice_pos` or `slice_start` and `slice_end` say which part.

        Args:
            rng: not used; the order is that of the data source. Accepted for compatibility.
            num_of_slices: cut the source into so many parts of equal size, of which the last ones overlap
                others if the size does not divide.
            slice_pos: which of them, counted from 0.
            slice_start: first position of the part in the source's order.
            slice_end: position after the last.
            cache_dir: folder of the file cache; default one that is removed in the end.
            use_cache: write the samples of the part to files, as they are in the present epoch, and read them from
                there and then from memory.
            drop_last: let no parts overlap; samples that are left over belong to no part.

        Raises:
            ArgumentError: the arguments do not say which part, or the part is empty or not within the source.

        Example:
            >>> from nnabla.utils.data_iterator import data_iterator_simple
            >>> all_samples = data_iterator_simple(lambda i: (i,), 10, batch_size=2)
            >>> train = all_samples.slice(None, slice_start=0, slice_end=7)
            >>> test = all_samples.slice(None, slice_start=7, slice_end=10)
            >>> train.size, test.size
            (7, 3)
        """
        by_number = num_of_slices is not None and slice_pos is not None
        by_range = slice_start is not None and slice_end is not None
        given = [num_of_slices, slice_pos, slice_start, slice_end]
        if by_number == by_range or sum(value is not None for value in given) != 2:
            raise ArgumentError(
                "DataIterator.slice: give num_of_slices and slice_pos, or slice_start and slice_end; got "
                f"num_of_slices={num_of_slices}, slice_pos={slice_pos}, slice_start={slice_start}, "
                f"slice_end={slice_end}"
            )
        if num_of_slices is not None and slice_pos is not None:
            slice_start, slice_end = _part(self._size, num_of_slices, slice_pos, drop_last)
        source = SlicedDataSource(
            self._data_source,
            shuffle=self._data_source.shuffle,
            slice_start=slice_start,
            slice_end=slice_end,
            from_present_epoch=use_cache,
        )
        workers = self._workers or 0
        options: dict[str, Any] = {"use_thread": self._use_thread, "num_workers": workers, "pin_memory": self._pins}
        if not use_cache:
            return DataIterator(source, self._batch_size, **options)
        prefix = f"cache_sliced_{slice_start:08}_{slice_end:08}"
        files = DataSourceWithFileCache(source, cache_dir, prefix, shuffle=source.shuffle, num_workers=workers)
        cached = DataSourceWithMemoryCache(files, shuffle=source.shuffle, num_workers=workers)
        return DataIterator(cached, self._batch_size, **options)

    def register_epoch_end_callback(self, callback: EpochCallback) -> None:
        """Call `callback` with the number of every epoch that ends from now on."""
        self._epoch_end_callbacks.append(callback)

    def register_epoch_begin_callback(self, callback: EpochCallback) -> None:
        """Call `callback` with the number of every epoch that begins from now on."""
        self._epoch_begin_callbacks.append(callback)

    def close(self) -> None:
        """Wait for the thread, then close the data source. Nothing happens if it is closed already."""
        if self._closed:
            return
        self._closed = True
        self._ahead = None
        if self._reader is not None:
            self._reader.shutdown(cancel_futures=True)
        self._batches.close()
        self._data_source.close()


def _read(batches: BatchReader | WorkerReader, pins: bool) -> Batch:
    """The next batch, in pinned memory if asked for."""
    batch = batches.read()
    return batch._replace(arrays=tuple(map(pinned, batch.arrays))) if pins else batch


def _part(size: int, parts: int, number: int, drop_last: bool) -> tuple[int, int]:
    """Begin and end of one of `parts` parts of equal size."""
    if not 0 <= number < parts:
        raise ArgumentError(f"DataIterator.slice: need 0 <= slice_pos < num_of_slices; got {number}, {parts}")
    part_size = size // parts if drop_last else -(-size // parts)
    if part_size == 0:
        raise ArgumentError(f"DataIterator.slice: cannot cut {size} samples into {parts} separate parts")
    # With many parts the last ones begin beyond the end: they wrap around.
    start = min(number * part_size % size, size - part_size)
    return start, start + part_size
