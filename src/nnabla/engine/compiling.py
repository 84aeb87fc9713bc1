"""`nn.compile`: which graphs are compiled, and plans of those that are and of those that are not."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from weakref import WeakSet

from ..errors import GraphError
from ..graph.epoch import advance
from ..graph.variable import Variable
from .lowering import lower
from .passes import improved
from .plan import Plan
from .program import Program

PlanType = TypeVar("PlanType", bound=Plan)

_asked: WeakSet[Variable] = WeakSet()
# Whether all graphs are.
_every = os.environ.get("NNABLA_COMPILE", "0") not in ("", "0")


def is_compiled(roots: Sequence[Variable]) -> bool:
    """Whether the graph of `roots` is to be compiled."""
    return _every or (bool(_asked) and any([root in _asked for root in roots]))


def made_plan(
    kind: type[PlanType], recorded: Program, roots: Sequence[Variable], one_by_one: bool
) -> tuple[PlanType, Program]:
    """The plan for a program, to be compiled at its first run where that was asked for.

    Args:
        kind: of plan.
        recorded: the program, without passes.
        roots: the graph's.
        one_by_one: whether each function must have a step of its own.

    Returns:
        The plan, and the program that it carries out as long as it is not compiled.
    """
    compiled = is_compiled(roots)
    # A compiler fuses functions by itself; its parts take the place of steps of single functions.
    program = improved(recorded, one_by_one or compiled)
    plan = kind(lower(program), recorded.order)
    if compiled:
        from .compiled_plan import prepare

        prepare(plan, program, recorded)
    return plan, program


class Compiled:
    """What `compile` returns: a step of a training, where a solver was given.

    Attributes:
        loss: the variable.
        solver: as given.
    """

    def __init__(self, loss: Variable, solver: Any) -> None:
        from .joint_step import JointStep

        self.loss = loss
        self.solver = solver
        self._joint = JointStep(loss)

    def step(self, before_update: Callable[[], object] | None = None) -> None:
        """``forward(clear_no_need_grad=True)``, ``zero_grad()``, ``backward(clear_buffer=True)`` and ``update()``.

        Where all functions can be compiled, forward and backward are one compiled function: what only lies between them
        never gets to memory.

        Args:
            before_update: is called when the gradients are there: for weight decay, or to clip them.

        Raises:
            GraphError: there is no solver.
        """
        if self.solver is None:
            raise GraphError("compile: step() needs a solver; call nn.compile(loss, solver)")
        self.solver.zero_grad()
        if not self._joint.run():
            self.loss.forward(clear_no_need_grad=True)
            self.loss.backward(clear_buffer=True)
        if before_update is not None:
            before_update()
        self.solver.update()


def compile(loss: Variable, solver: Any = None) -> Compiled:
    """Let a graph be compiled by TorchInductor when its forward and backward run for the first time.

    Nothing else changes: the same values are there after each call, but for rounding, and the clear options free what
    they always free. What need not stay in memory is computed faster, so they make a compiled graph faster, too.
    Functions that cannot be compiled run as usual between compiled parts; a message names them. Where there is no C++
    compiler, everything runs as usual. With ``NNABLA_COMPILE=1`` in the environment, all graphs are compiled.

    Args:
        loss: what forward and backward are called on.
        solver: updates the parameters in `Compiled.step`; not compiled itself.

    Returns:
        An object whose method ``step()`` is a whole training step, for those who want one.

    Raises:
        TypeError: `loss` is no variable, or `solver` no solver.
        GraphError: no function made `loss`.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.Variable((2, 3))
        >>> loss = F.mean(F.relu(x) ** 2)
        >>> nn.compile(loss)  # doctest: +ELLIPSIS
        <nnabla.engine.compiling.Compiled object at ...>
    """
    if not isinstance(loss, Variable):
        raise TypeError(f"compile: loss must be a Variable, not {type(loss).__name__}")
    if solver is not None and not (hasattr(solver, "zero_grad") and hasattr(solver, "update")):
        raise TypeError(f"compile: solver must be a solver, not {type(solver).__name__}")
    if loss._parent is None:
        raise GraphError("compile: the variable has no parent function, so there is nothing to compile")
    _asked.add(loss)
    advance()
    return Compiled(loss, solver)
