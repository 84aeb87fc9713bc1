"""For each type of function, what builds the graph of its gradient: ``relu_backward`` for ``"ReLU"``.

There is no list of them: they follow from the declarations. `nnabla.grad` does not need them. They are for scripts that
call them, and for scripts that register builders for functions of their own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from functools import cache
from typing import Any

from ..errors import ArgumentError
from .argument import REQUIRED
from .call import apply
from .function import Function
from .grad import builders, gradients, may_have_gradient
from .modes import no_grad
from .operator import Operator
from .operator import registry as declared
from .variable import Variable

Builder = Callable[..., Any]

_GIVEN = ("grad_inputs", "inputs", "input_shapes", "outputs", "output_shapes")


class Registry(MutableMapping[str, Builder]):
    """What builds the gradient of a function, by type name: what was registered, else what the declaration says."""

    def __getitem__(self, type_name: str) -> Builder:
        found = builders.get(type_name)
        return derived(declared[type_name]) if found is None else found

    def __setitem__(self, type_name: str, builder: Builder) -> None:
        register(type_name, builder)

    def __delitem__(self, type_name: str) -> None:
        """Remove what was registered; the builder that follows from the declaration stays."""
        del builders[type_name]

    def __iter__(self) -> Iterator[str]:
        yield from declared
        yield from (name for name in builders if name not in declared)

    def __len__(self) -> int:
        return len(declared.keys() | builders.keys())


registry = Registry()


def register(func_name: str, func: Builder) -> None:
    """Let `nnabla.grad` call `func` for functions of a type, among them every `PythonFunction` of that name.

    Args:
        func_name: the type name, ``"ReLU"``.
        func: called with ``(grad_inputs, inputs, input_shapes, outputs, output_shapes, **args)``: the gradients of the
            outputs; inputs and outputs of the function, each a list of variables and a list of their shapes; and the
            function's arguments by name. It returns the gradient of each input: one Variable, or a sequence of
            Variables and None.

    Raises:
        TypeError: `func` cannot be called.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> def straight_through(grad_inputs, inputs, input_shapes, outputs, output_shapes):
        ...     return F.identity(grad_inputs[0])
        >>> register("Round", straight_through)
        >>> x = nn.Variable.from_numpy_array([0.2, 1.7])
        >>> (g,) = nn.grad(F.round(x), x)
        >>> g.forward()
        >>> g.d
        array([1., 1.], dtype=float32)
        >>> del registry["Round"]
    """
    if not isinstance(func_name, str):
        raise TypeError(f"register: func_name must be a string, not {type(func_name).__name__}")
    if not callable(func):
        raise TypeError(f"register: func must be callable, not {type(func).__name__}")
    builders[func_name] = func


def show_registry() -> None:
    """Print the type names and what is called for each."""
    for type_name, builder in registry.items():
        print(type_name, builder)


def names() -> list[str]:
    """Names of the derived functions."""
    return [f"{cls.declaration.name}_backward" for cls in declared.values()]


def named(name: str) -> Builder:
    """The derived function of that name, ``"relu_backward"``.

    Raises:
        AttributeError: there is no such function.
    """
    for cls in declared.values():
        if name == f"{cls.declaration.name}_backward":
            return derived(cls)
    raise AttributeError(f"module 'nnabla.backward_functions' has no attribute {name!r}")


def derived(cls: type[Operator]) -> Builder:
    """What builds the gradient of a declared function."""
    return _derived(cls.declaration.type_name)


@cache
def _derived(type_name: str) -> Builder:
    cls = declared[type_name]
    declaration = cls.declaration
    name = f"{declaration.name}_backward"

    def backward(
        grad_inputs: Sequence[Variable],
        inputs: Sequence[Variable | None],
        input_shapes: Sequence[tuple[int, ...]],
        outputs: Sequence[Variable | None],
        output_shapes: Sequence[tuple[int, ...]],
        *values: Any,
        **named: Any,
    ) -> Any:
        function = _maker(cls, inputs, outputs) or _made_anew(cls, values, named, inputs, input_shapes)
        for i, x in enumerate(inputs):
            if x is None and function.grad_depends_input_data(i, i):
                raise ArgumentError(f"{name}: inputs[{i}] must be given, since the gradient reads its values")
        wants = may_have_gradient(function) if function._operator.differentiable else [False] * len(inputs)
        grads: list[Variable | None] = [None] * len(inputs)
        if any(wants):
            grads = gradients(function, function.outputs, wants, list(grad_inputs))
        return grads[0] if len(grads) == 1 else tuple(grads)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(given, kind) for given in _GIVEN]
    for argument in declaration.arguments:
        default = inspect.Parameter.empty if argument.default is REQUIRED else argument.default
        parameters.append(inspect.Parameter(argument.name, kind, default=default))
    backward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    backward.__name__ = backward.__qualname__ = name
    backward.__module__ = f"nnabla.backward_function.{declaration.name}"
    backward.__doc__ = f"""The gradient of `{declaration.type_name}` as variables of a graph.

    Args:
        grad_inputs: gradients of its outputs.
        inputs: its inputs; None for one whose values the gradient does not read.
        input_shapes: their shapes.
        outputs: its outputs, or None, where they shall be computed again.
        output_shapes: their shapes.

    Its arguments follow by name or position, as a call of the function has them.

    Returns:
        The gradient of each input; None for one that has none.
    """
    return backward


def _maker(
    cls: type[Operator], inputs: Sequence[Variable | None], outputs: Sequence[Variable | None]
) -> Function | None:
    """The function that made the outputs of these inputs, if it is known."""
    function = next((y._parent for y in outputs if y is not None and y._parent is not None), None)
    if function is None or type(function._operator) is not cls or len(function._inputs) != len(inputs):
        return None
    return function if all(x is None or x == v for x, v in zip(inputs, function._inputs, strict=True)) else None


def _made_anew(
    cls: type[Operator],
    values: Sequence[Any],
    named: dict[str, Any],
    inputs: Sequence[Variable | None],
    shapes: Sequence[tuple[int, ...]],
) -> Function:
    given = [Variable(shape) if x is None else x for x, shape in zip(inputs, shapes, strict=True)]
    with no_grad(False):
        made = apply(cls(*values, **named), given)
    function = (made if isinstance(made, Variable) else made[0])._parent
    assert function is not None
    return function
