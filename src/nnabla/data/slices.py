"""A part of a data source, as one process of several reads it."""

from __future__ import annotations

import numpy as np

from ..errors import ArgumentError
from ..logger import logger
from .sources import DataSource, Sample, checked_source


class SlicedDataSource(DataSource):
    """The samples at positions `slice_start` to `slice_end` - 1 of every epoch of another source.

    Slices that together cover the other source see every sample once in an epoch; which slice sees which
    sample changes from epoch to epoch if the other source shuffles. The other source is not closed with its
    slices.

    Args:
        data_source: the other source.
        shuffle: what `shuffle` says; the order is that of the other source.
        rng: not used; accepted for compatibility.
        slice_start: first position; default 0.
        slice_end: position after the last; default the size of the other source.
        from_present_epoch: begin with the order that the other source has now, and not with that of its next epoch.

    Raises:
        TypeError: `data_source` is not a DataSource.
        ArgumentError: the slice is empty or not within the other source.
    """

    def __init__(
        self,
        data_source: DataSource,
        shuffle: bool = False,
        rng: np.random.RandomState | None = None,
        slice_start: int | None = None,
        slice_end: int | None = None,
        *,
        from_present_epoch: bool = False,
    ) -> None:
        logger.info("Using SlicedDataSource")
        super().__init__(shuffle=shuffle, rng=rng)
        self._data_source = checked_source("SlicedDataSource", data_source)
        self._slice_start = 0 if slice_start is None else slice_start
        self._slice_end = data_source.size if slice_end is None else slice_end
        if not 0 <= self._slice_start < self._slice_end <= data_source.size:
            raise ArgumentError(
                f"SlicedDataSource: need 0 <= slice_start < slice_end <= {data_source.size}, the size of the "
                f"data source; got {self._slice_start} and {self._slice_end}"
            )
        self._variables = data_source.variables
        self._size = self._slice_end - self._slice_start
        self._generation = 0
        # None: the other source does not know generations.
        self._first_generation = data_source._first_generation_for_slices()
        if from_present_epoch:
            self._first_generation = data_source._present_generation()

    def _get_data(self, position: int) -> Sample:
        if self._first_generation is not None:
            return self._get_data_of_generation(position, self._generation)
        with self._data_source._lock:
            return self._data_source._get_data(self._position_in_source(position))

    def _get_data_of_generation(self, position: int, generation: int) -> Sample:
        assert self._first_generation is not None
        return self._data_source._get_data_of_generation(
            self._position_in_source(position), self._first_generation + generation
        )

    def _get_arrays(self, start: int, stop: int) -> tuple[np.ndarray, ...] | None:
        if self._first_generation is not None:
            return self._get_arrays_of_generation(start, stop, self._generation)
        with self._data_source._lock:
            return self._data_source._get_arrays(self._slice_start + start, self._slice_start + stop)

    def _get_arrays_of_generation(self, start: int, stop: int, generation: int) -> tuple[np.ndarray, ...] | None:
        assert self._first_generation is not None
        return self._data_source._get_arrays_of_generation(
            self._slice_start + start, self._slice_start + stop, self._first_generation + generation
        )

    @property
    def _reads_concurrently(self) -> bool:
        return self._first_generation is not None and self._data_source._reads_concurrently

    @property
    def _is_in_memory(self) -> bool:
        return self._data_source._is_in_memory

    @property
    def _is_filled(self) -> bool:
        return self._data_source._is_filled

    def _position_in_source(self, position: int) -> int:
        if not 0 <= position < self._size:
            raise IndexError(f"SlicedDataSource: there is no sample {position} in a slice of {self._size}")
        return self._slice_start + position

    def _first_generation_for_slices(self) -> int | None:
        return None if self._first_generation is None else self._generation

    def _makes_order_in_reset(self) -> bool:
        return self._data_source._makes_order_in_reset()

    def reset(self) -> None:
        if self._first_generation is None:
            with self._data_source._lock:
                self._data_source.reset()
        elif self._position > 0 and self._makes_order_in_reset():
            self._generation += 1
        super().reset()

    def apply_order(self) -> None:
        if self._first_generation is not None and not self._makes_order_in_reset():
            self._generation += 1
