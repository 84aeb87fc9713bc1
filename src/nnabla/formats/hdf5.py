"""NNabla's HDF5 parameter files: one dataset for each parameter, groups made by the slashes in its name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from ..errors import FormatError
from ..graph.variable import Variable
from .atomic import replacing

Loaded = list[tuple[str, np.ndarray, bool]]

# Deflate, the densest filter that h5py has, expands at most about 1030 times: a dataset that claims more than that
# over what is stored for it does not hold what it says.
_LARGEST_EXPANSION = 1100


def save_parameters(target: str | os.PathLike[str] | BinaryIO, params: Mapping[str, Variable]) -> None:
    """Write `params` by name.

    Each dataset has the parameter's shape and type and the attributes ``need_grad`` and ``index`` (its position).
    """
    if isinstance(target, (str, os.PathLike)):
        with replacing(target) as temporary:
            _write(temporary, params)
    else:
        _write(target, params)


def _write(target: str | BinaryIO, params: Mapping[str, Variable]) -> None:
    import h5py

    with h5py.File(target, "w") as file:
        for index, (name, param) in enumerate(params.items()):
            dataset = file.create_dataset(
                name, data=np.ascontiguousarray(param.data.get_data("r")).reshape(param.shape)
            )
            dataset.attrs["need_grad"] = bool(param.need_grad)
            dataset.attrs["index"] = index


def load_parameters(source: str | os.PathLike[str] | BinaryIO) -> Loaded:
    """Name, values and need_grad of all parameters in a file, in the order in which they were saved.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is truncated, damaged, or not a parameter file.
    """
    import h5py

    shown = os.fspath(source) if isinstance(source, (str, os.PathLike)) else "the file object"
    if isinstance(source, (str, os.PathLike)) and not os.path.isfile(source):
        raise FileNotFoundError(f"load_parameters: there is no file {shown!r}")
    try:
        with h5py.File(source, "r") as file:
            entries: list[tuple[int, str, np.ndarray, bool]] = []

            def visit(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset):
                    entries.append(_read(shown, name, item, len(entries)))

            file.visititems(visit)
    except FormatError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise FormatError(f"load_parameters: {shown!r} is not a readable HDF5 file: {error}") from error
    return [(name, values, need_grad) for _, name, values, need_grad in sorted(entries, key=lambda e: e[:2])]


def _read(shown: str, name: str, dataset: Any, position: int) -> tuple[int, str, np.ndarray, bool]:
    where = f"load_parameters: dataset {name!r} of {shown!r}"
    values = read_values(where, dataset)
    if "need_grad" not in dataset.attrs:
        raise FormatError(f"{where} has no attribute need_grad")
    index = int(dataset.attrs.get("index", position))
    return index, name, values, bool(dataset.attrs["need_grad"])


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
    if dataset.shape is None or dataset.nbytes > _LARGEST_EXPANSION * stored:
        raise FormatError(f"{where} claims {dataset.nbytes} bytes, but only {stored} are stored")
    return np.asarray(dataset[()])
