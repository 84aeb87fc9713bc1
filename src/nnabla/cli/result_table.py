"""The table that ``nnabla_cli forward`` writes: a row for each sample, with what its outputs are.

Outputs become cells by the shape that they have for a sample: one number a cell; (channels, height, width) with 1 or 3
channels an image, with another number of channels a grey image for each; (height, width) a CSV file; anything else a
cell for each element.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.images import imsave
from ..errors import ShapeError
from ..files.atomic import replacing

SAMPLES_IN_A_FOLDER = 1000
LARGEST_WITHOUT_EXPONENT = 1e16


@dataclass
class OutputColumns:
    """The columns of one output.

    Attributes:
        names: of the columns.
        cells: makes them, of the number of a sample and its values.
    """

    names: list[str]
    cells: Callable[[int, np.ndarray], list[str]]


def output_columns(name: str, index: int, shape: Sequence[int], outdir: str, result_outdir: str) -> OutputColumns:
    """How an output is shown.

    Args:
        name: of the output.
        index: its number among all outputs, which its folders are named after.
        shape: of its values, with the batch in front.
        outdir: folder of the table.
        result_outdir: folder for files, relative to `outdir` unless it is absolute.

    Raises:
        ShapeError: it has no axis for the batch.
    """
    if not shape:
        raise ShapeError(f"forward: output {name!r} has shape (): there is no value for each sample")
    sample = tuple(shape[1:])
    files = _Files(index, outdir, result_outdir)
    if len(sample) == 2:
        return OutputColumns([name], lambda i, values: [files.matrix(i, values)])
    if len(sample) == 3 and sample[0] in (1, 3):
        return OutputColumns([name], lambda i, values: [files.image(f"{i}.png", i, values)])
    if len(sample) == 3:
        return OutputColumns(
            [f"{name}__{channel}" for channel in range(sample[0])],
            lambda i, values: [files.image(f"{channel}_{i}.png", i, grey) for channel, grey in enumerate(values)],
        )
    size = int(np.prod(sample))
    names = [name] if size == 1 else [f"{name}__{i}" for i in range(size)]
    return OutputColumns(names, lambda i, values: numbers(values.ravel()))


def numbers(values: np.ndarray) -> list[str]:
    """As few digits as say which float32 each number is, in the notation of NumPy 1."""
    return [_number(value) for value in values.astype(np.float32)]


def _number(value: np.float32) -> str:
    text = str(value)
    if "e+" in text and abs(value) < LARGEST_WITHOUT_EXPONENT:
        return np.format_float_positional(value, trim="0")
    return text


class _Files:
    """Files of one output, in folders ``<output>_<thousand of the sample>``."""

    def __init__(self, index: int, outdir: str, result_outdir: str) -> None:
        self._index = index
        self._outdir = outdir
        self._result_outdir = result_outdir
        self._made: set[str] = set()

    def matrix(self, sample: int, values: np.ndarray) -> str:
        cell, path = self._place(f"{sample}.csv", sample)
        with replacing(path, flush=False) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(numbers(row) for row in values)
        return cell

    def image(self, name: str, sample: int, values: np.ndarray) -> str:
        cell, path = self._place(name, sample)
        levels = np.nan_to_num(np.clip(values.astype(np.float32) * np.float32(255), 0, 255))
        imsave(path, levels.astype(np.uint8), channel_first=True)
        return cell

    def _place(self, name: str, sample: int) -> tuple[str, str]:
        """What the cell says, and where the file is."""
        folder = f"{self._index}_{sample // SAMPLES_IN_A_FOLDER:04}"
        relative = "/".join(part for part in (self._result_outdir.replace(os.sep, "/").rstrip("/"), folder) if part)
        place = os.path.join(self._outdir, relative)
        if place not in self._made:
            os.makedirs(place, exist_ok=True)
            self._made.add(place)
        cell = relative if os.path.isabs(self._result_outdir) else f"./{relative}"
        return f"{cell}/{name}", os.path.join(place, name)


class TableWriter:
    """Writes rows as CSV.

    Args:
        file: open text file.
    """

    def __init__(self, file: Any) -> None:
        self._writer = csv.writer(file, lineterminator="\n")

    def row(self, cells: Sequence[str]) -> None:
        """Add a row."""
        self._writer.writerow(cells)
