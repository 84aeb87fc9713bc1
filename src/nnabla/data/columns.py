"""Samples put together: one array for each variable, a row for each sample."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError


class Column:
    """The values of one variable, which arrive one by one and in any order, as one array.

    The array has the type and shape that ``np.array`` would give a list of the values. As long as all have the same,
    each is copied to its place at once.

    Args:
        size: number of values.
        whole: what the values are put together to, for messages.
    """

    def __init__(self, size: int, whole: str = "DataIterator: samples of a batch") -> None:
        self._size = size
        self._whole = whole
        self._array: np.ndarray | None = None
        # Values that do not fit into the array; those that do are taken out of it then.
        self._values: dict[int, np.ndarray] | None = None
        self._placed: list[int] = []
        self._lock = threading.Lock()

    def put(self, row: int, value: Any) -> None:
        """The value of a row; may be called by several threads."""
        value = np.asarray(value)
        with self._lock:
            if self._values is None:
                if self._array is None:
                    self._array = np.empty((self._size, *value.shape), value.dtype.newbyteorder("="))
                if value.shape == self._array.shape[1:] and value.dtype == self._array.dtype:
                    self._placed.append(row)
                    array = self._array
                else:
                    self._values = {at: self._array[at, ...] for at in self._placed}
                    self._values[row] = value
                    return
            else:
                self._values[row] = value
                return
        # Rows do not overlap: no lock while memory is copied.
        array[row] = value

    def array(self, name: str, count: int) -> np.ndarray:
        """The values of the first `count` rows, once all of these have been put.

        Raises:
            ArgumentError: they differ in shape; the message names the variable.
        """
        if self._values is None:
            assert self._array is not None
            return self._array[:count]
        values = [self._values[row] for row in range(count)]
        _check_shapes(self._whole, name, {value.shape for value in values})
        return np.array(values)


def _check_shapes(whole: str, name: str, shapes: set[tuple[int, ...]]) -> None:
    if len(shapes) > 1:
        raise ArgumentError(
            f"{whole} must have the same shape; variable {name!r} has "
            f"{' and '.join(str(shape) for shape in sorted(shapes))}"
        )


def put(
    columns: Sequence[Column], row: int, sample: Sequence[Any], variables: Sequence[str], caller: str = "DataIterator"
) -> None:
    """A sample as a row of the columns; values beyond those that have a name are left out.

    Raises:
        ArgumentError: it has fewer values than there are variables.
    """
    if len(sample) < len(columns):
        raise ArgumentError(
            f"{caller}: a sample must have a value for each of {', '.join(variables)}; one has only {len(sample)}"
        )
    for column, value in zip(columns, sample, strict=False):
        column.put(row, value)


def joined(pieces: Sequence[tuple[np.ndarray, ...]], variables: Sequence[str]) -> tuple[np.ndarray, ...]:
    """Pieces of a batch as one: arrays joined along their first axis."""
    if len(pieces) == 1:
        return pieces[0]
    arrays = []
    for name, parts in zip(variables, zip(*pieces, strict=True), strict=True):
        _check_shapes("DataIterator: samples of a batch", name, {part.shape[1:] for part in parts})
        arrays.append(np.concatenate(parts))
    return tuple(arrays)
