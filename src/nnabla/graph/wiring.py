"""What follows from which inputs an operator was given: how they are read, and what its gradient is called with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .operator import ALL_GRADIENTS, Operator


class Wiring:
    """How the declaration of an operator fits the inputs given. Indices of inputs count those given.

    Attributes:
        kinds: for each input how it is read.
        may_want: for each input whether it can have a gradient.
        optional: for each input whether it might have been left out.
        alone: whether `grad` returns one gradient and not a sequence of them.
        places: for each input where its gradient is among those that `grad` returns.
        read_inputs, read_outputs: what the gradient reads, in ascending order.
    """

    __slots__ = ("_arguments", "alone", "kinds", "may_want", "optional", "places", "read_inputs", "read_outputs")

    def __init__(self, operator: Operator) -> None:
        declaration = operator.declaration
        variadic = declaration.variadic
        declared = [0 if variadic else i for i, there in enumerate(operator.present) if there]
        given = {i: n for n, i in enumerate(declared)}
        self.kinds = [declaration.kinds[i] for i in declared]
        self.may_want = [declaration.inputs[i].name not in operator.constants for i in declared]
        derived = operator.grad is None
        self.optional = [declaration.inputs[i].optional and not variadic for i in declared]
        self.alone = len(declaration.inputs) == 1 and not variadic and not derived
        self.places = list(range(len(declared))) if variadic else declared
        # Roles of what `grad` is called with: ("dy", i), ("y", i), ("x", i), ("all x", 0), ("nothing", 0) for an
        # input not given. None: all output gradients, however many.
        self._arguments: list[tuple[str, int]] | None = None
        self.read_inputs: Sequence[int] = range(len(declared))
        self.read_outputs: Sequence[int] = ()
        if derived:
            return
        roles = declaration.grad_roles
        if roles is not ALL_GRADIENTS:
            x = {i: ("all x", 0) if variadic else ("x", given[i]) if i in given else ("nothing", 0) for _, i in roles}
            self._arguments = [x[i] if role == "x" else (role, i) for role, i in roles]
        read = set(self._arguments or ())
        if ("all x", 0) not in read:
            self.read_inputs = sorted([i for role, i in read if role == "x"])
        self.read_outputs = sorted([i for role, i in read if role == "y"])

    def reads(self, role: str, index: int) -> bool:
        """Whether the gradient reads that input ("x") or output ("y")."""
        return index in (self.read_inputs if role == "x" else self.read_outputs)

    def arguments(
        self,
        dys: Sequence[Any],
        x: Callable[[int], Any],
        y: Callable[[int], Any],
        nothing: Any = None,
        gather: Callable[[list[Any]], Any] = tuple,
    ) -> list[Any]:
        """What `grad` is called with after `need`: what its signature names.

        Args:
            dys: one entry for each output's gradient.
            x: returns the entry of an input.
            y: returns the entry of an output.
            nothing: stands for an input not given.
            gather: makes one entry of those of all inputs.
        """
        if self._arguments is None:
            return list(dys)
        found = []
        for role, i in self._arguments:
            if role == "dy":
                found.append(dys[i])
            elif role == "y":
                found.append(y(i))
            elif role == "x":
                found.append(x(i))
            else:
                found.append(nothing if role == "nothing" else gather([x(i) for i in range(len(self.kinds))]))
        return found


def wiring_of(operator: Operator) -> Wiring:
    """The wiring of an operator that knows which inputs it is given."""
    made = operator.wirings
    if made is None:
        return Wiring(operator)
    key = operator.present, operator.grad is None
    found = made.get(key)
    if found is None:
        found = made[key] = Wiring(operator)
    return found


def call_grad(
    operator: Operator,
    need: Sequence[bool],
    dys: Sequence[Any],
    x: Callable[[int], Any],
    y: Callable[[int], Any],
) -> Sequence[Any]:
    """The gradients that an operator declares, at the places that its wiring states.

    Args:
        operator: with a `grad`.
        need: for each declared input, whether its gradient is wanted.
        dys: gradients of all outputs.
        x: returns the tensor of an input, by its index among those given.
        y: returns the tensor of an output.
    """
    assert operator.grad is not None
    found = operator.wiring
    values = found.arguments(dys, x, y)
    grads = operator.grad(need, *values) if operator.declaration.grad_takes_need else operator.grad(*values)
    return (grads,) if found.alone else grads
