"""Solver states inside of model files."""

from __future__ import annotations

from typing import Any, BinaryIO

from ...errors import FormatError
from ...files import solver_messages
from ...files.messages import parse, serialize
from ...files.model_messages import MODEL
from ...logger import logger
from ...solvers import Solver
from ...solvers.states import from_stored, read_h5, to_stored, write_h5

SHARED_MEMBER = "optimizer.protobuf.optimizer"
"""The member of an archive with the states of all optimizers."""


def own_member(optimizer: str, solver_type: str) -> str:
    """The member of an archive with the states of one optimizer."""
    return f"{optimizer}_{solver_type}_optimizer.h5.optimizer"


def write_states(file: BinaryIO, solver: Solver) -> None:
    """Write the states of a solver in HDF5."""
    write_h5(file, to_stored(solver.get_states()))


def put_states(message: Any, solver: Solver) -> None:
    """Add the states of a solver to a message ``Optimizer``."""
    solver_messages.fill(message, to_stored(solver.get_states()))


def shared_states(optimizers: list[tuple[str, str, Solver]]) -> bytes:
    """A message ``NNablaProtoBuf`` with the states of optimizers: name, type of the solver, and the solver."""
    message = MODEL.message("NNablaProtoBuf")()
    for name, kind, solver in optimizers:
        entry = message.optimizer.add(name=name)
        entry.solver.type = kind
        put_states(entry, solver)
    return serialize(message, "save")


def restore_states(solver: Solver, name: str, kind: str, source: Any) -> None:
    """Give a solver states that were read. Parameters that have none there keep theirs, with a warning.

    Args:
        solver: with its parameters.
        name: of the optimizer.
        kind: ``".h5"`` or ``".protobuf"``.
        source: a file object, or a message ``Optimizer``.

    Raises:
        FormatError: the states are damaged.
        ShapeError: a state has another shape.
    """
    where = f"load: the solver states of {name!r}"
    if kind == ".h5":
        source.seek(0)
        stored = read_h5(source, where)
    else:
        message = source if hasattr(source, "solver") else _entry(source, name, where)
        stored = solver_messages.contents(message, where)
    keys = solver.get_parameters()
    missing = [key for key in keys if key not in stored]
    if missing:
        # Old releases name parameters that their solver did not have.
        logger.warning("%s begin anew for %s", where, ", ".join(missing))
    solver.set_states(from_stored({key: stored[key] for key in keys if key in stored}))


def _entry(source: BinaryIO, name: str, where: str) -> Any:
    source.seek(0)
    model = MODEL.packed_message("NNablaProtoBuf")()
    parse(model, source.read(), f"{where} are not readable")
    for optimizer in model.optimizer:
        if optimizer.name == name:
            return optimizer
    raise FormatError(f"{where} are not in the file")
