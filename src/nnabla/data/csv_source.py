"""Samples from CSV files whose cells are numbers or name files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import FormatError
from .csv_table import CsvTable
from .file_reader import get_file_extension, inside
from .loaders import load
from .sources import DataSource, EpochOrders, Sample


class CsvDataSource(DataSource):
    """The rows of a CSV file.

    The header names the variables (see `nnabla.data.csv_table`). A cell is a number (anything that Python's ``float``
    takes) or the name of a file relative to the CSV file: an image (an array of shape (channels, height, width)), an
    ``.npy`` file, a ``.wav`` file ((samples, channels)), or a CSV file of numbers. A variable of one number has shape
    (1,), one of several columns a first axis with an element for each.

    An error in a cell is raised by whatever asks for the sample, and names file, row, line and column.

    Args:
        filename: path, or an address ``http(s)://`` or ``s3://``.
        shuffle: whether each epoch has an order of its own.
        rng: random generator for that; default one of its own, seeded with 313.
        normalize: divide images by their largest possible value, into [0, 1]; see `load_image`.
        allow_outside: let cells name files outside of the folder of the CSV file; default: option
            ``allow_files_outside`` in section ``DATA_ITERATOR`` of the configuration, False.

    Raises:
        FormatError: the file is no CSV file in UTF-8, or its header is wrong.
        FileNotFoundError: there is no such file.
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        shuffle: bool = False,
        rng: np.random.RandomState | None = None,
        normalize: bool = False,
        *,
        allow_outside: bool | None = None,
    ) -> None:
        super().__init__(shuffle=shuffle, rng=rng)
        self._filename = os.fspath(filename)
        self._normalize = normalize
        self._allow_outside = allow_outside
        self._table = CsvTable(self._filename)
        self._folder = self._table.reader.folder
        self._original_source_uri = self._filename
        self._variables = self._table.variables
        self._size = self._table.size
        self._original_order = range(self._size)
        self._generation = -1
        self._orders = EpochOrders(self._size, self._new_order)
        self.reset()

    def _new_order(self, generation: int) -> Sequence[int]:
        return self._rng.permutation(self._size) if self._shuffle else range(self._size)

    def _get_data(self, position: int) -> Sample:
        return self._get_data_of_generation(position, self._generation)

    def _get_data_of_generation(self, position: int, generation: int) -> Sample:
        row = int(self._orders[generation][position])
        sample: list[Any] = []
        for variable, cells in enumerate(self._table.cells(row)):
            values = [
                self._value(cell, row, variable, element) if isinstance(cell, str) else cell
                for element, cell in enumerate(cells)
            ]
            alone = len(values) == 1 and not self._table.is_vector(variable) and isinstance(values[0], np.ndarray)
            sample.append(values[0] if alone else values)
        return tuple(sample)

    def _value(self, cell: str, row: int, variable: int, element: int) -> float | np.ndarray:
        """A number, or what the file holds that a cell names."""
        try:
            return float(cell)
        except ValueError:
            pass
        try:
            if not cell.strip():
                raise FormatError("the cell is empty")
            path = inside(self._folder, cell, "CsvDataSource", self._allow_outside)
            loader = load(get_file_extension(cell))
            with self._table.reader.opened(path) as file:
                return loader(file, normalize=self._normalize)
        except Exception as error:
            where = self._table.where(row, variable, element)
            raise FormatError(f"CsvDataSource: {where}: {_shortened(cell)}: {error}") from error

    def _get_arrays(self, start: int, stop: int) -> tuple[np.ndarray, ...] | None:
        return self._get_arrays_of_generation(start, stop, self._generation)

    def _get_arrays_at(self, positions: np.ndarray) -> tuple[np.ndarray, ...] | None:
        numbers = self._table.numbers
        if numbers is None:
            return None
        order = self._orders[self._generation]
        rows = positions if isinstance(order, range) else np.asarray(order)[positions]
        return tuple(array.take(rows, axis=0) for array in numbers)

    def _get_arrays_of_generation(self, start: int, stop: int, generation: int) -> tuple[np.ndarray, ...] | None:
        numbers = self._table.numbers
        if numbers is None:
            return None
        rows = self._orders[generation][start:stop]
        if isinstance(rows, range):
            return tuple(array[rows.start : rows.stop].copy() for array in numbers)
        return tuple(array.take(rows, axis=0) for array in numbers)

    @property
    def _reads_concurrently(self) -> bool:
        return self._table.numbers is None

    @property
    def _is_in_memory(self) -> bool:
        return self._table.numbers is not None

    def _first_generation_for_slices(self) -> int:
        self._orders.allow_lag()
        # NNabla 1.x resets the source when it is sliced; the order is the one that this would draw.
        return self._generation + 1

    def reset(self) -> None:
        self._generation += 1
        self._order = self._orders[self._generation]
        super().reset()


def _shortened(cell: str) -> str:
    return repr(cell if len(cell) <= 80 else cell[:77] + "...")
