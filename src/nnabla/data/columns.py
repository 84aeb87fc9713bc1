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
        self._shape: tuple[int, ...] = ()
        # Values that do not fit into the array, by row.
        self._others: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()

    def put(self, row: int, value: Any) -> None:
        """The value of a row; may be called by several threads."""
        value = np.asarray(value)
        array = self._array
        if array is None:
            array = self._made(value)
        if value.dtype == array.dtype and value.shape == self._shape:
            array[row] = value
        else:
            self._others[row] = value

    def _made(self, value: np.ndarray) -> np.ndarray:
        with self._lock:
            if self._array is None:
                self._shape = value.shape
                self._array = np.empty((self._size, *value.shape), value.dtype.newbyteorder("="))
            return self._array

    def array(self, name: str, count: int) -> np.ndarray:
        """The values of the first `count` rows, once all of these have been put.

        Raises:
            ArgumentError: they differ in shape; the message names the variable.
        """
        assert self._array is not None
        if not self._others:
            return self._array[:count]
        values = [self._others.get(row, self._array[row, ...]) for row in range(count)]
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
