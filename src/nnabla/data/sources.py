"""Data sources: where the samples of a data set come from, and in which order.

A data source of one's own derives from `DataSource`, sets ``_size`` and ``_variables`` and defines
``_get_data``:

    >>> class Squares(DataSource):
    ...     def __init__(self, shuffle=False, rng=None):
    ...         super().__init__(shuffle=shuffle, rng=rng)
    ...         self._size = 5
    ...         self._variables = ("x", "y")
    ...         self.reset()
    ...
    ...     def reset(self):
    ...         order = self._rng.permutation(self._size) if self._shuffle else range(self._size)
    ...         self._indexes = list(order)
    ...         super().reset()
    ...
    ...     def _get_data(self, position):
    ...         x = self._indexes[position]
    ...         return x, x * x
    >>> squares = Squares()
    >>> squares.next(), squares.next()
    ((0, 0), (1, 1))

How an epoch ends
-----------------
A `DataIterator` that has read the last sample calls ``reset()``, reads what its batch still lacks from the
beginning, and then calls ``apply_order()``. A source that makes a new order in ``reset()``, as above,
completes the batch in the new order; one that makes it in ``apply_order()``, as `SimpleDataSource` does, in
the old one. Both are kept from NNabla 1.x, because the same seed shall give the same batches.

Orders by generation
--------------------
Several slices may read one source, each at its own pace, and only together see every sample once in an epoch.
That needs the orders of several epochs at the same time. Sources of this package number their epochs by
*generation* and can be read in the order of any recent one. For any other source, a slice that ends an epoch
calls ``reset()``, and so changes the order under all other slices: give slices of such a source a memory
cache.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from ..config import nnabla_config
from ..errors import ArgumentError
from ..logger import logger

Sample = Sequence[Any]

# Bytes of orders that a source keeps for slices that lag behind, and the least number of orders.
_ORDER_BYTES = 64 * 2**20
_ORDERS_AT_LEAST = 15

_open_sources: weakref.WeakSet[DataSource] = weakref.WeakSet()


class DataSource:
    """Samples that are read one after the other, epoch by epoch.

    Args:
        shuffle: whether a new epoch has a new order.
        rng: random generator for that; default one of its own, seeded with 313.
    """

    def __init__(self, shuffle: bool = False, rng: np.random.RandomState | None = None) -> None:
        logger.info("DataSource with shuffle(%s)", shuffle)
        self._rng: Any = np.random.RandomState(313) if rng is None else rng
        self._variables: Sequence[str] | None = None
        self._generation = -1
        self._shuffle = shuffle
        self._position = 0
        self._size = 0
        self._closed = False
        self._order: Sequence[int] | None = None
        self._original_order: Sequence[int] | None = None
        self._original_source_uri: str | None = None
        # Held while something that several slices share is read or changed.
        self._lock = threading.RLock()
        _open_sources.add(self)

    def _get_data(self, position: int) -> Sample:
        """The sample at a position of this epoch's order, as a tuple with a value for each of `variables`."""
        raise NotImplementedError(f"{type(self).__name__} does not define _get_data(position)")

    def _first_generation_for_slices(self) -> int | None:
        """The generation that slices read first; None if the source does not know generations."""
        return None

    def _get_data_of_generation(self, position: int, generation: int) -> Sample:
        """The sample at a position of the order of a generation; for sources that know generations."""
        raise NotImplementedError(f"{type(self).__name__} does not define _get_data_of_generation(...)")

    def _makes_order_in_reset(self) -> bool:
        """Whether a new epoch has its order from `reset` on, and not only from `apply_order` on."""
        return True

    @property
    def variables(self) -> Sequence[str] | None:
        """Names of the values of a sample."""
        return self._variables

    @property
    def size(self) -> int:
        """Number of samples."""
        return self._size

    @property
    def position(self) -> int:
        """Number of samples that were read since the last `reset`."""
        return self._position

    @property
    def order(self) -> Sequence[int] | None:
        """The order of samples in this epoch, or None if the source does not tell."""
        return self._order

    @property
    def shuffle(self) -> bool:
        """Whether a new epoch has a new order."""
        return self._shuffle

    @shuffle.setter
    def shuffle(self, value: bool) -> None:
        self._shuffle = value

    def next(self) -> Sample:
        """The next sample of this epoch."""
        data = self._get_data(self._position)
        self._position += 1
        return data

    def __next__(self) -> Sample:
        return self.next()

    def reset(self) -> None:
        """Go back to the first sample."""
        self._position = 0

    def apply_order(self) -> None:
        """Go over to a new order, at the end of a batch in which an epoch ended."""

    def close(self) -> None:
        """Release what the source holds. It is called when Python exits, if not before."""
        self._closed = True

    def __enter__(self) -> DataSource:
        return self

    def __exit__(
        self, type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


@atexit.register
def _close_open_sources() -> None:
    for source in list(_open_sources):
        # A source may not have got to the end of its constructor.
        if not getattr(source, "_closed", True):
            source.close()


class EpochOrders:
    """The order of samples in each epoch, made when the epoch is first asked for.

    Only the latest is kept, unless readers may lag behind.

    Args:
        size: number of samples.
        draw: called once for each generation 0, 1, 2, ..., one after the other; returns the order.
    """

    def __init__(self, size: int, draw: Callable[[int], Sequence[int]]) -> None:
        self._draw = draw
        self._size = size
        self._kept: dict[int, Sequence[int]] = {}
        self._capacity = 1
        self._drawn = 0
        self._lock = threading.Lock()

    def allow_lag(self) -> None:
        """From now on keep some orders for readers that lag behind."""
        self._capacity = max(_ORDERS_AT_LEAST, _ORDER_BYTES // (8 * self._size))

    def __getitem__(self, generation: int) -> Sequence[int]:
        order = self._kept.get(generation)
        return self._drawn_until(generation) if order is None else order

    def _drawn_until(self, generation: int) -> Sequence[int]:
        with self._lock:
            while self._drawn <= generation:
                self._kept[self._drawn] = self._draw(self._drawn)
                self._drawn += 1
                if len(self._kept) > self._capacity:
                    del self._kept[min(self._kept)]
            if generation not in self._kept:
                raise RuntimeError(
                    f"data source: a slice is at epoch {generation}, another at {self._drawn - 1}, and only "
                    f"the orders of the last {self._capacity} epochs are kept; read them at the same pace"
                )
            return self._kept[generation]


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

    Raises:
        TypeError: `data_source` is not a DataSource.
        ArgumentError: it has no samples.
    """

    def __init__(
        self, data_source: DataSource, shuffle: bool = False, rng: np.random.RandomState | None = None
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
        self._cache: dict[int, Sample] = {}
        self._orders = EpochOrders(self._size, self._new_order)
        self._order = self._orders[0]
        if self._on_memory:
            logger.info("On-memory")

    def _new_order(self, generation: int) -> Sequence[int]:
        order: Sequence[int] = range(self._size)
        if generation > 1 and self._shuffle:
            order = self._rng.permutation(self._size)
        # Before everything is in the cache, a reset would change which sample stands at which position.
        if generation > 0 and len(self._cache) == self._size:
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
        with self._lock:
            if index not in self._cache:
                self._cache[index] = self._data_source._get_data(index)
            return self._cache[index]

    def _first_generation_for_slices(self) -> int | None:
        if not self._on_memory:
            return self._data_source._first_generation_for_slices()
        self._orders.allow_lag()
        return self._generation

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
        self._data_source.close()
        super().close()


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


def checked_source(caller: str, data_source: Any) -> DataSource:
    """`data_source` if it is one, else a TypeError in the name of the caller."""
    if not isinstance(data_source, DataSource):
        raise TypeError(f"{caller}: data_source must be a DataSource, not {data_source!r}")
    return data_source
