"""The table of a CSV data set: a header that names variables, and a row of cells for each sample.

The header's cells are ``name``, ``name:label``, or ``name__index`` for an element of a vector, in any order; the
columns of a vector are joined in the order in which they stand in the file. A column whose header begins with ``#`` is
a comment.
"""

from __future__ import annotations

import csv
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TextIO, Union

import numpy as np

from ..errors import FormatError
from .file_reader import FileReader

_ROWS_AT_A_TIME = 4096


class ColumnName(NamedTuple):
    """A cell of the header."""

    name: str
    element: str | None
    label: str | None


class _Variable(NamedTuple):
    """A variable, and in which columns it stands."""

    name: str
    columns: tuple[int, ...]
    is_vector: bool


_Chunk = Union[np.ndarray, "list[list[str]]"]
"""Some rows of a variable: an array of numbers of shape (rows, columns), or the cells, if one of them is no number."""


class CsvTable:
    """A table in memory. Numbers are kept as such, other cells as text.

    Lines without any cell are passed over. A row of another length than the header is an error when it is read.

    Args:
        filename: path or address.

    Raises:
        FormatError: the file is empty, not UTF-8, or not CSV, or its header is wrong.
    """

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.reader = FileReader(filename)
        # Line of the file at which each row ends.
        self._lines = array("q")
        self._wrong_lengths: dict[int, int] = {}
        with self.reader.open(textmode=True) as file:
            try:
                self._read(file)
            except UnicodeDecodeError as error:
                raise FormatError(f"{filename} is not in UTF-8: {error}") from error
            except csv.Error as error:
                line = self._lines[-1] + 1 if self._lines else 1
                raise FormatError(f"{filename}, line {line} or after: {error}") from error

    def _read(self, file: TextIO) -> None:
        rows = csv.reader(file)
        header = next(rows, None)
        if not header:
            raise FormatError(f"{self.filename} has no header in its first line")
        self.width = len(header)
        self.columns = [(at, _column_name(cell, self.filename)) for at, cell in enumerate(header) if cell[:1] != "#"]
        self._variables = _variables(self.columns, self.filename)
        self.variables = tuple(variable.name for variable in self._variables)
        self._chunks: list[list[_Chunk]] = [[] for _ in self._variables]
        for chunk in self._chunked(rows):
            for variable, chunks in zip(self._variables, self._chunks, strict=True):
                chunks.append(_numbers_or_cells(chunk, variable.columns))
        self.size = len(self._lines)
        self._numbers = self._joined()

    def _chunked(self, rows: Any) -> Iterator[list[list[str]]]:
        chunk: list[list[str]] = []
        for row in rows:
            if not row:
                continue
            if len(row) != self.width:
                self._wrong_lengths[len(self._lines)] = len(row)
                row = [*row[: self.width], *["nan"] * (self.width - len(row))]
            self._lines.append(rows.line_num)
            chunk.append(row)
            if len(chunk) == _ROWS_AT_A_TIME:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _joined(self) -> list[np.ndarray] | None:
        """All variables as arrays, if all cells are numbers."""
        if self._wrong_lengths or not all(isinstance(chunk, np.ndarray) for chunks in self._chunks for chunk in chunks):
            return None
        empty = [np.empty((0, len(variable.columns))) for variable in self._variables]
        joined = [np.concatenate([none, *chunks]) for none, chunks in zip(empty, self._chunks, strict=True)]
        # Each row is kept once.
        self._chunks = [[array] for array in joined]
        return joined

    @property
    def numbers(self) -> list[np.ndarray] | None:
        """An array of shape (rows, elements) for each variable; None if some cell is no number."""
        return self._numbers

    def cells(self, row: int) -> list[list[float] | list[str]]:
        """The cells of a row for each variable: numbers, if it is one of a group of rows that has only these, or text.

        Raises:
            FormatError: the row has not as many cells as the header.
        """
        if row in self._wrong_lengths:
            raise FormatError(
                f"CsvDataSource: {self.where(row)}: there are {self._wrong_lengths[row]} cells, and {self.width} in "
                "the header"
            )
        found: list[list[float] | list[str]] = []
        for chunks in self._chunks:
            rows = chunks[0] if self._numbers is not None else chunks[row // _ROWS_AT_A_TIME]
            cells = rows[row if self._numbers is not None else row % _ROWS_AT_A_TIME]
            found.append(cells.tolist() if isinstance(cells, np.ndarray) else cells)
        return found

    def is_vector(self, variable: int) -> bool:
        """Whether the variable of that number has elements, and not just one column without an index."""
        return self._variables[variable].is_vector

    def where(self, row: int, variable: int | None = None, element: int = 0) -> str:
        """How messages call a row, or a cell of it: with the line of the file."""
        text = f"{self.filename}, row {row + 1} (line {self._lines[row]})"
        if variable is None:
            return text
        column = dict(self.columns)[self._variables[variable].columns[element]]
        name = column.name if column.element is None else f"{column.name}__{column.element}"
        return f"{text}, column {name!r}"


def _column_name(cell: str, filename: str) -> ColumnName:
    if not cell:
        raise FormatError(f"{filename}: a cell of the header is empty; each must name a variable")
    name, colon, label = cell.partition(":")
    name, underscores, index = name.partition("__")
    return ColumnName(name, index if underscores else None, label if colon else None)


def _variables(columns: Sequence[tuple[int, ColumnName]], filename: str) -> list[_Variable]:
    found: OrderedDict[str, _Variable] = OrderedDict()
    for at, column in columns:
        before = found.get(column.name)
        if column.element is None:
            # Of two columns of one name the last counts.
            found[column.name] = _Variable(column.name, (at,), False)
        elif before is None:
            found[column.name] = _Variable(column.name, (at,), True)
        elif before.is_vector:
            found[column.name] = before._replace(columns=(*before.columns, at))
        else:
            raise FormatError(
                f"{filename}: column {column.name}__{column.element} stands behind a column {column.name}"
            )
    return list(found.values())


def _numbers_or_cells(rows: list[list[str]], columns: tuple[int, ...]) -> _Chunk:
    try:
        flat = [float(row[column]) for row in rows for column in columns]
    except ValueError:
        return [[row[column] for column in columns] for row in rows]
    return np.array(flat, np.float64).reshape(len(rows), len(columns))
