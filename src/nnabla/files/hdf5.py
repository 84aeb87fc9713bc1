"""NNabla's HDF5 parameter files: one dataset for each parameter, groups made by the slashes in its name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from ..errors import ArgumentError, FormatError
from .stored import StoredParameter

# Deflate, the densest filter that h5py has, expands at most about 1030 times: a dataset that claims more than that
# over what is stored for it does not hold what it says.
LARGEST_EXPANSION = 1100


def write(target: str | BinaryIO, params: Sequence[StoredParameter]) -> None:
    """Write `params`.

    Each dataset has the parameter's shape and type and the attributes ``need_grad`` and ``index`` (its position).

    Raises:
        ArgumentError: HDF5 cannot store a name.
    """
    import h5py

    with h5py.File(target, "w") as file:
        for index, (name, values, need_grad) in enumerate(params):
            try:
                dataset = file.create_dataset(name, data=values)
            except ValueError as error:
                # Such as a name with a part that is a dot.
                raise ArgumentError(f"save_parameters: HDF5 cannot store parameter {name!r}: {error}") from None
            dataset.attrs["need_grad"] = need_grad
            dataset.attrs["index"] = index


def read(source: str | os.PathLike[str] | BinaryIO, where: str) -> list[StoredParameter]:
    """All parameters in a file, in the order in which they were saved.

    Raises:
        FormatError: `where`, and that it is truncated, damaged, or not a parameter file.
    """
    import h5py

    try:
        with h5py.File(source, "r") as file:
            entries = [
                _read(f"{where}: dataset {name!r}", name, dataset, position)
                for position, (name, dataset) in enumerate(datasets(file, where))
            ]
    except FormatError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise FormatError(f"{where} is not a readable HDF5 file: {error}") from error
    return [entry for _, entry in sorted(entries, key=lambda e: (e[0], e[1].name))]


def _read(where: str, name: str, dataset: Any, position: int) -> tuple[int, StoredParameter]:
    if not isinstance(name, str):
        raise FormatError(f"{where} has a name that is not UTF-8")
    values = read_values(where, dataset)
    if "need_grad" not in dataset.attrs:
        raise FormatError(f"{where} has no attribute need_grad")
    index = int(dataset.attrs.get("index", position))
    return index, StoredParameter(name, values, bool(dataset.attrs["need_grad"]))


def datasets(file: Any, where: str) -> list[tuple[str, Any]]:
    """All datasets of a file by name.

    If many of them use the same bytes, they are refused, so that memory is bounded by the size of the file.

    Raises:
        FormatError: `where`, and that it is so.
    """
    import h5py

    found: list[tuple[str, Any]] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found.append((name, item))

    file.visititems(visit)
    stored = sum(dataset.id.get_storage_size() for _, dataset in found)
    if stored > file.id.get_filesize():
        raise FormatError(f"{where}: its datasets claim {stored} bytes, more than the file has")
    return found


def read_values(where: str, dataset: Any) -> np.ndarray:
    """The numbers of a dataset, after a check that the file holds as many as the dataset claims.

    Raises:
        FormatError: `where`, and what is wrong.
    """
    if dataset.is_virtual or dataset.external:
        raise FormatError(f"{where} refers to other files")
    if dataset.dtype.kind not in "biuf":
        raise FormatError(f"{where} holds {dataset.dtype}, not numbers")
    stored = dataset.id.get_storage_size()
    if dataset.shape is None or dataset.nbytes > LARGEST_EXPANSION * stored:
        raise FormatError(f"{where} claims {dataset.nbytes} bytes, but only {stored} are stored")
    return np.asarray(dataset[()])
