"""Data sources over a function and over other data sources.

Example:
    >>> source = SimpleDataSource(lambda i: (i, i * i), num_examples=4)
    >>> [source.next() for _ in range(source.size)]
    [(0, 0), (1, 1), (2, 4), (3, 9)]
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import numpy as np

from ..errors import ArgumentError
from .sources import DataSource, EpochOrders, Sample, checked_source


class SimpleDataSource(DataSource):
    """Samples that a function returns by number.

    Args:
        load_func: called as ``load_func(i)`` with ``0 <= i < num_examples``; returns the values of sample
            ``i``, as a tuple (or list, or array along its first axis) of arrays or scalars. It is called once
            more, with 0, by the constructor, to count the values. They are named ``x0``, ``x1``, ...
        num_examples: number of samples.
        shuffle: whether each epoch has an order of its own.
        rng: random generator for that; default one of its own, seeded with 313.

    Raises:
        TypeError: `load_func` cannot be called, or does not return a tuple; `num_examples` is not an integer.
        ArgumentError: `num_examples` is not positive.
    """

    def __init__(
        self,
        load_func: Callable[[int], Sample],
        num_examples: int,
        shuffle: bool = False,
        rng: np.random.RandomState | None = None,
    ) -> None:
        super().__init__(shuffle=shuffle, rng=rng)
        if not callable(load_func):
            raise TypeError(f"SimpleDataSource: load_func must be a function, not {load_func!r}")
        self._load_func = load_func
        self._size = operator.index(num_examples)
        if self._size < 1:
            raise ArgumentError(f"SimpleDataSource: num_examples must be at least 1, not {num_examples}")
        sample = load_func(0)
        if not isinstance(sample, (tuple, list, np.ndarray)):
            raise TypeError(f"SimpleDataSource: load_func must return a tuple of arrays, not {sample!r}")
        self._variables = [f"x{i}" for i in range(len(sample))]
        self._generation = 0
        self._orders = EpochOrders(self._size, self._new_order)
        # Drawn now, because the generator may be shared.
        self._orders[0]

    def _new_order(self, generation: int) -> Sequence[int]:
        return self._rng.permutation(self._size) if self._shuffle else range(self._size)

    def _get_data(self, position: int) -> Sample:
        return self._get_data_of_generation(position, self._generation)

    def _get_samples(self, start: int, stop: int) -> Iterator[Sample]:
        if type(self)._get_data is not SimpleDataSource._get_data:
            yield from super()._get_samples(start, stop)
            return
        load, lock = self._load_func, self._lock
        for index in map(int, self._orders[self._generation][start:stop]):
            with lock:
                sample = load(index)
            yield sample

    def _get_data_of_generation(self, position: int, generation: int) -> Sample:
        index = int(self._orders[generation][position])
        if self._reads_concurrently:
            return self._load_func(index)
        with self._lock:
            return self._load_func(index)

    def _first_generation_for_slices(self) -> int:
        self._orders.allow_lag()
        return self._generation

    def _makes_order_in_reset(self) -> bool:
        return False

    def apply_order(self) -> None:
        self._generation += 1
        self._orders[self._generation]


class ConcatDataSource(DataSource):
    """The samples of several sources, one after the other or shuffled together.

    The sources are never reset: each keeps the order that it has.

    Args:
        data_source_list: the sources. Each must have as many variables as the first, whose names are taken.
        shuffle: whether each epoch has an order of its own.
        rng: random generator for that; default one of its own, seeded with 313.

    Raises:
        TypeError: something in the list is not a DataSource.
        ArgumentError: the list is empty, or the sources differ in their number of variables.
    """

    def __init__(
        self,
        data_source_list: Sequence[DataSource],
        shuffle: bool = True,
        rng: np.random.RandomState | None = None,
    ) -> None:
        super().__init__(shuffle=shuffle, rng=rng)
        self._data_sources = [checked_source("ConcatDataSource", source) for source in data_source_list]
        if not self._data_sources:
            raise ArgumentError("ConcatDataSource: data_source_list must hold one data source at least")
        self._variables = self._data_sources[0].variables
        if len({len(source.variables or ()) for source in self._data_sources}) > 1:
            names = " and ".join(str(source.variables) for source in self._data_sources)
            raise ArgumentError(f"ConcatDataSource: the sources differ in their variables: {names}")
        # Where each source ends.
        self._sw_points = list(accumulate(source.size for source in self._data_sources))
        self._size = self._sw_points[-1]
        self._orders = EpochOrders(self._size, self._new_order)
        self.reset()

    def _new_order(self, generation: int) -> Sequence[int]:
        return self._rng.permutation(self._size) if self._shuffle else range(self._size)

    def _get_data(self, position: int) -> Sample:
        return self._get_data_of_generation(position, self._generation)

    def _get_data_of_generation(self, position: int, generation: int) -> Sample:
        index = int(self._orders[generation][position])
        which = bisect_right(self._sw_points, index)
        start = self._sw_points[which - 1] if which > 0 else 0
        if self._reads_concurrently:
            return self._data_sources[which]._get_data(index - start)
        with self._lock:
            return self._data_sources[which]._get_data(index - start)

    def _get_arrays(self, start: int, stop: int) -> tuple[np.ndarray, ...] | None:
        return self._get_arrays_of_generation(start, stop, self._generation)

    def _get_arrays_of_generation(self, start: int, stop: int, generation: int) -> tuple[np.ndarray, ...] | None:
        if not self._is_in_memory:
            return None
        indices = np.asarray(self._orders[generation][start:stop])
        which = np.searchsorted(self._sw_points, indices, side="right")
        joined: list[np.ndarray] = []
        with self._lock:
            for number in np.unique(which).tolist():
                chosen = which == number
                first = self._sw_points[number - 1] if number else 0
                arrays = self._data_sources[number]._get_arrays_at(indices[chosen] - first)
                if arrays is None:
                    return None
                joined = joined or [np.empty((len(indices), *array.shape[1:]), array.dtype) for array in arrays]
                for whole, part in zip(joined, arrays, strict=True):
                    if part.shape[1:] != whole.shape[1:] or part.dtype != whole.dtype:
                        return None
                    whole[chosen] = part
        return tuple(joined)

    @property
    def _reads_concurrently(self) -> bool:
        return self._is_thread_safe or all(source._reads_concurrently for source in self._data_sources)

    @property
    def _is_in_memory(self) -> bool:
        return all(source._is_in_memory for source in self._data_sources)

    @property
    def _is_filled(self) -> bool:
        return all(source._is_filled for source in self._data_sources)

    def _first_generation_for_slices(self) -> int:
        self._orders.allow_lag()
        # NNabla 1.x resets the source when it is sliced; the order is the one that this would draw.
        return self._generation + 1

    def reset(self) -> None:
        self._generation += 1
        self._orders[self._generation]
        super().reset()

    def close(self) -> None:
        for source in self._data_sources:
            source.close()
        super().close()
