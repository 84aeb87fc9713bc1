"""Data sets as ``nnabla_cli forward`` shows them: the cells of each sample, as they stand in the table."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from typing import Any

from ..data.cache_files import ORDER, ORIGINAL
from ..data.file_reader import FileReader, get_file_extension
from ..data.iterators import DataIterator
from ..data.making_iterators import data_iterator_cache, data_iterator_csv_dataset
from ..errors import FormatError


def compute_full_path(root_path: str, file_path: str) -> str:
    """Where a file is that a data set names.

    Example:
        >>> compute_full_path("/data", "./images/0.png"), compute_full_path("/data", "/other/0.png")
        ('/data/images/0.png', '/other/0.png')
    """
    if file_path[:2] in ("./", ".\\"):
        file_path = file_path[2:]
    return os.path.join(root_path, file_path)


def is_float(x: Any) -> bool:
    """Whether ``float`` takes it."""
    try:
        float(x)
    except ValueError:
        return False
    return True


class DataRows:
    """A data set: its batches, and the cells of its samples in the same order.

    Args:
        uri: a CSV file, or the folder of a cache.
        batch_size: samples in a batch.
        normalize: divide images by their largest possible value.
        replace_path: show absolute paths of files.

    Attributes:
        iterator: goes through the batches, the last of which begins again with the first samples.
        header: cells of the header; of a cache without its original, none.
    """

    def __init__(self, uri: str, batch_size: int, normalize: bool, replace_path: bool) -> None:
        self.is_table = get_file_extension(uri) == ".csv"
        self._replace_path = replace_path
        if self.is_table:
            self._table = uri
            self.iterator: DataIterator = data_iterator_csv_dataset(
                uri, batch_size, False, normalize=normalize, with_memory_cache=False, with_file_cache=False
            )
        else:
            self._table = os.path.join(uri, ORIGINAL)
            self.iterator = data_iterator_cache(uri, batch_size, False, normalize=normalize, with_memory_cache=False)
        self._order = None if self.is_table else _order(os.path.join(uri, ORDER), self.iterator.size)
        self._has_cells = self.is_table or (self._order is not None and os.path.exists(self._table))
        self.header: list[str] = next(self._read()) if self._has_cells else []

    def rows(self) -> Iterator[list[str]]:
        """The cells of each sample."""
        if not self._has_cells:
            yield from ([] for _ in range(self.iterator.size))
            return
        rows = self._read()
        next(rows)
        if self._order is None:
            for row in rows:
                yield self._shown(row)
            return
        everything = list(rows)
        if len(everything) < self.iterator.size:
            raise FormatError(f"forward: {self._table!r} has {len(everything)} rows, the cache {self.iterator.size}")
        for original in self._order:
            yield self._shown(everything[original])

    def _read(self) -> Iterator[list[str]]:
        with FileReader(self._table).open(textmode=True) as file:
            # Lines without any cell are no samples.
            yield from (row for row in csv.reader(file) if row)

    def _shown(self, row: list[str]) -> list[str]:
        """The row with the names of its files relative to the folder of the table, or absolute."""
        shown = []
        for name, cell in zip(self.header, row, strict=True):
            if name[:1] != "#" and not is_float(cell):
                if self._replace_path:
                    cell = compute_full_path(os.path.abspath(os.path.dirname(self._table)), cell)
                elif cell[:2] != "./" and not os.path.isabs(cell):
                    cell = f"./{cell}"
            shown.append(cell)
        return shown


def _order(path: str, size: int) -> list[int] | None:
    """Of each sample of a cache its row in the original; ``None`` where the cache does not say."""
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    try:
        order = [int(original) for _, original in rows]
    except ValueError:
        order = []
    if len(order) != size or sorted(order) != list(range(size)):
        raise FormatError(f"forward: {path!r} is no order of {size} samples")
    return order
