"""An operator meets its inputs: which are given, the type to compute in, the shapes of the outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from .._array_view import shown_by
from .._nd_array import NdArray
from ..context import current
from ..errors import ArgumentError, ShapeError
from .argument import Float, Int
from .callback import Callback
from .lines import CALLED_AT, user_line
from .operator import Operator, Shape
from .prototype import OneOfItsKind
from .variable import Buffers, Variable
from .wiring import wiring_of

# A terabyte of float32. A size this large is most likely a typing error, which would show only in forward.
_MOST_ELEMENTS = 1 << 38

_LARGEST = torch.finfo(torch.float32).max

_N_OUTPUTS = Int(-1)
_N_OUTPUTS.name = "n_outputs"

# The argument with which an operator rules out that input, if it has one.
_RULED_OUT_BY = {"beta": "no_bias", "gamma": "no_scale"}


def set_up(operator: Operator, inputs: Sequence[Any], given: list[Any], n_outputs: int) -> list[Shape]:
    """Settle what depends on the context and the inputs; returns the shapes of the outputs."""
    if isinstance(operator, Callback):
        operator.present = (True,) * len(given)
    else:
        operator.settle(current.context)
        if operator.compute_dtype is not torch.float64:
            _round_to_infinity(operator)
        if n_outputs != -1:
            count = _N_OUTPUTS.convert(n_outputs, operator.declaration.name)
            if count > 0:
                operator.n_outputs = count
        operator.present = presence(operator, inputs)
    try:
        return output_shapes(operator, given)
    except (ShapeError, ArgumentError) as error:
        line = user_line()
        if not line or isinstance(operator, Callback) or CALLED_AT in str(error):
            raise
        raise type(error)(f"{error}{CALLED_AT}{line}") from None


def _round_to_infinity(operator: Operator) -> None:
    """Numbers beyond the range of single precision become infinite, as they do in NNabla; kernels refuse them."""
    for argument in operator.declaration.arguments:
        if isinstance(argument, Float):
            value = getattr(operator, argument.name)
            if value is not None and abs(value) > _LARGEST:
                setattr(operator, argument.name, math.copysign(math.inf, value))


def presence(operator: Operator, inputs: Sequence[Any]) -> tuple[bool, ...]:
    """For each declared input whether it is given; for an operator that takes any number, for each given one."""
    present = tuple([x is not None for x in inputs])
    declaration = operator.declaration
    if declaration.variadic and not all(present):
        name = f"{declaration.inputs[0].name}{present.index(False)}"
        raise TypeError(f"{declaration.name}: input {name} must be a Variable or an NdArray, not None")
    if declaration.variadic or len(present) == len(declaration.inputs):
        return present
    # Nodes are called without the inputs that their arguments rule out.
    gone = [getattr(operator, _RULED_OUT_BY.get(i.name, ""), False) for i in declaration.inputs]
    if any(gone) and len(present) + sum(gone) <= len(declaration.inputs):
        rest = iter(present)
        return tuple([not ruled_out and next(rest, False) for ruled_out in gone])
    missing = declaration.inputs[len(present) :]
    if len(present) > len(declaration.inputs) or not all(i.optional for i in missing):
        raise TypeError(f"{declaration.name} takes {len(declaration.inputs)} inputs, {len(present)} were given")
    return present + (False,) * len(missing)


def output_shapes(operator: Operator, inputs: Sequence[Variable | NdArray]) -> list[Shape]:
    """Shapes of the outputs for these inputs; `operator.wiring` is theirs from now on.

    Raises:
        ShapeError, ArgumentError: inputs or arguments do not fit; the message names the function and shows both.
    """
    # Under another mask it counts as another operator.
    operator.prototype = None if operator.mask is None else OneOfItsKind()
    operator.restart()
    try:
        found = _declared_shapes(operator, inputs)
    except (ShapeError, ArgumentError) as error:
        if isinstance(operator, Callback):
            raise
        # An operator that uses another one passes on its errors.
        name = operator.declaration.name
        said = str(error) if str(error).startswith(f"{name}: ") else f"{name}: {error}"
        raise type(error)(f"{said}{described(operator, inputs)}") from None
    for shape in found:
        if math.prod(shape) > _MOST_ELEMENTS:
            name = operator.declaration.name
            words = f"{name}: a result of shape {shape} has more elements than any memory holds"
            raise ShapeError(f"{words}{described(operator, inputs)}")
    # Last, since an operator may find from the shapes that its gradient is to be derived.
    operator.wiring = wiring_of(operator)
    return found


def _declared_shapes(operator: Operator, inputs: Sequence[Variable | NdArray]) -> list[Shape]:
    if isinstance(operator, Callback):
        outputs = [Variable() for _ in range(operator.user.min_outputs())]
        operator.user.setup_impl([x if isinstance(x, Variable) else _on_array(x) for x in inputs], outputs)
        return [y.shape for y in outputs]
    shapes = with_gaps(operator, [x.shape for x in inputs])
    if operator.output_shape is None:
        return _meta_shapes(operator, shapes)
    found = operator.output_shape(*shapes)
    return found if type(found) is list else [found]


def _meta_shapes(operator: Operator, shapes: list[Shape | None]) -> list[Shape]:
    dtype = operator.compute_dtype
    names = [i.name for i in operator.declaration.inputs]
    types = [torch.int64 if name in operator.indices else dtype for name in names]
    if operator.declaration.variadic:
        types = types * len(shapes)
    xs = [
        None if shape is None else torch.empty(shape, dtype=kind, device="meta")
        for shape, kind in zip(shapes, types, strict=False)
    ]
    try:
        ys = operator.forward(*xs)
    except (RuntimeError, IndexError) as error:
        if isinstance(error, (ShapeError, ArgumentError)):
            raise
        raise ShapeError(f"{operator.declaration.name}: {str(error).splitlines()[0]}") from None
    finally:
        operator.kept = None
    return [tuple(y.shape) for y in (ys if isinstance(ys, (tuple, list)) else (ys,))]


def wanted_inputs(operator: Operator, inputs: Sequence[Variable]) -> list[bool]:
    """For each given input, whether a gradient shall be computed for it."""
    may = may_want(operator)
    return [may[i] and v.need_grad for i, v in enumerate(inputs)]


def may_want(operator: Operator) -> Sequence[bool]:
    """For each given input, whether it can have a gradient."""
    may = operator.wiring.may_want
    return may if operator.mask is None else [a and b for a, b in zip(may, operator.mask, strict=True)]


def are_linked(operator: Operator, inputs: Sequence[NdArray], outputs: Sequence[NdArray]) -> bool:
    """Whether the output is an input, so that it is there as soon as that is."""
    return operator.linked is not None and shown_by(outputs[0]) is shown_by(inputs[operator.linked])


def with_gaps(operator: Operator, values: Sequence[Any], gap: Any = None) -> list[Any]:
    """`values` of the inputs that were given, with `gap` where an optional input was not."""
    if all(operator.present):
        return list(values)
    rest = iter(values)
    return [next(rest) if there else gap for there in operator.present]


def _on_array(array: NdArray) -> Variable:
    return Variable._on(Buffers(array))


def described(operator: Operator, inputs: Sequence[Variable | NdArray]) -> str:
    """The lines that an error message ends with: the call, and the shape of each input."""
    names = [i.name for i in operator.declaration.inputs]
    if operator.declaration.variadic:
        names = [f"{names[0]}{i}" for i in range(len(inputs))]
    elif operator.present:
        names = [n for n, there in zip(names, operator.present, strict=False) if there]
    lines = [f"\n  in {operator!r}"]
    lines += [f"\n  {name}: {x.shape}" for name, x in zip(names, inputs, strict=False)]
    return "".join(lines)
