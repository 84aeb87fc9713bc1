"""Files of solver states: for each parameter the update count and an array for each state."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import BinaryIO

import numpy as np

from ..errors import ArgumentError, FormatError, shown
from ..files import hdf5, solver_messages
from ..files.atomic import replacing
from ..files.messages import message_in_file, text_in_file
from ..files.solver_messages import Stored
from ..graph.variable import Variable
from ..logger import logger


class SolverState:
    """What a solver keeps for one parameter: named arrays and the number of updates so far.

    Args:
        pstate: Variables by name, each of the parameter's shape.
        t: number of updates.
    """

    __slots__ = ("pstate", "t")

    def __init__(self, pstate: dict[str, Variable] | None = None, t: int = 0) -> None:
        self.pstate: dict[str, Variable] = OrderedDict() if pstate is None else pstate
        self.t = t


def write_h5(target: str | BinaryIO, stored: Stored) -> None:
    """A group for each parameter, with a dataset ``t`` and one for each state; their order is the attribute index.

    Raises:
        ArgumentError: HDF5 cannot store a name.
    """
    import h5py

    with h5py.File(target, "w") as file:
        for index, (key, (t, arrays)) in enumerate(stored.items()):
            try:
                group = file.require_group(key)
                group.attrs["index"] = index
                group.create_dataset("t", data=np.int64(t))
                for position, (name, array) in enumerate(arrays.items()):
                    group.create_dataset(name, data=array).attrs["index"] = position
            except (ValueError, TypeError) as error:
                # For example parameters a and a/m, where m is a state of a.
                raise ArgumentError(f"save_states: HDF5 cannot store the states of {key!r}: {error}") from None


def read_h5(source: str | BinaryIO, where: str) -> Stored:
    """The states in an HDF5 file.

    Raises:
        FormatError: `where`, and that it is damaged, or not a file of solver states.
    """
    import h5py

    order: dict[str, int] = {}
    found: dict[str, dict[str, np.ndarray]] = {}
    try:
        with h5py.File(source, "r") as file:
            reader = hdf5.Reader(file, where)
            for name, item in reader.items():
                if isinstance(item, h5py.Group):
                    if "index" in item.attrs:
                        order[name] = reader.number(item, "index", name)
                        found[name] = {}
                    continue
                key, _, state = name.rpartition("/")
                if key in found:
                    found[key][state] = reader.values(item, name)
    except FormatError:
        raise
    except hdf5.DAMAGE as error:
        raise FormatError(f"{where} is not a readable file of solver states: {shown(str(error))}") from error
    stored: Stored = {}
    for key in sorted(found, key=lambda key: (order[key], key)):
        t = found[key].pop("t", None)
        if t is None or t.shape or t.dtype.kind not in "iu" or t < 0:
            raise FormatError(f"{where}: {shown(key)}/t must be the number of updates, not {t}")
        stored[key] = (int(t), found[key])
    return stored


def _read_h5(path: str) -> Stored:
    return read_h5(path, f"load_states: {path!r}")


def _write_protobuf(path: str, stored: Stored) -> None:
    with open(path, "wb") as file:
        file.write(solver_messages.serialized(stored))


def _read_protobuf(path: str) -> Stored:
    where = f"load_states: {path!r}"
    return solver_messages.parsed(message_in_file(path, where), where)


def _read_text(path: str) -> Stored:
    where = f"load_states: {path!r}"
    return solver_messages.parsed_text(text_in_file(path, where), where)


SAVERS: dict[str, Callable[[str, Stored], None]] = {".h5": write_h5, ".protobuf": _write_protobuf}
LOADERS: dict[str, Callable[[str], Stored]] = {
    ".h5": _read_h5,
    ".protobuf": _read_protobuf,
    ".nntxt": _read_text,
    ".prototxt": _read_text,
}


def _format_of(path: str, known: Mapping[str, object], function: str) -> str:
    extension = os.path.splitext(path)[1]
    if extension not in known:
        raise ArgumentError(f"{function}: the extension must be one of {sorted(known)}, not {extension!r}")
    return extension


def to_stored(states: Mapping[str, SolverState]) -> Stored:
    """The contents of `states`: arrays that are not to be written to."""
    return {
        key: (state.t, {name: variable.data.get_data("r") for name, variable in state.pstate.items()})
        for key, state in states.items()
    }


def from_stored(stored: Stored) -> OrderedDict[str, SolverState]:
    """States with the contents `stored`."""
    return OrderedDict(
        (key, SolverState({name: Variable.from_numpy_array(array) for name, array in arrays.items()}, t))
        for key, (t, arrays) in stored.items()
    )


def save(path: str | os.PathLike[str], states: Mapping[str, SolverState]) -> None:
    """Write `states` by parameter name, in the format that the extension names; the file is replaced as a whole.

    Raises:
        ArgumentError: the extension is unknown, or the format cannot hold a name.
        FileNotFoundError: the directory does not exist.
    """
    path = os.fspath(path)
    extension = _format_of(path, SAVERS, "save_states")
    with replacing(path) as temporary:
        SAVERS[extension](temporary, to_stored(states))
    logger.info("Solver state save (%s): %s", extension, path)


def load(path: str | os.PathLike[str]) -> OrderedDict[str, SolverState]:
    """States by parameter name, matched by the whole name.

    Raises:
        ArgumentError: the extension is unknown.
        FileNotFoundError: there is no such file.
        FormatError: it is truncated, damaged, or not a file of solver states.
    """
    path = os.fspath(path)
    extension = _format_of(path, LOADERS, "load_states")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"load_states: there is no file {path!r}")
    try:
        states = from_stored(LOADERS[extension](path))
    except MemoryError as error:
        raise FormatError(f"load_states: {path!r} does not fit into memory") from error
    logger.info("State load (%s): %s", extension, path)
    return states
