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
import weakref
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from ..logger import logger
from .locks import Lock

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
        # Set where a program lets threads read.
        self._is_thread_safe = False
        # Held while something that several slices share is read or changed.
        self._lock = Lock()
        _open_sources.add(self)

    def _get_data(self, position: int) -> Sample:
        """The sample at a position of this epoch's order, as a tuple with a value for each of `variables`."""
        raise NotImplementedError(f"{type(self).__name__} does not define _get_data(position)")

    def _get_arrays_at(self, positions: np.ndarray) -> tuple[np.ndarray, ...] | None:
        """The same, of any positions in this epoch's order."""
        return None

    def _get_samples(self, start: int, stop: int) -> Iterator[Sample]:
        """The samples at positions `start` to `stop` - 1, each read when it is asked for."""
        return map(self._get_data, range(start, stop))

    def _first_generation_for_slices(self) -> int | None:
        """The generation that slices read first; None if the source does not know generations."""
        return None

    def _present_generation(self) -> int | None:
        """The generation whose order the source has now; None if it does not know generations."""
        return None if self._first_generation_for_slices() is None else self._generation

    def _get_data_of_generation(self, position: int, generation: int) -> Sample:
        """The sample at a position of the order of a generation; for sources that know generations."""
        raise NotImplementedError(f"{type(self).__name__} does not define _get_data_of_generation(...)")

    def _get_arrays(self, start: int, stop: int) -> tuple[np.ndarray, ...] | None:
        """The samples at positions `start` to `stop` - 1 together: an array of the caller's for each of `variables`.

        None where a source has no faster way than `_get_data` for each.
        """
        return None

    def _get_arrays_of_generation(self, start: int, stop: int, generation: int) -> tuple[np.ndarray, ...] | None:
        """The same, in the order of a generation; for sources that know generations."""
        return None

    @property
    def _reads_concurrently(self) -> bool:
        """Whether several threads may read samples at a time, and gain by it."""
        return self._is_thread_safe

    @property
    def _is_in_memory(self) -> bool:
        """Whether samples lie in memory, so that it gains nothing if other processes read them."""
        return False

    @property
    def _is_filled(self) -> bool:
        """Whether all of them lie there already."""
        return self._is_in_memory

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
        self._lock = Lock()

    def allow_lag(self) -> None:
        """From now on keep some orders for readers that lag behind."""
        self._capacity = max(_ORDERS_AT_LEAST, _ORDER_BYTES // (8 * max(1, self._size)))

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


def checked_source(caller: str, data_source: Any) -> DataSource:
    """`data_source` if it is one, else a TypeError in the name of the caller."""
    if not isinstance(data_source, DataSource):
        raise TypeError(f"{caller}: data_source must be a DataSource, not {data_source!r}")
    return data_source
