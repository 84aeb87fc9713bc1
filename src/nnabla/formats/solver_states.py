"""Files of solver states: a group for each parameter, with the update count and one dataset for each state."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ArgumentError, FormatError
from ..graph.variable import Variable
from ..logger import logger
from . import hdf5
from .atomic import replacing

if TYPE_CHECKING:
    from ..solvers.base import SolverState


def _require_h5(path: str, function: str) -> None:
    extension = os.path.splitext(path)[1]
    if extension != ".h5":
        raise ArgumentError(f"{function}: the extension must be '.h5', not {extension!r}")


def save(path: str, states: Mapping[str, SolverState]) -> None:
    """Write `states` by parameter name; the file is replaced as a whole."""
    import h5py

    _require_h5(path, "save_states")
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for index, (key, state) in enumerate(states.items()):
            group = file.create_group(key)
            group.attrs["index"] = index
            group.create_dataset("t", data=np.int64(state.t))
            for position, (name, variable) in enumerate(state.pstate.items()):
                dataset = group.create_dataset(name, data=variable.data.get_data("r"))
                dataset.attrs["index"] = position
    logger.info("Solver state save (.h5): %s", path)


def load(path: str) -> OrderedDict[str, SolverState]:
    """States by parameter name, matched by the whole name.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is truncated, damaged, or not a file of solver states.
    """
    import h5py

    from ..solvers.base import SolverState

    _require_h5(path, "load_states")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"load_states: there is no file {path!r}")
    states: OrderedDict[str, SolverState] = OrderedDict()
    try:
        with h5py.File(path, "r") as file:
            found: list[tuple[int, str, h5py.Group]] = []
            file.visititems(
                lambda name, item: found.append((int(item.attrs["index"]), name, item))
                if isinstance(item, h5py.Group) and "index" in item.attrs
                else None
            )
            for _, key, group in sorted(found, key=lambda entry: entry[:2]):
                state = SolverState(t=int(group["t"][()]))
                for name, dataset in group.items():
                    if name != "t" and isinstance(dataset, h5py.Dataset):
                        values = hdf5.read_values(f"load_states: {key}/{name} of {path!r}", dataset)
                        state.pstate[name] = Variable.from_numpy_array(values)
                states[key] = state
    except FormatError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise FormatError(f"load_states: {path!r} is not a readable file of solver states: {error}") from error
    logger.info("State load (.h5): %s", path)
    return states
