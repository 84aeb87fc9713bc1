"""States of the optimizers of a training configuration in files of their own."""

from __future__ import annotations

import os
from typing import Any

from ..converters.nnp.loading import checkpoints
from ..converters.nnp.solver_states import SHARED_MEMBER, own_member, restore_states, shared_states, write_states
from ..files.atomic import replacing
from ..network.saved_graphs import read_files


def _optimizers(train_config: Any) -> list[Any]:
    """The optimizers of what `load` returned, or of a configuration that holds each as `optimizer`."""
    return [getattr(each, "optimizer", each) for each in train_config.optimizers.values()]


def save_optimizer_states(filebase: str, ext: str, train_config: Any) -> list[str]:
    """Write the states of all solvers.

    Args:
        filebase: what the names of the files begin with.
        ext: ``".protobuf"`` for one file, ``<filebase>_optimizer.protobuf.optimizer``; anything else for one of each,
            ``<filebase>_<optimizer>_<Solver>_optimizer.h5.optimizer``.
        train_config: what `nnabla.utils.load.load` returned.

    Returns:
        The paths of the files.
    """
    described = [(o.name, o.proto.solver.type, o.solver) for o in _optimizers(train_config)]
    paths = []
    if ext == ".protobuf":
        paths.append(f"{filebase}_{SHARED_MEMBER}")
        with replacing(paths[0]) as temporary, open(temporary, "wb") as file:
            file.write(shared_states(described))
        return paths
    for name, kind, solver in described:
        paths.append(f"{filebase}_{own_member(name, kind)}")
        with replacing(paths[-1]) as temporary, open(temporary, "wb+") as file:
            write_states(file, solver)
    return paths


def load_train_state(filename: str | os.PathLike[str], info: Any) -> None:
    """Give the solvers of a configuration the states that a model file holds for them.

    Args:
        filename: ``.nnp``, ``.nntxt`` or ``.protobuf``.
        info: what `nnabla.utils.load.load` returned for the same network; optimizers that the file has no states of
            keep theirs.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is damaged.
        ShapeError: a state has another shape.
    """
    found = read_files(filename, "", "load_train_state")
    states = checkpoints(found.states, found.model)
    for optimizer in _optimizers(info):
        if optimizer.name in states:
            restore_states(optimizer.solver, optimizer.name, *states[optimizer.name])
