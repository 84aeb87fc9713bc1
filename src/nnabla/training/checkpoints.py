"""Checkpoints: all that a training script needs to go on as if it had never stopped."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .. import parameter, parameter_files
from ..converters.nnp.solver_states import own_member, restore_states
from ..data.iterators import DataIterator
from ..errors import ArgumentError, FormatError
from ..files import archives
from ..files.atomic import replacing
from ..logger import logger
from ..solvers.base import Solver
from .random_states import random_states, set_random_states
from .resuming import VERSION_MEMBER, parameter_member, read_resume, resume_member, state_members
from .team import Team

Solvers = Solver | Mapping[str, Solver] | Iterable[Solver]
Iterators = DataIterator | Mapping[str, DataIterator] | Iterable[DataIterator]


class Checkpoint(NamedTuple):
    """What a checkpoint says beside what `load_checkpoint` sets.

    Attributes:
        iteration: number of updates before it was saved, which is the number of the next one, counted from 0.
        extra: what `save_checkpoint` was given.
    """

    iteration: int
    extra: Any


def save_checkpoint(
    path: str | os.PathLike[str],
    solvers: Solvers = (),
    iteration: int = 0,
    *,
    scheduler: Any = None,
    data_iterators: Iterators = (),
    extra: Any = None,
    comm: Any = None,
) -> None:
    """Save parameters, and all else that a training needs to go on with the same numbers.

    That is: all parameters; states and learning rates of solvers; where the random numbers of NumPy, of Python and of
    this package stand; how many batches were taken from data iterators. What a stochastic function with a seed of its
    own has drawn is not saved.

    The file is an archive that takes the place of an older one as a whole. With the extension ``.nnp``,
    `load_parameters` reads the parameters in it.

    Args:
        path: of the file.
        solvers: one or several, with their parameters set; by name, or in an order.
        iteration: how many updates were made.
        scheduler: of the learning rate; the numbers among its attributes are saved.
        data_iterators: one or several, by name or in an order.
        extra: anything that JSON can hold.
        comm: the communicator where there are several processes. All call this; the first writes the file, with its own
            parameters, and with the random numbers and data iterators of all. It is there when the call returns.

    Raises:
        FileNotFoundError: the directory does not exist.
        TypeError: JSON cannot hold `extra`.

    Example:
        >>> import os, tempfile
        >>> import nnabla as nn, nnabla.functions as F, nnabla.parametric_functions as PF, nnabla.solvers as S
        >>> nn.clear_parameters()
        >>> loss = F.sum(PF.affine(nn.Variable((1, 2)), 3))
        >>> solver = S.Adam()
        >>> solver.set_parameters(nn.get_parameters())
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "last.nnp")
        ...     nn.save_checkpoint(path, solver, iteration=100)
        ...     nn.load_checkpoint(path, solver).iteration
        100
    """
    named = _named(solvers, Solver, "solver", "save_checkpoint")
    mine = {
        "random": random_states(),
        "batches": {name: it.batches for name, it in _iterators(data_iterators, "save_checkpoint").items()},
    }
    resume = {
        "iteration": int(iteration),
        "learning_rates": {name: solver.learning_rate() for name, solver in named.items()},
        "scheduler": _numbers(scheduler),
        "extra": extra,
        "processes": Team(comm).gathered(mine),
    }
    if comm is None or comm.rank == 0:
        members = [VERSION_MEMBER, parameter_member()]
        members += state_members([(name, solver.name, solver) for name, solver in named.items()])
        members.append(resume_member(resume))
        with replacing(path) as temporary, open(temporary, "wb+") as file:
            archives.write(file, members)
        logger.info("Checkpoint is saved: %s", path)
    if comm is not None:
        comm.barrier()


def load_checkpoint(
    path: str | os.PathLike[str],
    solvers: Solvers = (),
    *,
    scheduler: Any = None,
    data_iterators: Iterators = (),
    comm: Any = None,
) -> Checkpoint:
    """Load what `save_checkpoint` saved.

    Args:
        path: of the file.
        solvers: those that were saved, made anew, under the same names or in the same order, with their parameters set.
        scheduler: the one that was saved, made anew.
        data_iterators: those that were saved, made anew. Batches that were taken before are passed over.
        comm: the communicator where there are several processes, as many as when it was saved.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is damaged, or no checkpoint.
        ArgumentError: it has no state of a solver or a data iterator of that name, or is of another number of
            processes.
        ShapeError: a parameter exists with another shape. After any of these errors, no parameter has changed.
    """
    named = _named(solvers, Solver, "solver", "load_checkpoint")
    iterators = _iterators(data_iterators, "load_checkpoint")
    shown = repr(os.fspath(path))
    if not os.path.isfile(path):
        raise FileNotFoundError(f"load_checkpoint: there is no file {shown}")
    resume = read_resume(os.fspath(path), "load_checkpoint")
    if resume is None:
        raise FormatError(f"load_checkpoint: {shown} is an archive without a checkpoint")
    with open(path, "rb") as file:
        found = parameter_files.load(file, ".nnp", "load_checkpoint")
    states = dict(found.states)
    try:
        iteration, extra, rates = int(resume["iteration"]), resume["extra"], resume["learning_rates"]
        attributes, processes = resume["scheduler"], resume["processes"]
        size, rank = (1, 0) if comm is None else (comm.size, comm.rank)
        if len(processes) != size:
            raise ArgumentError(f"load_checkpoint: {shown} is of {len(processes)} processes, not of {size}")
        mine, batches = processes[rank]["random"], processes[rank]["batches"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ArgumentError):
            raise
        raise FormatError(f"load_checkpoint: {shown} is damaged: {error!r}") from None
    for what, wanted, there in (("solver", named, rates), ("data iterator", iterators, batches)):
        for name in wanted:
            if name not in there:
                raise ArgumentError(f"load_checkpoint: {shown} has no {what} {name!r}, only {list(there)}")
    for name, solver in named.items():
        if own_member(name, solver.name) not in states:
            raise ArgumentError(f"load_checkpoint: {shown} has no states of a {solver.name} for solver {name!r}")
    parameter.register_stored(found.parameters, "load_checkpoint")
    for name, solver in named.items():
        restore_states(solver, name, ".h5", io.BytesIO(states[own_member(name, solver.name)]))
        solver.set_learning_rate(float(rates[name]))
    for name, value in attributes.items():
        if hasattr(scheduler, name):
            setattr(scheduler, name, value)
    for name, iterator in iterators.items():
        iterator.skip(int(batches[name]) - iterator.batches)
    set_random_states(mine)
    logger.info("Checkpoint is loaded: %s", path)
    return Checkpoint(iteration, extra)


def _named(given: Any, kind: type, what: str, function: str) -> dict[str, Any]:
    """One or several by name."""
    if isinstance(given, kind):
        named = {what: given}
    elif isinstance(given, Mapping):
        named = dict(given)
    else:
        named = {f"{what}{i}": each for i, each in enumerate(given)}
    for name, each in named.items():
        if not isinstance(each, kind):
            raise TypeError(f"{function}: {name} must be a {kind.__name__}, not {type(each).__name__}")
    return named


def _iterators(given: Iterators, function: str) -> dict[str, DataIterator]:
    return _named(given, DataIterator, "data_iterator", function)


def _numbers(thing: Any) -> dict[str, float]:
    """The attributes that are numbers."""
    return {
        name: value for name, value in getattr(thing, "__dict__", {}).items() if isinstance(value, (bool, int, float))
    }
