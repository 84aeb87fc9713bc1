"""Samples kept in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..config import nnabla_config
from ..errors import ArgumentError
from ..logger import logger
from .read_ahead import ReadAhead, read_ahead
from .sources import DataSource, EpochOrders, Sample, checked_source
from .workers import Workers, checked_workers


class DataSourceWithMemoryCache(DataSource):
    """Keeps every sample of another source in memory once it was read.

    The first two epochs have the order of the other source; from the third on, this source shuffles. The
    other source is reset, too, whenever an epoch ends.

    If the data set is too large (option ``data_source_buffer_max_size`` in section ``DATA_ITERATOR`` of the
    configuration, 1 GiB by default; the first sample stands for all), nothing is kept and the other source is
    read as it is.

    Args:
        data_source: the other source.
        shuffle: whether a new epoch has a new order.
        rng: random generator for that; default one of its own, seeded with 313.
        num_workers: how many processes read the other source ahead in the first epoch; see `Workers`.

    Raises:
        TypeError: `data_source` is not a DataSource.
        ArgumentError: it has no samples.
    """

    def __init__(
        self,
        data_source: DataSource,
        shuffle: bool = False,
        rng: np.random.RandomState | None = None,
        *,
        num_workers: int | Workers = 0,
    ) -> None:
        logger.info("Using DataSourceWithMemoryCache")
        super().__init__(shuffle=shuffle, rng=rng)
        self._data_source = checked_source("DataSourceWithMemoryCache", data_source)
        self._variables = data_source.variables
        self._size = data_source.size
        if self._size < 1:
            raise ArgumentError(f"DataSourceWithMemoryCache: {type(data_source).__name__} has no samples")
        self._generation = 0
        self._buffer_max_size = int(nnabla_config.get("DATA_ITERATOR", "data_source_buffer_max_size"))
        self._data_size = sum(np.asarray(value).nbytes for value in data_source._get_data(0))
        self._on_memory = self._data_size * self._size < self._buffer_max_size
        self._table = _Table(self._size)
        self._orders = EpochOrders(self._size, self._new_order)
        self._order = self._orders[0]
        self._ahead: ReadAhead | None = None
        if self._on_memory:
            logger.info("On-memory")
            self._ahead = read_ahead(data_source, checked_workers(num_workers))

    def _new_order(self, generation: int) -> Sequence[int]:
        order: Sequence[int] = range(self._size)
        if generation > 1 and self._shuffle:
            order = self._rng.permutation(self._size)
        # Before everything is in the cache, a reset would change which sample stands at which position.
        if generation > 0 and self._table.count == self._size:
            self._data_source._position = self._size
            self._data_source.reset()
        return order

    def _get_data(self, position: int) -> Sample:
        if self._on_memory:
            return self._get_data_of_generation(position, self._generation)
        return self._data_source._get_data(position)

    def _get_data_of_generation(self, position: int, generation: int) -> Sample:
        if not self._on_memory:
            return self._data_source._get_data_of_generation(position, generation)
        index = int(self._orders[generation][position])
        if self._data_source._reads_concurrently:
            if not self._table.holds(index):
                sample = self._data_source._get_data(index)
                with self._lock:
                    self._table.put(index, sample)
        else:
            with self._lock:
                if not self._table.holds(index):
                    self._table.put(index, self._data_source._get_data(index))
        return self._table.sample(index)

    def _get_arrays(self, start: int, stop: int) -> tuple[np.ndarray, ...] | None:
        if self._on_memory:
            return self._get_arrays_of_generation(start, stop, self._generation)
        return self._data_source._get_arrays(start, stop)

    def _get_arrays_of_generation(self, start: int, stop: int, generation: int) -> tuple[np.ndarray, ...] | None:
        if not self._on_memory:
            return self._data_source._get_arrays_of_generation(start, stop, generation)
        rows = self._orders[generation][start:stop]
        with self._lock:
            if not self._table.holds_all(rows):
                if not isinstance(rows, range):
                    return None
                arrays = (self._ahead or self._data_source)._get_arrays(rows.start, rows.stop)
                if arrays is None or not self._table.put_all(rows.start, arrays):
                    return arrays
        return self._table.arrays(rows, len(self._variables or ()))

    @property
    def _reads_concurrently(self) -> bool:
        return self._data_source._reads_concurrently

    @property
    def _is_in_memory(self) -> bool:
        return self._on_memory

    @property
    def _is_filled(self) -> bool:
        return self._on_memory and self._table.count == self._size

    def _first_generation_for_slices(self) -> int | None:
        if not self._on_memory:
            return self._data_source._first_generation_for_slices()
        self._orders.allow_lag()
        return self._generation

    def _present_generation(self) -> int | None:
        return super()._present_generation() if self._on_memory else self._data_source._present_generation()

    def _makes_order_in_reset(self) -> bool:
        return self._on_memory or self._data_source._makes_order_in_reset()

    def reset(self) -> None:
        if not self._on_memory:
            self._data_source.reset()
        elif self._position > 0:
            self._generation += 1
            self._order = self._orders[self._generation]
        super().reset()

    def apply_order(self) -> None:
        if not self._on_memory:
            self._data_source.apply_order()

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead.stop()
        self._data_source.close()
        super().close()


class _Table:
    """Samples by number, in one array for each of their values as long as all have the same types and shapes.

    Args:
        size: number of samples.
    """

    def __init__(self, size: int) -> None:
        self.count = 0
        """How many samples it holds."""
        self._size = size
        self._held = np.zeros(size, bool)
        self._columns: list[np.ndarray] | None = None
        self._fits = True
        # As they were put, less their arrays. Samples that came as arrays are not among them.
        self._samples: dict[int, Sample] = {}

    def holds(self, index: int) -> bool:
        return bool(self._held[index])

    def holds_all(self, rows: Sequence[int]) -> bool:
        if self.count == self._size:
            return True
        held = self._held[rows.start : rows.stop] if isinstance(rows, range) else self._held[rows]
        return bool(held.all())

    def put(self, index: int, sample: Sample) -> None:
        """Hold a sample; its arrays are copied."""
        if self._held[index]:
            return
        values = [np.asarray(value) for value in sample] if self._fits else []
        if self._fits and self._prepared([(value.shape, value.dtype) for value in values]):
            assert self._columns is not None
            for column, value in zip(self._columns, values, strict=True):
                column[index] = value
            sample = tuple(
                column[index, ...] if isinstance(value, np.ndarray) else value
                for column, value in zip(self._columns, sample, strict=True)
            )
        self._samples[index] = sample
        self._hold(slice(index, index + 1))

    def put_all(self, start: int, arrays: Sequence[np.ndarray]) -> bool:
        """Hold samples that come together, the first of which has the number `start`; whether they fit."""
        if not self._prepared([(array.shape[1:], array.dtype) for array in arrays]):
            return False
        rows = slice(start, start + len(arrays[0]))
        assert self._columns is not None
        for column, array in zip(self._columns, arrays, strict=True):
            column[rows] = array
        self._hold(rows)
        return True

    def sample(self, index: int) -> Sample:
        """A sample that it holds."""
        sample = self._samples.get(index)
        if sample is None:
            assert self._columns is not None
            return tuple(column[index, ...] for column in self._columns)
        return sample

    def arrays(self, rows: Sequence[int], count: int) -> tuple[np.ndarray, ...] | None:
        """The first `count` values of some samples, copied; None if they do not fit into arrays."""
        if not self._fits or self._columns is None or len(self._columns) < count:
            return None
        if isinstance(rows, range):
            return tuple(column[rows.start : rows.stop].copy() for column in self._columns[:count])
        return tuple(column.take(rows, axis=0) for column in self._columns[:count])

    def _prepared(self, described: list[tuple[tuple[int, ...], np.dtype[Any]]]) -> bool:
        """Whether values of these shapes and types fit; those of the first sample say what does."""
        if self._columns is None and self._fits:
            self._columns = [np.empty((self._size, *shape), dtype.newbyteorder("=")) for shape, dtype in described]
        columns = self._columns or []
        self._fits = (
            self._fits
            and len(columns) == len(described)
            and all(
                column.shape[1:] == shape and column.dtype == dtype and not dtype.hasobject
                for column, (shape, dtype) in zip(columns, described, strict=True)
            )
        )
        return self._fits

    def _hold(self, rows: slice) -> None:
        self.count += int(np.count_nonzero(~self._held[rows]))
        self._held[rows] = True
