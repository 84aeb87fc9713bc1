"""Tables of measurements: a row for each thing measured, a column for each optimizer."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Mapping

from ..files.atomic import replacing
from ..graph.function import Function

Table = list[list[str]]


def add_result(title: str, result_dict: Mapping[str, float], result_array: Table, *, digits: str = "f") -> Table:
    """Add a column to a table, and rows for what it has that the table has not.

    Args:
        title: of the column.
        result_dict: numbers by name of the row.
        result_array: rows of cells, the first of them the header; changed, and returned.
        digits: how numbers are written, as in a format string.

    Example:
        >>> add_result("net", {"forward": 0.25}, [["time in ms"]])
        [['time in ms', 'net'], ['forward', '0.250000']]
    """
    column = len(result_array[0])
    result_array[0].append(title)
    rows = {row[0]: row for row in result_array[1:]}
    for name, value in result_dict.items():
        if name not in rows:
            rows[name] = [name]
            result_array.append(rows[name])
        row = rows[name]
        row += [""] * (column - len(row))
        row.append(f"{value:{digits}}")
    return result_array


def write_table(path: str | os.PathLike[str], rows: Iterable[Iterable[str]]) -> None:
    """Write a table as CSV."""
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def labels(functions: Iterable[Function]) -> list[tuple[str, Function]]:
    """The functions of a network with what tables call them, ``Affine : Affine``, each of them once.

    The sink that holds several losses together is none of the network's and left out.
    """
    seen: Counter[str] = Counter()
    found = []
    for function in functions:
        kind = function.info.type_name
        if kind == "Sink":
            continue
        label = f"{function.name} : {kind}"
        seen[label] += 1
        found.append((label if seen[label] == 1 else f"{label} {seen[label]}", function))
    return found
