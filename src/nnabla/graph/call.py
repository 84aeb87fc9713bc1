"""A function meets its inputs: building the graph (static), computing at once (dynamic, imperative)."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch

from .._nd_array import NdArray
from ..context import current
from ..errors import ArgumentError, ShapeError
from .argument import REQUIRED, Argument
from .function import Function, PythonFunction
from .modes import modes
from .operator import Operator, Shape
from .variable import Buffers, Variable


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
    if not isinstance(operator, PythonFunction):
        operator.settle(current.context)
        if n_outputs > 0:
            operator.n_outputs = n_outputs
        operator.present = presence(operator, inputs)
    imperative = False
    given = []
    for x in inputs:
        if x is None:
            continue
        if not isinstance(x, Variable):
            if not isinstance(x, NdArray):
                _refuse_input(operator, inputs, x)
            imperative = True
        given.append(x)
    shapes = output_shapes(operator, given)
    if imperative:
        from .forward import run_imperative

        arrays = [x if isinstance(x, NdArray) else x.data for x in given]
        results = _arrays_for(operator, outputs, shapes)
        run_imperative(operator, arrays, results)
        return results[0] if len(results) == 1 else tuple(results)
    function, found = connect(operator, tuple(given), _arrays_for(operator, outputs, shapes))
    if modes.auto_forward:
        from .forward import run_function

        run_function(operator, given, found, keep=function._needs_grad)
    return found[0] if len(found) == 1 else tuple(found)


def presence(operator: Operator, inputs: Sequence[Any]) -> tuple[bool, ...]:
    """For each declared input whether it is given; for an operator that takes any number, for each given one."""
    present = tuple([x is not None for x in inputs])
    declaration = operator.declaration
    if declaration.variadic or len(present) == len(declaration.inputs):
        return present
    missing = declaration.inputs[len(present) :]
    if len(present) > len(declaration.inputs) or not all(i.optional for i in missing):
        raise TypeError(f"{declaration.name} takes {len(declaration.inputs)} inputs, {len(present)} were given")
    return present + (False,) * len(missing)


def connect(operator: Operator, inputs: tuple[Variable, ...], arrays: list[NdArray]) -> tuple[Function, list[Variable]]:
    """Make the node of the graph, and its output variables on `arrays`."""
    function = Function(operator, inputs)
    reference = weakref.ref(function)
    rank = 0
    needs_grad = False
    for variable in inputs:
        variable._add_consumer(reference)
        if variable.rank > rank:
            rank = variable.rank
        if variable.need_grad:
            needs_grad = True
    function.rank = rank
    function._setup_shapes = tuple([v.shape for v in inputs])
    function._needs_grad = needs_grad = needs_grad and operator.differentiable and not modes.no_grad
    made = []
    for array in arrays:
        variable = Variable._on(Buffers(array), function)
        variable._inherited_need_grad = needs_grad
        variable.rank = rank + 1
        if modes.recompute:
            variable._recompute = True
        if modes.no_grad:
            variable._need_grad = False
        made.append(variable)
    function._outputs = tuple([v._buffers for v in made])
    function._output_refs = [weakref.ref(v) for v in made]
    return function, made


def _arrays_for(operator: Operator, outputs: Sequence[Any] | None, shapes: list[Shape]) -> list[NdArray]:
    """Arrays for the results: new ones, or the caller's."""
    if outputs is None:
        return [NdArray._new(shape) for shape in shapes]
    name = operator.declaration.name
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


def output_shapes(operator: Operator, inputs: Sequence[Variable | NdArray]) -> list[Shape]:
    """Shapes of the outputs for these inputs.

    Raises:
        ShapeError, ArgumentError: inputs or arguments do not fit; the message names the function and shows both.
    """
    if isinstance(operator, PythonFunction):
        outputs = [Variable() for _ in range(operator.min_outputs())]
        operator.setup_impl([x if isinstance(x, Variable) else _on_array(x) for x in inputs], outputs)
        return [y.shape for y in outputs]
    try:
        shapes = with_gaps(operator, [x.shape for x in inputs])
        if operator.output_shape is None:
            return _meta_shapes(operator, shapes)
        found = operator.output_shape(*shapes)
    except (ShapeError, ArgumentError) as error:
        raise type(error)(f"{error}{described(operator, inputs)}") from None
    return found if type(found) is list else [found]


def with_gaps(operator: Operator, values: Sequence[Any], gap: Any = None) -> list[Any]:
    """`values` of the inputs that were given, with `gap` where an optional input was not."""
    if all(operator.present):
        return list(values)
    rest = iter(values)
    return [next(rest) if there else gap for there in operator.present]


def _on_array(array: NdArray) -> Variable:
    return Variable._on(Buffers(array))


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

    def call(*args: Any, **kwargs: Any) -> Any:
        given = len(args)
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
                raise TypeError(f"{name}: input {names[i]} must be a Variable or an NdArray, not None")
        return apply(cls(*values[n_inputs:-2]), values[:n_inputs], values[-2], values[-1])

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call


def _variadic_call(cls: type[Operator]) -> Callable[..., Any]:
    declaration = cls.declaration

    def call(*x: Any, **kw: Any) -> Any:
        if not x:
            raise TypeError(f"{declaration.name}: at least one input must be given")
        n_outputs = kw.pop("n_outputs", -1)
        outputs = kw.pop("outputs", None)
        return apply(cls(**kw), x, n_outputs, outputs)

    return call
