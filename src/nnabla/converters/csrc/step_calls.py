"""How each function of the runtime is computed by kernels in C: which one, and with which numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..nnb.kernels import shifted
from ..nnb.model import Function, Model, Shape
from .kernel_instances import float_text
from .kernel_texts import ON_BOTH, ON_EACH

Argument = str | Sequence[int]


class Statement(NamedTuple):
    """A call of a kernel.

    Attributes:
        kernel: its name.
        inputs: numbers of variables; ``None`` for one that is not given.
        output: number of a variable.
        arguments: texts, and tables of integers.
    """

    kernel: str
    inputs: Sequence[int | None]
    output: int
    arguments: list[Argument]


CALLS: dict[str, Callable[[Model, Function], Iterator[Statement]]] = {}
"""By type names."""

Caller = Callable[[Model, Function], Iterator[Statement]]


def calls(*type_names: str) -> Callable[[Caller], Caller]:
    """Enter how functions of these types are computed."""

    def enter(function: Caller) -> Caller:
        for name in type_names:
            CALLS[name] = function
        return function

    return enter


def _shape(model: Model, number: int) -> Shape:
    return model.variables[number].shape


def _steps(shape: Sequence[int]) -> list[int]:
    """Distances in memory of neighbours along each axis."""
    found = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        found[axis] = found[axis + 1] * shape[axis + 1]
    return found


def _around(shape: Sequence[int], axis: int) -> tuple[int, int, int]:
    """Numbers of elements before an axis, along it and behind it."""
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


# ---- of elements -------------------------------------------------------------------------------------------


@calls(*ON_EACH)
def on_each(model: Model, f: Function) -> Iterator[Statement]:
    names = [part.split()[-1] for part in ON_EACH[f.type].parameters.split(", ")[1:]]
    values = [float_text(f.arguments[name]) for name in names]
    yield Statement(f.type, f.inputs[:1], f.outputs[0], [str(model.variables[f.outputs[0]].size), *values])


@calls(*ON_BOTH)
def on_both(model: Model, f: Function) -> Iterator[Statement]:
    y = _shape(model, f.outputs[0])
    size = str(math.prod(y))
    shapes = [_shape(model, x) for x in f.inputs]
    if all(shape == y for shape in shapes):
        yield Statement(f.type, f.inputs, f.outputs[0], [size])
        return
    steps = []
    for shape in shapes:
        full = [1] * (len(y) - len(shape)) + list(shape)
        steps.append([0 if d == 1 else s for d, s in zip(full, _steps(full), strict=True)])
    yield Statement(f"{f.type}_spread", f.inputs, f.outputs[0], [size, str(len(y)), y, *steps])


@calls("Dropout")
def dropout(model: Model, f: Function) -> Iterator[Statement]:
    size = str(model.variables[f.outputs[0]].size)
    yield Statement("MulScalar", f.inputs, f.outputs[0], [size, float_text(1 - f.arguments["p"])])


# ---- copies ------------------------------------------------------------------------------------------------


def _strided(model: Model, f: Function, step: Sequence[int], first: int) -> Statement:
    y = _shape(model, f.outputs[0])
    return Statement("copy_strided", f.inputs, f.outputs[0], [str(math.prod(y)), str(len(y)), y, step, str(first)])


@calls("Transpose")
def transpose(model: Model, f: Function) -> Iterator[Statement]:
    steps = _steps(_shape(model, f.inputs[0]))
    yield _strided(model, f, [steps[a] for a in f.arguments["axes"]], 0)


@calls("Slice")
def slice_(model: Model, f: Function) -> Iterator[Statement]:
    steps = _steps(_shape(model, f.inputs[0]))
    first = sum([a * s for a, s in zip(f.arguments["start"], steps, strict=True)])
    yield _strided(model, f, [a * s for a, s in zip(f.arguments["step"], steps, strict=True)], first)


@calls("Flip")
def flip(model: Model, f: Function) -> Iterator[Statement]:
    shape = _shape(model, f.inputs[0])
    steps, axes = _steps(shape), set(f.arguments["axes"])
    first = sum([steps[a] * (shape[a] - 1) for a in axes])
    yield _strided(model, f, [-s if a in axes else s for a, s in enumerate(steps)], first)


@calls("MatrixDiagPart")
def matrix_diag_part(model: Model, f: Function) -> Iterator[Statement]:
    steps = _steps(_shape(model, f.inputs[0]))
    yield _strided(model, f, [*steps[:-2], steps[-2] + steps[-1]], 0)


def _indexed(model: Model, f: Function, sources: Sequence[Sequence[int]], border: float = 0.0) -> Statement:
    """A copy whose element comes from the sum of an entry for each of its axes; none where one is negative.

    Args:
        sources: for each axis of the output, the indices along the axis of the input.
        border: what stands where there is none.
    """
    y, steps = _shape(model, f.outputs[0]), _steps(_shape(model, f.inputs[0]))
    # An axis that has all its elements in their order still needs its entries: they are part of the sum.
    table = [i * s if i >= 0 else -1 for source, s in zip(sources, steps, strict=True) for i in source]
    return Statement(
        "copy_indexed", f.inputs, f.outputs[0], [str(math.prod(y)), str(len(y)), y, table, float_text(border)]
    )


@calls("Shift")
def shift(model: Model, f: Function) -> Iterator[Statement]:
    pairs = zip(_shape(model, f.inputs[0]), f.arguments["shifts"], strict=True)
    yield _indexed(model, f, [shifted(d, by, f.arguments["border_mode"]).tolist() for d, by in pairs])


@calls("Pad")
def pad(model: Model, f: Function) -> Iterator[Statement]:
    widths = f.arguments["pad_width"]
    sources = []
    for d, before, after in zip(_shape(model, f.inputs[0]), widths[::2], widths[1::2], strict=True):
        index = np.arange(d)
        if f.arguments["mode"] == "constant":
            sources.append(np.pad(index, (before, after), constant_values=-1).tolist())
        else:
            sources.append(np.pad(index, (before, after), mode="reflect").tolist())
    yield _indexed(model, f, sources, f.arguments["constant_value"])


@calls("Unpooling")
def unpooling(model: Model, f: Function) -> Iterator[Statement]:
    shape, kernel = _shape(model, f.inputs[0]), f.arguments["kernel"]
    lead = len(shape) - len(kernel)
    factors = [1] * lead + list(kernel)
    yield _indexed(model, f, [np.repeat(np.arange(d), k).tolist() for d, k in zip(shape, factors, strict=True)])


@calls("Concatenate")
def concatenate(model: Model, f: Function) -> Iterator[Statement]:
    axis, first = f.arguments["axis"], 0
    outer, length, inner = _around(_shape(model, f.outputs[0]), axis)
    for x in f.inputs:
        size = _shape(model, x)[axis] * inner
        numbers = (outer, size, size, 0, length * inner, first)
        yield Statement("copy_blocks", [x], f.outputs[0], [str(n) for n in numbers])
        first += size


@calls("Stack")
def stack(model: Model, f: Function) -> Iterator[Statement]:
    outer, length, inner = _around(_shape(model, f.outputs[0]), f.arguments["axis"])
    for i, x in enumerate(f.inputs):
        numbers = (outer, inner, inner, 0, length * inner, i * inner)
        yield Statement("copy_blocks", [x], f.outputs[0], [str(n) for n in numbers])


@calls("Split")
def split(model: Model, f: Function) -> Iterator[Statement]:
    outer, length, inner = _around(_shape(model, f.inputs[0]), f.arguments["axis"])
    for i, y in enumerate(f.outputs):
        numbers = (outer, inner, length * inner, i * inner, inner, 0)
        yield Statement("copy_blocks", f.inputs, y, [str(n) for n in numbers])


# ---- along axes --------------------------------------------------------------------------------------------


@calls("Softmax")
def softmax(model: Model, f: Function) -> Iterator[Statement]:
    numbers = _around(_shape(model, f.inputs[0]), f.arguments["axis"])
    yield Statement("softmax", f.inputs, f.outputs[0], [str(n) for n in numbers])


@calls("Sum")
def sum_(model: Model, f: Function) -> Iterator[Statement]:
    shape, axes = _shape(model, f.inputs[0]), set(f.arguments["axes"])
    steps = _steps(shape)
    kept = [a for a in range(len(shape)) if a not in axes]
    arguments: list[Argument] = []
    for group in (kept, sorted(axes)):
        lengths = [shape[a] for a in group]
        arguments += [str(math.prod(lengths)), str(len(group)), lengths, [steps[a] for a in group]]
    yield Statement("sum", f.inputs, f.outputs[0], arguments)


@calls("CReLU", "CELU")
def both_signs(model: Model, f: Function) -> Iterator[Statement]:
    outer, length, inner = _around(_shape(model, f.inputs[0]), f.arguments["axis"])
    extra = [float_text(f.arguments["alpha"])] if f.type == "CELU" else []
    yield Statement(f.type.lower(), f.inputs, f.outputs[0], [str(outer), str(length * inner), *extra])


@calls("PReLU")
def prelu(model: Model, f: Function) -> Iterator[Statement]:
    shape = _shape(model, f.inputs[0])
    numbers = (1, 1, math.prod(shape))
    if model.variables[f.inputs[1]].size > 1:
        numbers = _around(shape, f.arguments["base_axis"])
    yield Statement("prelu", f.inputs, f.outputs[0], [str(n) for n in numbers])


@calls("BatchNormalization")
def batch_normalization(model: Model, f: Function) -> Iterator[Statement]:
    numbers = _around(_shape(model, f.inputs[0]), f.arguments["axes"][0])
    extra = [float_text(f.arguments["eps"]), str(int(f.arguments["batch_stat"]))]
    yield Statement("batch_normalization", f.inputs, f.outputs[0], [*[str(n) for n in numbers], *extra])


@calls("MeanSubtraction")
def mean_subtraction(model: Model, f: Function) -> Iterator[Statement]:
    shape, axis = _shape(model, f.inputs[0]), f.arguments["base_axis"]
    numbers = (math.prod(shape[:axis]), math.prod(shape[axis:]))
    yield Statement("subtract_rows", f.inputs[:2], f.outputs[0], [str(n) for n in numbers])


@calls("MatrixDiag")
def matrix_diag(model: Model, f: Function) -> Iterator[Statement]:
    shape = _shape(model, f.inputs[0])
    yield Statement("matrix_diag", f.inputs, f.outputs[0], [str(math.prod(shape[:-1])), str(shape[-1])])


# ---- layers ------------------------------------------------------------------------------------------------


@calls("BatchMatmul")
def batch_matmul(model: Model, f: Function) -> Iterator[Statement]:
    a, b = (_shape(model, x) for x in f.inputs)
    numbers = (math.prod(a[:-2]), a[-2], a[-1], b[-1])
    yield Statement("matrix_products", f.inputs, f.outputs[0], [str(n) for n in numbers])


def _layer_inputs(f: Function) -> list[int | None]:
    """Input, weight, factors and bias."""
    x, *rest = f.inputs
    if f.type.startswith("Binary"):
        # The runtime reads the signs alone.
        rest = rest[1:]
    weight, *rest = rest
    factors = rest.pop(0) if f.type.startswith("BinaryWeight") else None
    return [x, weight, factors, rest[0] if rest else None]


@calls("Affine", "BinaryConnectAffine", "BinaryWeightAffine")
def affine(model: Model, f: Function) -> Iterator[Statement]:
    shape, axis = _shape(model, f.inputs[0]), f.arguments["base_axis"]
    rows = math.prod(shape[:axis])
    numbers = (rows, math.prod(shape[axis:]), model.variables[f.outputs[0]].size // rows)
    yield Statement("affine", _layer_inputs(f), f.outputs[0], [str(n) for n in numbers])


def _geometry(
    f: Function,
    samples: int,
    groups: int,
    channels: int,
    outputs: int,
    x: Sequence[int],
    y: Sequence[int],
    kernel: Sequence[int],
) -> list[int]:
    """The numbers that windows take, of three axes: those that are missing come first and have one element."""
    missing = 3 - len(x)
    if missing < 0:
        raise ValueError(f"{f.type}: kernels in C have at most three axes of images")

    def padded(values: Sequence[int], value: int) -> list[int]:
        return [value] * missing + list(values)

    dilation = f.arguments.get("dilation") or [1] * len(x)
    return [
        *(samples, groups, channels, outputs),
        *(*padded(x, 1), *padded(kernel, 1), *padded(y, 1)),
        *(*padded(f.arguments["stride"], 1), *padded(f.arguments["pad"], 0), *padded(dilation, 1)),
    ]


@calls("Convolution", "DepthwiseConvolution", "BinaryConnectConvolution", "BinaryWeightConvolution", "Deconvolution")
def convolution(model: Model, f: Function) -> Iterator[Statement]:
    x, y = _shape(model, f.inputs[0]), _shape(model, f.outputs[0])
    axis = f.arguments["base_axis"]
    inputs = _layer_inputs(f)
    assert inputs[1] is not None
    weight = _shape(model, inputs[1])
    depthwise = f.type == "DepthwiseConvolution"
    groups = x[axis] if depthwise else f.arguments["group"]
    kernel = weight[1:] if depthwise else weight[2:]
    geometry = _geometry(
        f, math.prod(x[:axis]), groups, x[axis] // groups, y[axis] // groups, x[axis + 1 :], y[axis + 1 :], kernel
    )
    if f.type == "Deconvolution":
        yield Statement("deconvolution", [inputs[0], inputs[1], inputs[3]], f.outputs[0], [geometry])
    else:
        yield Statement("convolution", inputs, f.outputs[0], [geometry])


@calls("MaxPooling", "AveragePooling", "SumPooling")
def pooling(model: Model, f: Function) -> Iterator[Statement]:
    x, y, kernel = _shape(model, f.inputs[0]), _shape(model, f.outputs[0]), f.arguments["kernel"]
    lead = len(x) - len(kernel)
    geometry = _geometry(f, math.prod(x[:lead]), 1, 1, 1, x[lead:], y[lead:], kernel)
    kind = ("MaxPooling", "AveragePooling", "SumPooling").index(f.type)
    including = str(int(f.arguments.get("including_pad", True)))
    yield Statement("pooling", f.inputs, f.outputs[0], [str(kind), including, geometry])
