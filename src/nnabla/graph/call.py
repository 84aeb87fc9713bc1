"""A function meets its inputs: building the graph (static), computing at once (dynamic, imperative)."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, NoReturn

from .._array_view import LinkedArray
from .._nd_array import NdArray
from ..context import called_in_current_context, current
from ..errors import ArgumentError, ShapeError
from .argument import REQUIRED, Argument
from .entry import entry
from .function import Function
from .lines import LINE, user_line
from .modes import modes
from .operator import Operator, Shape
from .prototype import remember
from .setup import set_up
from .variable import Buffers, Variable

# Consumers of a variable, from which on it is worth looking for those that are gone.
_MANY = 32


def apply(operator: Operator, inputs: Sequence[Any], n_outputs: int = -1, outputs: Sequence[Any] | None = None) -> Any:
    """Give `operator` its inputs.

    Args:
        operator: with the values of its arguments; it must not belong to a node yet.
        inputs: Variables or NdArrays, or ``None`` for an optional input that is left out.
        n_outputs: accepted for compatibility; the number of outputs follows from the inputs.
        outputs: NdArrays (or Variables) that the results shall be written to.

    Returns:
        One or a tuple of outputs: NdArrays, already computed, if any input is an NdArray; else Variables.
    """
    imperative = False
    given = []
    for x in inputs:
        if x is None:
            continue
        if not isinstance(x, Variable):
            if not isinstance(x, NdArray):
                return _leave_to(x, operator, inputs, n_outputs)
            imperative = True
        given.append(x)
    shapes = set_up(operator, inputs, given, n_outputs)
    arrays = _linked_arrays(operator, given, shapes) if outputs is None else _arrays_for(operator, outputs, shapes)
    return _carry_out(operator, given, arrays, imperative)


def invoke(
    cls: type[Operator],
    arguments: Sequence[Any],
    inputs: Sequence[Any],
    n_outputs: int = -1,
    outputs: Sequence[Any] | None = None,
) -> Any:
    """`apply` an operator of class `cls` with these values of its arguments, in order.

    What an operator works out when it meets its inputs (checks, shapes, settled arguments, bound kernels) follows from
    the arguments, the shapes and the context. It is remembered, and a like call starts from a copy: graphs that are
    built anew in each iteration are built in half the time.
    """
    if outputs is not None:
        return apply(cls(*arguments), inputs, n_outputs, outputs)
    context = current.context
    key: Any = [id(context), n_outputs]
    for value in arguments:
        key.append(tuple(value) if type(value) is list else value)
    imperative = False
    given = []
    for x in inputs:
        if type(x) is Variable:
            key.append(x._buffers.data._shape)
        elif isinstance(x, NdArray):
            key.append(x._shape)
            imperative = True
        elif x is None:
            key.append(None)
            continue
        else:
            return apply(cls(*arguments), inputs, n_outputs)
        given.append(x)
    key = tuple(key)
    try:
        found = cls.prototypes.get(key)
    except TypeError:  # an argument without a hash
        return apply(cls(*arguments), inputs, n_outputs)
    if found is not None and found.resolved is context._resolved:
        operator, shapes = found.copy(), found.shapes
    else:
        operator = cls(*arguments)
        shapes = set_up(operator, inputs, given, n_outputs)
        remember(operator, key, shapes)
    if operator.linked is None and operator.write is None:
        arrays = [NdArray._new(shape) for shape in shapes]
    else:
        arrays = _linked_arrays(operator, given, shapes)
    return _carry_out(operator, given, arrays, imperative)


entry.apply, entry.invoke = apply, invoke


def _carry_out(operator: Operator, given: list[Any], arrays: list[NdArray], imperative: bool) -> Any:
    """Compute at once, or grow the graph, or both."""
    if imperative:
        entry.compute_arrays(operator, [x if isinstance(x, NdArray) else x.data for x in given], arrays)
        return arrays[0] if len(arrays) == 1 else tuple(arrays)
    function, found = connect(operator, tuple(given), arrays)
    if modes.auto_forward:
        entry.compute(operator, given, found, function._needs_grad)
        if modes.no_grad:
            # Backward will never come: a long loop must not keep everything that it has computed.
            for variable in found:
                variable._parent = None
    return found[0] if len(found) == 1 else tuple(found)


def connect(operator: Operator, inputs: tuple[Variable, ...], arrays: list[NdArray]) -> tuple[Function, list[Variable]]:
    """Make the node of the graph, and its output variables on `arrays`."""
    function = Function(operator, inputs)
    if modes.lines:
        function.tags[LINE] = user_line()
    reference = weakref.ref(function)
    rank = 0
    needs_grad = False
    for variable in inputs:
        consumers = variable._consumers
        consumers.append(reference)
        if len(consumers) >= _MANY:
            variable._forget_consumers()
        if variable.rank > rank:
            rank = variable.rank
        if not needs_grad and variable.need_grad:
            needs_grad = True
    function.rank = rank
    function._setup_shapes = tuple([v._buffers.data._shape for v in inputs])
    forgets = modes.no_grad and modes.auto_forward
    function._needs_grad = needs_grad = needs_grad and operator.differentiable and not forgets
    made = []
    for array in arrays:
        variable = Variable._on(Buffers(array), function)
        variable._inherited_need_grad = needs_grad
        variable.rank = rank + 1
        made.append(variable)
    if modes.recompute or forgets:
        for variable in made:
            variable._recompute = modes.recompute
            if forgets:
                variable._need_grad = False
    function._outputs = tuple([v._buffers for v in made])
    function._output_refs = [weakref.ref(v) for v in made]
    return function, made


def _linked_arrays(operator: Operator, given: list[Any], shapes: list[Shape]) -> list[NdArray]:
    """Arrays for the results. One that is an input shows it."""
    if operator.write is not None:
        operator.linked = _written(operator, given)
    if operator.linked is None:
        return [NdArray._new(shape) for shape in shapes]
    x, (shape,) = given[operator.linked], shapes
    return [x.view(shape) if isinstance(x, NdArray) else LinkedArray(x._buffers, shape)]


def _written(operator: Operator, given: list[Any]) -> int | None:
    """The input, by its index, that an operator writes to; None where there is none, or others need its values."""
    names = list(compress([i.name for i in operator.declaration.inputs], operator.present))
    if operator.written not in names:
        return None
    index = names.index(operator.written)
    x = given[index]
    return index if isinstance(x, NdArray) or x._parent is None or not _is_needed(x, x._parent) else None


def _is_needed(x: Variable, maker: Function) -> bool:
    """Whether the gradient of the function that made `x`, or another function, needs its values."""
    operator = maker._operator
    if operator.keeps_output or (operator.linked is not None and operator.write is None) or x.function_references:
        return True
    made = [i for i, buffers in enumerate(maker._outputs) if buffers is x._buffers]
    return maker._needs_grad and any([maker._reads("y", i) for i in made])


def _arrays_for(operator: Operator, outputs: Sequence[Any], shapes: list[Shape]) -> list[NdArray]:
    """The caller's arrays for the results."""
    name = operator.declaration.name
    if not isinstance(outputs, (list, tuple)):
        raise TypeError(f"{name}: outputs must be a list of NdArrays, not {type(outputs).__name__}")
    if len(outputs) != len(shapes):
        raise ArgumentError(f"{name}: outputs must have {len(shapes)} entries, not {len(outputs)}")
    arrays = []
    for i, (output, shape) in enumerate(zip(outputs, shapes, strict=True)):
        array = output.data if isinstance(output, Variable) else output
        if array is None:
            array = NdArray._new(shape)
        if not isinstance(array, NdArray):
            raise TypeError(f"{name}: outputs[{i}] must be an NdArray, not {type(output).__name__}")
        if array.shape != shape:
            raise ShapeError(f"{name}: outputs[{i}] must have shape {shape}, not {array.shape}")
        arrays.append(array)
    return arrays


def _leave_to(x: Any, operator: Operator, inputs: Sequence[Any], n_outputs: int) -> Any:
    """Hand the call to an input that only describes a variable. Anything else is refused."""
    describe = getattr(x, "_describe_call", None)
    if describe is None:
        _refuse_input(operator, inputs, x)
    return describe(operator, inputs, n_outputs)


def _refuse_input(operator: Operator, inputs: Sequence[Any], x: Any) -> NoReturn:
    declared = operator.declaration.inputs
    index = next(i for i, other in enumerate(inputs) if other is x)
    name = f"{declared[0].name}{index}" if operator.declaration.variadic else declared[index].name
    raise TypeError(
        f"{operator.declaration.name}: input {name} must be a Variable or an NdArray, not {type(x).__name__}"
    )


# ---- public calls ----------------------------------------------------------------------------------------------


def public_call(cls: type[Operator], module: str = "nnabla.functions") -> Callable[..., Any]:
    """The plain function that users call: inputs, then arguments, then `n_outputs` and `outputs`."""
    declaration = cls.declaration
    call = _variadic_call(cls) if declaration.variadic else _fixed_call(cls)
    call.__name__ = call.__qualname__ = declaration.name
    call.__module__ = module
    call.__doc__ = cls.__doc__
    return call


def function_api(func: Callable[..., Any]) -> Callable[..., Any]:
    """`func` without its first argument, ``ctx``: it is given the current context when it is called.

    For functions of one's own that make nodes with the constructors in `nnabla.function`.

    Raises:
        TypeError: the first argument of `func` is not named ``ctx``.

    Example:
        >>> import nnabla as nn
        >>> @function_api
        ... def clipped(ctx, x, n_outputs=-1, outputs=None):
        ...     return nn.function.ReLU6(ctx)(x, n_outputs=n_outputs, outputs=outputs)
        >>> clipped(nn.NdArray.from_numpy_array([-1.0, 7.0])).data
        array([0., 6.], dtype=float32)
    """
    return called_in_current_context(func, "function_api")


public_calls: dict[str, Callable[..., Any]] = {}


def public(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make `function` the public call of its name, where NNabla's call differs from the registered function."""
    function.__module__ = "nnabla.functions"
    public_calls[function.__name__] = function
    return function


def _parameter(argument: Argument, kind: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if argument.default is REQUIRED else argument.default
    return inspect.Parameter(argument.name, kind, default=default)


_TAIL = (
    inspect.Parameter("n_outputs", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=-1),
    inspect.Parameter("outputs", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None),
)


def _fixed_call(cls: type[Operator]) -> Callable[..., Any]:
    declaration = cls.declaration
    name = declaration.name
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [
        inspect.Parameter(i.name, kind, default=None if i.optional else inspect.Parameter.empty)
        for i in declaration.inputs
    ]
    parameters += [_parameter(a, kind) for a in declaration.arguments]
    parameters += _TAIL
    names = [p.name for p in parameters]
    position = {n: i for i, n in enumerate(names)}
    defaults = [REQUIRED if p.default is inspect.Parameter.empty else p.default for p in parameters]
    count = len(defaults)
    n_inputs = len(declaration.inputs)
    n_required = max([i + 1 for i, value in enumerate(defaults) if value is REQUIRED], default=0)
    # What the arguments are where only inputs are given.
    usual = defaults[n_inputs:-2] if n_required <= n_inputs else None

    def refuse_none(argument: str) -> NoReturn:
        raise TypeError(f"{name}: input {argument} must be a Variable or an NdArray, not None")

    def call(*args: Any, **kwargs: Any) -> Any:
        given = len(args)
        if usual is not None and given == n_inputs and not kwargs:
            for value, default, named in zip(args, defaults, names, strict=False):
                if value is None and default is not None:
                    refuse_none(named)
            return invoke(cls, usual, args)
        if given > count:
            raise TypeError(f"{name}() takes {count} positional arguments but {given} were given")
        values = [*args, *defaults[given:]]
        for key, value in kwargs.items():
            i = position.get(key)
            if i is None:
                raise TypeError(f"{name}() got an unexpected keyword argument {key!r}")
            if i < given:
                raise TypeError(f"{name}() got multiple values for argument {key!r}")
            values[i] = value
        if given < n_required:
            for i in range(given, n_required):
                if values[i] is REQUIRED:
                    raise TypeError(f"{name}() missing required argument: {names[i]!r}")
        for i in range(n_inputs):
            if values[i] is None and defaults[i] is not None:
                refuse_none(names[i])
        return invoke(cls, values[n_inputs:-2], values[:n_inputs], values[-2], values[-1])

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call


def _variadic_call(cls: type[Operator]) -> Callable[..., Any]:
    declaration = cls.declaration

    def call(*x: Any, **kw: Any) -> Any:
        if not x:
            raise TypeError(f"{declaration.name}: at least one input must be given")
        n_outputs = kw.pop("n_outputs", -1)
        outputs = kw.pop("outputs", None)
        arguments = [kw.pop(a.name, a.default) for a in declaration.arguments]
        if kw:
            raise TypeError(f"{declaration.name}() got an unexpected keyword argument {next(iter(kw))!r}")
        return invoke(cls, arguments, x, n_outputs, outputs)

    return call
