"""A function of a graph built again, on other inputs or with other arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...context import context_scope
from ...graph.call import apply
from ...graph.function import Function
from ...graph.operator import registry
from ...graph.setup import with_gaps
from ...graph.variable import Variable


def rebuilt(f: Function, inputs: Sequence[Variable], **arguments: Any) -> Any:
    """A function of the type and context of `f` with other inputs.

    Args:
        f: the function.
        inputs: what it reads, as many as `f` does.
        arguments: those that shall differ.

    Returns:
        One or a tuple of Variables, with the flags that users set on the outputs of `f`.
    """
    operator = f._operator.again(**arguments)
    given = with_gaps(f._operator, inputs)
    with context_scope(f._operator.context):
        found = apply(operator, given)
    take_flags(f, (found,) if isinstance(found, Variable) else found)
    return found


def take_flags(f: Function, made: Sequence[Variable]) -> None:
    """Give new outputs the flags and names that users set on those of the function that they stand for."""
    for old, new in zip(f.outputs, made, strict=True):
        new.persistent, new.recompute, new.name = old.persistent, old.recompute, old.name
        if old._need_grad is not None:
            new.need_grad = old._need_grad
        if new.parent is not None:
            new.parent.tags.update(f.tags)


def inputs_by_name(f: Function, inputs: Sequence[Variable]) -> dict[str, Variable | None]:
    """Inputs of a function by the names that it declares for them; ``None`` for those that are not given.

    Args:
        f: a function that declares each of its inputs.
        inputs: what stands for them.
    """
    operator = f._operator
    names = [declared.name for declared in operator.declaration.inputs]
    return dict(zip(names, with_gaps(operator, inputs), strict=True))


def connected(type_name: str, inputs: Sequence[Variable], arguments: Mapping[str, Any]) -> Any:
    """A function of a type, on inputs.

    Args:
        type_name: such as ``"Convolution"``.
        inputs: as many as are given; those that the arguments rule out are left out.
        arguments: by name.
    """
    return apply(registry[type_name](**arguments), inputs)
