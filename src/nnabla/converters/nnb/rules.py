"""How each function of a network is written with those of the C runtime: the table, and the functions it has itself.

The runtime is that of NNabla 1.39, level 44. Its kernels take axes as numbers from 0, have the channels before the
images, and ignore some arguments; the rules write functions so that they compute what the network does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..rule_tables import entering
from .runtime_network import RuntimeNetwork, Unsupported

if TYPE_CHECKING:
    from ...graph.operator import Operator

Rule = Callable[..., None]

RULES: dict[str, Rule] = {}
"""By type names: ``rule(network, call, *inputs)`` adds the steps that compute `call.outputs`."""


class Call:
    """A function of the network as a rule sees it. The values of its arguments are attributes, settled by the shapes.

    Args:
        operator: the function, which has met inputs of its shapes.
        given: the values of its arguments in the model.
        inputs: names of the inputs; ``None`` for one that is not given.
        outputs: names of the outputs.
    """

    def __init__(
        self, operator: Operator, given: dict[str, Any], inputs: Sequence[str | None], outputs: list[str]
    ) -> None:
        self.operator = operator
        self.given = given
        self.inputs = inputs
        self.outputs = outputs

    def __getattr__(self, name: str) -> Any:
        return getattr(self.operator, name)

    @property
    def type(self) -> str:
        """Type name."""
        return self.operator.declaration.type_name


def rule(*type_names: str) -> Callable[[Rule], Rule]:
    """Enter a rule for functions of these types."""
    return entering(RULES, type_names)


@rule(
    *("Sigmoid", "Swish", "Tanh", "ReLU", "LeakyReLU", "ELU", "SELU", "Sign", "Abs", "Exp", "Log", "Identity", "Round"),
    *("Add2", "Sub2", "Mul2", "Div2", "Pow2", "Minimum2", "Maximum2"),
    *(
        "AddScalar",
        "MulScalar",
        "PowScalar",
        "RSubScalar",
        "RDivScalar",
        "RPowScalar",
        "MinimumScalar",
        "MaximumScalar",
    ),
    *("BinarySigmoid", "BinaryTanh", "MatrixDiag", "MatrixDiagPart"),
)
def as_it_is(g: RuntimeNetwork, f: Call, *inputs: str) -> None:
    """The function has no axes, and the runtime's computes the same."""
    g.call(f.type, inputs, f.outputs, **f.arguments)


@rule("Softmax", "CReLU", "CELU", "Split")
def along_an_axis(g: RuntimeNetwork, f: Call, *inputs: str) -> None:
    g.call(f.type, inputs, f.outputs, **f.arguments | {"axis": _axis(f.axis, len(g.shapes[inputs[0]]))})


@rule("Concatenate")
def concatenate(g: RuntimeNetwork, f: Call, *inputs: str) -> None:
    shape = g.shapes[f.outputs[0]]
    axis = _axis(f.axis, len(g.shapes[inputs[0]]))
    parts = []
    for x in inputs:
        if len(g.shapes[x]) != len(shape):
            # What lies side by side may be divided into axes in another way.
            x = g.reshape(x, (*shape[:axis], g.size(x) * shape[axis] // math.prod(shape), *shape[axis + 1 :]))
        parts.append(x)
    g.call("Concatenate", parts, f.outputs, axis=axis)


@rule("Stack")
def stack(g: RuntimeNetwork, f: Call, *inputs: str) -> None:
    g.call("Stack", inputs, f.outputs, axis=_axis(f.axis, len(g.shapes[inputs[0]]) + 1))


@rule("PReLU")
def prelu(g: RuntimeNetwork, f: Call, x: str, slope: str) -> None:
    g.call("PReLU", [x, slope], f.outputs, base_axis=_axis(f.base_axis, len(g.shapes[x])))


@rule("Sum")
def sum_(g: RuntimeNetwork, f: Call, x: str) -> None:
    axes = _axes(f.axes, g.shapes[x])
    if axes:
        g.call("Sum", [x], f.outputs, axes=axes, keep_dims=bool(f.keep_dims))
    else:
        g.call("Identity", [x], f.outputs)


@rule("Flip")
def flip(g: RuntimeNetwork, f: Call, x: str) -> None:
    g.call("Flip", [x], f.outputs, axes=_axes(f.axes, g.shapes[x]))


@rule("Transpose")
def transpose(g: RuntimeNetwork, f: Call, x: str) -> None:
    g.call("Transpose", [x], f.outputs, axes=[_axis(a, len(g.shapes[x])) for a in f.axes])


@rule("Reshape")
def reshape(g: RuntimeNetwork, f: Call, x: str) -> None:
    # A length that follows from the others stays open, as the original writes it.
    shape = list(f.given.get("shape") or f.shape)
    if shape.count(-1) != 1 or 0 in shape:
        shape = list(g.shapes[f.outputs[0]])
    g.call("Reshape", [x], f.outputs, shape=shape, inplace=bool(f.inplace))


@rule("Shift")
def shift(g: RuntimeNetwork, f: Call, x: str) -> None:
    shifts = [0] * (len(g.shapes[x]) - len(f.shifts)) + list(f.shifts)
    g.call("Shift", [x], f.outputs, shifts=shifts, border_mode=f.border_mode)


@rule("Pad")
def pad(g: RuntimeNetwork, f: Call, x: str) -> None:
    shape = g.shapes[x]
    widths = [0] * (2 * len(shape) - len(f.pad_width)) + list(f.pad_width)
    if f.mode == "reflect":
        x, widths = _mirrored(g, x, widths)
    if f.mode != "repeat":
        g.call("Pad", [x], f.outputs, pad_width=widths, mode=f.mode, constant_value=f.constant_value)
        return
    # Copies of the first and the last element along each axis.
    padded = [axis for axis in range(len(shape)) if widths[2 * axis] or widths[2 * axis + 1]]
    for axis in padded:
        length = g.shapes[x][axis]
        first, last = _cut(g, x, axis, 0, 1), _cut(g, x, axis, length - 1, length)
        parts = [first] * widths[2 * axis] + [x] + [last] * widths[2 * axis + 1]
        if axis == padded[-1]:
            g.call("Concatenate", parts, f.outputs, axis=axis)
            return
        longer = list(g.shapes[x])
        longer[axis] = length + widths[2 * axis] + widths[2 * axis + 1]
        x = g.apply("Concatenate", *parts, shape=tuple(longer), axis=axis)
    g.call("Identity", [x], f.outputs)


def _mirrored(g: RuntimeNetwork, x: str, widths: list[int]) -> tuple[str, list[int]]:
    """An array with as much of a reflected border that what is left is narrower than it, as the runtime wants it.

    The border is reflected at the ends of the array, and again where an image of it ends.
    """
    periods = [d - 1 for d in g.shapes[x]]
    for axis, period in enumerate(periods):
        if not period and any(widths[2 * axis : 2 * axis + 2]):
            longer = list(g.shapes[x])
            longer[axis] = 1 + sum(widths[2 * axis : 2 * axis + 2])
            x = g.apply("Concatenate", *[x] * longer[axis], shape=tuple(longer), axis=axis)
            widths = [0 if i // 2 == axis else w for i, w in enumerate(widths)]
    while any(w >= g.shapes[x][i // 2] for i, w in enumerate(widths) if w):
        shape = g.shapes[x]
        # Whole images, so that it ends again where it is reflected.
        whole = [(d - 1) // p * p if p else 0 for d, p in zip(shape, periods, strict=True)]
        now = [min(w, whole[i // 2]) for i, w in enumerate(widths)]
        wider = tuple([d + p + q for d, p, q in zip(shape, now[::2], now[1::2], strict=True)])
        x = g.apply("Pad", x, shape=wider, pad_width=now, mode="reflect", constant_value=0.0)
        widths = [w - n for w, n in zip(widths, now, strict=True)]
    return x, widths


def _cut(g: RuntimeNetwork, x: str, axis: int, start: int, stop: int) -> str:
    shape = list(g.shapes[x])
    starts, stops = [0] * len(shape), list(shape)
    starts[axis], stops[axis], shape[axis] = start, stop, stop - start
    return g.apply("Slice", x, shape=tuple(shape), start=starts, stop=stops, step=[1] * len(shape))


@rule("Slice")
def slice_(g: RuntimeNetwork, f: Call, x: str) -> None:
    shape = g.shapes[x]
    lead = len(shape) - len(f.step)
    ranges = [range(d) for d in shape[:lead]]
    ranges += [range(*slice(*cut).indices(d)) for d, cut in zip(shape[lead:], _cuts(f, shape[lead:]), strict=True)]
    if any(not len(r) for r in ranges):
        raise Unsupported("the runtime has no empty arrays")
    back = [axis for axis, r in enumerate(ranges) if r.step < 0]
    if back:
        # From the other end, since "down to the first" cannot be written without a negative stop.
        x = g.apply("Flip", x, axes=back)
    starts, stops, steps = [], [], []
    for axis, (d, r) in enumerate(zip(shape, ranges, strict=True)):
        start, step = (d - 1 - r.start, -r.step) if axis in back else (r.start, r.step)
        given = f.stop[axis - lead] if axis >= lead else d
        # The stop as it stands, if it is one from the start and within the array.
        last = (
            given
            if axis not in back and isinstance(given, int) and r.stop == given
            else start + step * (len(r) - 1) + 1
        )
        starts.append(start)
        stops.append(last)
        steps.append(step)
    g.call("Slice", [x], f.outputs, start=starts, stop=stops, step=steps)


def _cuts(f: Call, lengths: Sequence[int]) -> list[tuple[int | None, int | None, int]]:
    # A stop before the first element, which counts from the end, is Python's None.
    return [
        (start, None if step < 0 and stop < -d else stop, step)
        for start, stop, step, d in zip(f.start, f.stop, f.step, lengths, strict=True)
    ]


@rule("BatchMatmul")
def batch_matmul(g: RuntimeNetwork, f: Call, a: str, b: str) -> None:
    # The runtime multiplies what lies there, whatever the flags say.
    batch = g.shapes[f.outputs[0]][:-2]
    sides = []
    for x, turned in ((a, f.transpose_a), (b, f.transpose_b)):
        rank = len(g.shapes[x])
        if turned:
            x = g.transpose(x, [*range(rank - 2), rank - 1, rank - 2])
        if g.shapes[x][:-2] != batch:
            x = broadcast(g, x, (*batch, *g.shapes[x][-2:]))
        sides.append(x)
    g.call("BatchMatmul", sides, f.outputs, transpose_a=False, transpose_b=False)


def broadcast(g: RuntimeNetwork, x: str, shape: Sequence[int]) -> str:
    """A variable repeated along axes of length 1 or that it lacks."""
    if len(g.shapes[x]) < len(shape):
        x = g.reshape(x, [1] * (len(shape) - len(g.shapes[x])) + list(g.shapes[x]))
    zeros = g.constant(np.zeros(shape), word="zeros")
    return g.apply("Add2", x, zeros, shape=tuple(shape), inplace=False)


# ---- layers ------------------------------------------------------------------------------------------------


def _rows(g: RuntimeNetwork, weight: str) -> str:
    """The weight of an affine layer in the order in which the runtime reads it, a row for each output."""
    shape = g.shapes[weight]
    if weight in g.values:
        return g.stored_as(weight, "rows", g.values[weight].reshape(shape[0], -1).T)
    table = weight if len(shape) == 2 else g.reshape(weight, (shape[0], math.prod(shape[1:])))
    return g.reshape(g.transpose(table, (1, 0)), shape)


@rule("Affine")
def affine(g: RuntimeNetwork, f: Call, x: str, weight: str, bias: str | None = None) -> None:
    g.call("Affine", [x, _rows(g, weight), bias], f.outputs, base_axis=_axis(f.base_axis, len(g.shapes[x])))


@rule("BinaryConnectAffine", "BinaryWeightAffine")
def binary_affine(g: RuntimeNetwork, f: Call, x: str, weight: str, binary: str, *rest: str | None) -> None:
    signs, alpha, bias = _signs(g, f, weight, binary, rest)
    inputs = [x, _rows(g, weight), signs, *alpha, bias]
    axis = _axis(f.base_axis, len(g.shapes[x]))
    g.call(f.type, inputs, f.outputs, base_axis=axis, quantize_zero_to=f.quantize_zero_to)


@rule("BinaryConnectConvolution", "BinaryWeightConvolution")
def binary_convolution(g: RuntimeNetwork, f: Call, x: str, weight: str, binary: str, *rest: str | None) -> None:
    _refuse_negative(f)
    signs, alpha, bias = _signs(g, f, weight, binary, rest)
    first = g.stored_as(weight, "first", g.value(weight, "the weight").ravel()[:1])
    g.call(
        f.type,
        [x, first, signs, *alpha, bias],
        f.outputs,
        base_axis=_axis(f.base_axis, len(g.shapes[x])),
        pad=list(f.pad),
        stride=list(f.stride),
        dilation=list(f.dilation),
        group=f.group,
        quantize_zero_to=f.quantize_zero_to,
    )


def _signs(
    g: RuntimeNetwork, f: Call, weight: str, binary: str, rest: Sequence[str | None]
) -> tuple[str, list[str], str | None]:
    """The weights that the runtime reads, and the factors and the bias.

    A function of the network works out signs from the weight in each run; what stands in the other parameter may be
    from before the last step of training.
    """
    values = g.value(weight, "the weight")
    signs = np.where(values == 0, f.quantize_zero_to, np.sign(values)).astype(np.float32)
    affine = f.type.endswith("Affine")
    name = g.stored_as(binary, "signs", signs.reshape(len(signs), -1).T if affine else signs)
    if not f.type.startswith("BinaryWeight"):
        return name, [], rest[0] if rest else None
    sizes = np.abs(values).mean(f._inner, dtype=np.float64).astype(np.float32)
    alpha = str(rest[0])
    return name, [g.stored_as(alpha, "sizes", sizes)], rest[1] if len(rest) > 1 else None


class _Images:
    """Brings images to the order in which the runtime has them, channels first, and back."""

    def __init__(self, g: RuntimeNetwork, f: Call, axis: int) -> None:
        self.g, self.f, self.axis = g, f, axis
        self.moved = bool(getattr(f, "channel_last", False))

    def enter(self, x: str, axis: int | None = None) -> str:
        """An array whose channels are last, with the channels on `axis`, default that of images."""
        if not self.moved:
            return x
        to, rank = self.axis if axis is None else axis, len(self.g.shapes[x])
        return self.g.transpose(x, [*range(to), rank - 1, *range(to, rank - 1)])

    def call(self, type: str, inputs: Sequence[str | None], **arguments: Any) -> None:
        """Add the function, and what brings its result back."""
        g, y = self.g, self.f.outputs[0]
        if not self.moved:
            g.call(type, inputs, self.f.outputs, **arguments)
            return
        shape = g.shapes[y]
        inner = (*shape[: self.axis], shape[-1], *shape[self.axis : -1])
        result = g.variable(inner, type)
        g.call(type, inputs, [result], **arguments)
        axes = [*range(self.axis), *range(self.axis + 1, len(shape)), self.axis]
        g.call("Transpose", [result], [y], axes=axes)


@rule("Convolution", "Deconvolution")
def convolution(g: RuntimeNetwork, f: Call, x: str, weight: str, bias: str | None = None) -> None:
    axis = _axis(f.base_axis, len(g.shapes[x]))
    images = _Images(g, f, axis)
    _refuse_negative(f)
    extra = {"output_padding": list(f.output_padding)} if f.type == "Deconvolution" else {}
    kernel = images.enter(weight, 1)
    images.call(
        f.type,
        [images.enter(x), kernel, bias],
        base_axis=axis,
        pad=list(f.pad),
        stride=list(f.stride),
        dilation=list(f.dilation),
        group=f.group,
        channel_last=False,
        **extra,
    )


@rule("DepthwiseConvolution")
def depthwise_convolution(g: RuntimeNetwork, f: Call, x: str, weight: str, bias: str | None = None) -> None:
    _refuse_negative(f)
    axis = _axis(f.base_axis, len(g.shapes[x]))
    g.call("DepthwiseConvolution", [x, weight, bias], f.outputs, **f.arguments | {"base_axis": axis})


def _refuse_negative(f: Call) -> None:
    if min(f.pad, default=0) < 0:
        raise Unsupported("the runtime has no negative pad")


@rule("MaxPooling", "AveragePooling", "SumPooling")
def pooling(g: RuntimeNetwork, f: Call, x: str) -> None:
    images = _Images(g, f, len(g.shapes[x]) - len(f.kernel) - 1)
    _refuse_negative(f)
    extra = {"including_pad": bool(f.including_pad)} if f.type == "AveragePooling" else {}
    images.call(
        f.type,
        [images.enter(x)],
        kernel=list(f.kernel),
        stride=list(f.stride),
        ignore_border=bool(f.ignore_border),
        pad=list(f.pad),
        channel_last=False,
        **extra,
    )


@rule("Unpooling")
def unpooling(g: RuntimeNetwork, f: Call, x: str) -> None:
    images = _Images(g, f, len(g.shapes[x]) - len(f.kernel) - 1)
    images.call("Unpooling", [images.enter(x)], kernel=list(f.kernel), channel_last=False)


@rule("BatchNormalization")
def batch_normalization(
    g: RuntimeNetwork,
    f: Call,
    x: str,
    beta: str | None = None,
    gamma: str | None = None,
    mean: str | None = None,
    variance: str | None = None,
) -> None:
    shape = g.shapes[x]
    axes = _axes(f.axes, shape)
    if len(f.outputs) > 1:
        raise Unsupported("the runtime gives no mean and variance")
    if len(axes) != 1:
        raise Unsupported(f"the runtime normalizes over the channels of one axis, not of {axes}")
    length = [d if a in axes else 1 for a, d in enumerate(shape)]
    filled = [
        name or g.constant(np.full(length, value), word=word)
        for name, value, word in ((beta, 0, "beta"), (gamma, 1, "gamma"), (mean, 0, "mean"), (variance, 1, "variance"))
    ]
    arguments = {"axes": axes, "decay_rate": f.decay_rate, "eps": f.eps, "batch_stat": bool(f.batch_stat)}
    g.call("BatchNormalization", [x, *filled], f.outputs, **arguments, no_scale=False, no_bias=False)


@rule("MeanSubtraction")
def mean_subtraction(g: RuntimeNetwork, f: Call, x: str, mean: str, count: str) -> None:
    # The mean that is stored, as the runtime has it; a network that still updates its own would take a newer one.
    axis = _axis(f.base_axis, len(g.shapes[x]))
    update = bool(f.update_running_mean)
    g.call("MeanSubtraction", [x, mean, count], f.outputs, base_axis=axis, update_running_mean=update)


@rule("Dropout")
def dropout(g: RuntimeNetwork, f: Call, x: str) -> None:
    # The runtime's multiplies by 1 - p, although what NNabla trained was scaled.
    g.call("Identity", [x], f.outputs)


# ---- axes --------------------------------------------------------------------------------------------------


def _axis(axis: int, rank: int) -> int:
    return int(axis) + rank if axis < 0 else int(axis)


def _axes(axes: Sequence[int] | int | None, shape: Sequence[int]) -> list[int]:
    if axes is None:
        return list(range(len(shape)))
    given = [axes] if isinstance(axes, int) else axes
    return [_axis(a, len(shape)) for a in given]
