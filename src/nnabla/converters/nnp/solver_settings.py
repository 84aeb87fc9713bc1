"""Solvers, and how their learning rate changes, as model files say it."""

from __future__ import annotations

from typing import Any

from ... import solvers as S
from ...errors import FormatError
from ...solvers import Solver
from ...solvers.learning_rates import (
    BaseLearningRateScheduler,
    CosineScheduler,
    ExponentialScheduler,
    LinearWarmupScheduler,
    PolynomialScheduler,
    StepScheduler,
)

_SOLVERS = {name: getattr(S, name) for name in S.__all__ if name not in ("Solver", "SolverState", "solver_api")}
# Older files, and those of Neural Network Console.
_SOLVERS["SGD"] = S.Sgd


def type_name(solver: Solver) -> str:
    """The type of a solver in model files; that of an extension is the one of the same rule."""
    return solver.name.removesuffix("Cuda")


def put_solver(message: Any, solver: Solver) -> None:
    """Fill the type and the settings in a message ``Solver``; the learning rate is the first one."""
    message.type = type_name(solver)
    field = _settings_field(message, message.type)
    if field is not None:
        settings = getattr(message, field)
        settings.SetInParent()
        for name, value in solver.info.items():
            setattr(settings, name, value)


def _settings_field(message: Any, kind: str) -> str | None:
    """The field with the settings of solvers of a type."""
    wanted = f"{kind}Parameter"
    for field in message.DESCRIPTOR.oneofs_by_name["parameter"].fields:
        if field.message_type.name == wanted:
            return str(field.name)
    return None


def solver_of(message: Any) -> Solver:
    """The solver that a message ``Solver`` describes, without parameters.

    NNabla writes the settings of ten solvers only: where they are missing, the defaults are taken.

    Raises:
        ValueError: there is no such solver, or it refuses a setting.
    """
    cls = _SOLVERS.get(message.type)
    if cls is None:
        raise ValueError(f'Solver "{message.type}" is not supported.')
    field = _settings_field(message, cls.__name__)
    if field is None or not message.HasField(field):
        return cls()
    settings = getattr(message, field)
    return cls(**{each.name: getattr(settings, each.name) for each in settings.DESCRIPTOR.fields})


def decay_of(message: Any) -> tuple[float, int]:
    """Factor and interval of exponential decay; 1, where they are not given."""
    return message.lr_decay or 1.0, message.lr_decay_interval or 1


def scheduler_of(message: Any, learning_rate: float) -> BaseLearningRateScheduler:
    """How the learning rate of a message ``Solver`` changes.

    Raises:
        ValueError: there is no such schedule.
        NotImplementedError: a network computes it, as NNabla never did either.
    """
    scheduler = _scheduler(message, learning_rate)
    if message.lr_warmup_scheduler_type == "Linear":
        return LinearWarmupScheduler(scheduler, message.linear_warmup_scheduler_param.warmup_iter)
    return scheduler


def _scheduler(message: Any, learning_rate: float) -> BaseLearningRateScheduler:
    kind = message.lr_scheduler_type
    if kind == "":
        return ExponentialScheduler(learning_rate, *decay_of(message))
    if kind == "Exponential":
        exponential = message.exponential_scheduler_param
        return ExponentialScheduler(learning_rate, exponential.gamma, exponential.iter_interval or 1)
    if kind == "Polynomial":
        polynomial = message.polynomial_scheduler_param
        return PolynomialScheduler(learning_rate, polynomial.max_iter, polynomial.power)
    if kind == "Cosine":
        return CosineScheduler(learning_rate, message.cosine_scheduler_param.max_iter)
    if kind == "Step":
        step = message.step_scheduler_param
        return StepScheduler(learning_rate, step.gamma, list(step.iter_steps))
    if kind == "Custom":
        raise NotImplementedError("a learning rate that a network computes is not supported")
    raise ValueError(f'Learning Rate Scheduler "{kind}" is not supported.')


def put_scheduler(message: Any, scheduler: BaseLearningRateScheduler) -> None:
    """Fill how the learning rate changes in a message ``Solver``.

    Raises:
        TypeError: it is a class of the user's, which files cannot hold.
    """
    if isinstance(scheduler, LinearWarmupScheduler):
        message.lr_warmup_scheduler_type = "Linear"
        message.linear_warmup_scheduler_param.warmup_iter = int(scheduler.warmup_iter)
        scheduler = scheduler.scheduler
    if isinstance(scheduler, PolynomialScheduler):
        message.lr_scheduler_type = "Polynomial"
        message.polynomial_scheduler_param.max_iter = scheduler.max_iter
        message.polynomial_scheduler_param.power = scheduler.power
    elif isinstance(scheduler, CosineScheduler):
        message.lr_scheduler_type = "Cosine"
        message.cosine_scheduler_param.max_iter = scheduler.max_iter
    elif isinstance(scheduler, ExponentialScheduler):
        message.lr_scheduler_type = "Exponential"
        message.exponential_scheduler_param.gamma = scheduler.gamma
        message.exponential_scheduler_param.iter_interval = int(scheduler.iter_interval)
    elif isinstance(scheduler, StepScheduler):
        message.lr_scheduler_type = "Step"
        message.step_scheduler_param.gamma = scheduler.gamma
        message.step_scheduler_param.iter_steps.extend(int(step) for step in scheduler.iter_steps)
    else:
        raise TypeError(f"save: files cannot hold the schedule {scheduler!r}")


def finite(value: float, what: str) -> float:
    """`value`, if it is a finite number.

    Raises:
        FormatError: `what`, and that it is not.
    """
    if value != value or value in (float("inf"), float("-inf")):
        raise FormatError(f"{what} must be a finite number, not {value}")
    return value
