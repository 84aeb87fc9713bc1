"""How functions of the runtime are written with operators of TFLite: the table, and those without windows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..nnb.kernels import shifted
from ..nnb.runtime_network import Step
from ..rule_tables import entering
from .flat_graph import FlatGraph, Shape

# From the graph, the step, shapes of its outputs and its inputs to its outputs.
Rule = Callable[..., Any]

RULES: dict[str, Rule] = {}
"""By type names: ``rule(graph, step, shapes, *inputs)`` gives one tensor or several."""


OWN_RULES: dict[str, Rule] = {}
"""Those of functions that TFLite has, but not the runtime: ``rule(graph, function, shapes, *inputs)``, where the
function has its arguments, settled by the shapes, as attributes."""


def own(*type_names: str) -> Callable[[Rule], Rule]:
    """Enter a rule for functions of these types, whether the runtime has them or not."""
    return entering(OWN_RULES, type_names)


def rule(*type_names: str) -> Callable[[Rule], Rule]:
    """Enter a rule for functions of these types."""

    def enter(function: Rule) -> Rule:
        for name in type_names:
            RULES[name] = function
        return function

    return enter


_EACH = {"Sigmoid": "LOGISTIC", "Tanh": "TANH", "ReLU": "RELU", "Abs": "ABS", "Exp": "EXP", "Log": "LOG"}
_OPTIONS_OF_EACH = {"Abs": "AbsOptions", "Exp": "ExpOptions"}
_BOTH = {
    "Add2": "ADD",
    "Sub2": "SUB",
    "Mul2": "MUL",
    "Div2": "DIV",
    "Pow2": "POW",
    "Minimum2": "MINIMUM",
    "Maximum2": "MAXIMUM",
}
_SCALAR = {
    "AddScalar": "ADD",
    "MulScalar": "MUL",
    "PowScalar": "POW",
    "MinimumScalar": "MINIMUM",
    "MaximumScalar": "MAXIMUM",
}
_REVERSED = {"RSubScalar": "SUB", "RDivScalar": "DIV", "RPowScalar": "POW"}


@rule(*_EACH)
def on_each(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    return g.each(_EACH[s.type], x, _OPTIONS_OF_EACH.get(s.type, ""))


@rule(*_BOTH)
def on_both(g: FlatGraph, s: Step, shapes: list[Shape], a: int, b: int) -> int:
    return g.both(_BOTH[s.type], a, b)


@rule(*_SCALAR)
def with_scalar(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    return g.scalar(_SCALAR[s.type], x, s.arguments["val"])


@rule(*_REVERSED)
def of_scalar(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    return g.both(_REVERSED[s.type], g.constant(np.float32(s.arguments["val"])), x)


@rule("Identity", "Dropout")
def identity(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    return x


@rule("Reshape")
def reshape(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    return g.reshape(x, shapes[0])


@rule("Swish")
def swish(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    return g.both("MUL", x, g.each("LOGISTIC", x))


@rule("LeakyReLU")
def leaky_relu(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    return g.each("LEAKY_RELU", x, "LeakyReluOptions", Alpha=s.arguments["alpha"])


def _elu(g: FlatGraph, x: int, alpha: float) -> int:
    if alpha == 1:
        return g.each("ELU", x)
    low = g.scalar("ADD", g.each("EXP", g.scalar("MINIMUM", x, 0.0), "ExpOptions"), -1.0)
    return g.both("ADD", g.each("RELU", x), g.scalar("MUL", low, alpha))


@rule("ELU")
def elu(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    return _elu(g, x, s.arguments["alpha"])


@rule("SELU")
def selu(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    return g.scalar("MUL", _elu(g, x, s.arguments["alpha"]), s.arguments["scale"])


@rule("CReLU")
def crelu(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    return g.concat([g.each("RELU", x), g.each("RELU", g.scalar("MUL", x, -1.0))], s.arguments["axis"])


@rule("CELU")
def celu(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    alpha = s.arguments["alpha"]
    return g.concat([_elu(g, x, alpha), _elu(g, g.scalar("MUL", x, -1.0), alpha)], s.arguments["axis"])


@rule("PReLU")
def prelu(g: FlatGraph, s: Step, shapes: list[Shape], x: int, slope: int) -> int:
    rank, axis = g.rank(x), s.arguments["base_axis"]
    if g.size(slope) > 1:
        slope = g.reshape(slope, [g.size(slope) if a == axis else 1 for a in range(rank)])
    else:
        slope = g.reshape(slope, [1] * rank)
    return g.both("ADD", g.each("RELU", x), g.both("MUL", slope, g.scalar("MINIMUM", x, 0.0)))


@rule("Sign")
def sign(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    # NaN is neither, as 0.
    low = g.where(g.compare("LESS", x, 0.0), g.constant(np.float32(-1)), g.constant(np.float32(s.arguments["alpha"])))
    return g.where(g.compare("GREATER", x, 0.0), g.constant(np.float32(1)), low)


@rule("BinarySigmoid", "BinaryTanh")
def binary(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    low = 0.0 if s.type == "BinarySigmoid" else -1.0
    return g.where(g.compare("GREATER", x, 0.0), g.constant(np.float32(1)), g.constant(np.float32(low)))


@rule("Round")
def round_(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    # Halves away from zero; ROUND takes the even neighbour.
    size = g.each("ABS", x, "AbsOptions")
    whole = g.each("FLOOR", size)
    up = g.compare("GREATER_EQUAL", g.both("SUB", size, whole), 0.5)
    rounded = g.where(up, g.scalar("ADD", whole, 1.0), whole)
    return g.where(g.compare("GREATER_EQUAL", x, 0.0), rounded, g.scalar("MUL", rounded, -1.0))


# ---- axes --------------------------------------------------------------------------------------------------


@rule("Softmax")
def softmax(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    # Over the last axis only.
    axis, rank = s.arguments["axis"], g.rank(x)
    turned = [a for a in range(rank) if a != axis] + [axis]
    y = g.each("SOFTMAX", g.transpose(x, turned), "SoftmaxOptions", Beta=1.0)
    return g.transpose(y, [turned.index(a) for a in range(rank)])


@rule("Sum")
def sum_(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    return g.sum(x, s.arguments["axes"], s.arguments["keep_dims"])


@rule("Concatenate")
def concatenate(g: FlatGraph, s: Step, shapes: list[Shape], *x: int) -> int:
    return g.concat(x, s.arguments["axis"])


@rule("Stack")
def stack(g: FlatGraph, s: Step, shapes: list[Shape], *x: int) -> int:
    return g.op("PACK", x, shapes[0], "PackOptions", ValuesCount=len(x), Axis=s.arguments["axis"])


@rule("Split")
def split(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> list[int]:
    axis, shape, found = s.arguments["axis"], g.shape(x), []
    for i in range(shape[axis]):
        start, stop = [0] * len(shape), list(shape)
        start[axis], stop[axis] = i, i + 1
        found.append(g.reshape(g.slice(x, start, stop), shapes[i]))
    return found


@rule("Slice")
def slice_(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    return g.slice(x, s.arguments["start"], s.arguments["stop"], s.arguments["step"])


@rule("Transpose")
def transpose(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    return g.transpose(x, s.arguments["axes"])


@rule("Flip")
def flip(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    for axis in s.arguments["axes"]:
        x = g.gather(x, range(g.shape(x)[axis])[::-1], axis)
    return x


@rule("Shift")
def shift(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    for axis, by in enumerate(s.arguments["shifts"]):
        x = g.gather(x, shifted(g.shape(x)[axis], by, s.arguments["border_mode"]).tolist(), axis)
    return x


@rule("Unpooling")
def unpooling(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    for axis, k in enumerate(s.arguments["kernel"], g.rank(x) - len(s.arguments["kernel"])):
        x = g.gather(x, np.repeat(np.arange(g.shape(x)[axis]), k).tolist(), axis)
    return x


@rule("Pad")
def pad(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    widths = s.arguments["pad_width"]
    pairs = list(zip(widths[::2], widths[1::2], strict=True))
    if s.arguments["mode"] == "constant":
        return g.pad(x, pairs, s.arguments["constant_value"])
    for axis, pair in enumerate(pairs):
        x = g.gather(x, np.pad(np.arange(g.shape(x)[axis]), pair, mode="reflect").tolist(), axis)
    return x


@rule("MatrixDiag")
def matrix_diag(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    shape = g.shape(x)
    return g.both("MUL", g.reshape(x, [*shape, 1]), g.constant(np.eye(shape[-1])))


@rule("MatrixDiagPart")
def matrix_diag_part(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    return g.sum(g.both("MUL", x, g.constant(np.eye(g.shape(x)[-1]))), [g.rank(x) - 1], False)


# ---- layers ------------------------------------------------------------------------------------------------


@rule("BatchNormalization")
def batch_normalization(
    g: FlatGraph, s: Step, shapes: list[Shape], x: int, beta: int, gamma: int, mean: int, variance: int
) -> int:
    rank, (axis,) = g.rank(x), s.arguments["axes"]
    shape = [g.shape(x)[axis] if a == axis else 1 for a in range(rank)]
    beta, gamma, mean, variance = (g.reshape(p, shape) for p in (beta, gamma, mean, variance))
    if s.arguments["batch_stat"]:
        others = [a for a in range(rank) if a != axis]
        mean = g.sum(x, others, True, "MEAN")
        d = g.both("SUB", x, mean)
        variance = g.sum(g.both("MUL", d, d), others, True, "MEAN")
    values = [g.value(p) for p in (beta, gamma, mean, variance)]
    if all(v is not None for v in values):
        b, c, m, v = (np.asarray(each, np.float64) for each in values)
        scale = c / np.sqrt(v + s.arguments["eps"])
        return g.both("ADD", g.both("MUL", x, g.constant(scale)), g.constant(b - m * scale))
    root = g.each("SQRT", g.scalar("ADD", variance, s.arguments["eps"]))
    scaled = g.both("MUL", g.both("SUB", x, mean), g.both("DIV", gamma, root))
    return g.both("ADD", scaled, beta)


@rule("MeanSubtraction")
def mean_subtraction(g: FlatGraph, s: Step, shapes: list[Shape], x: int, mean: int, count: int) -> int:
    return g.both("SUB", x, g.reshape(mean, g.shape(x)[s.arguments["base_axis"] :]))


@rule("BatchMatmul")
def batch_matmul(g: FlatGraph, s: Step, shapes: list[Shape], a: int, b: int) -> int:
    return g.op("BATCH_MATMUL", [a, b], shapes[0], "BatchMatMulOptions")


def _affine(g: FlatGraph, s: Step, shape: Shape, x: int, weight: int, bias: int | None, factors: int | None) -> int:
    axis = s.arguments["base_axis"]
    rows, inputs = math.prod(g.shape(x)[:axis]), math.prod(g.shape(x)[axis:])
    outputs = math.prod(shape) // rows
    flat, table = g.reshape(x, [rows, inputs]), g.reshape(weight, [outputs, inputs])
    row = None if bias is None else g.reshape(bias, [outputs])
    if g.value(table) is None:
        y = g.op("BATCH_MATMUL", [flat, table], [rows, outputs], "BatchMatMulOptions", AdjY=True)
    elif factors is None and (row is None or g.value(row) is not None):
        given = [flat, table, -1 if row is None else row]
        return g.reshape(g.op("FULLY_CONNECTED", given, [rows, outputs], "FullyConnectedOptions"), shape)
    else:
        y = g.op("FULLY_CONNECTED", [flat, table, -1], [rows, outputs], "FullyConnectedOptions")
    if factors is not None:
        y = g.both("MUL", y, g.reshape(factors, [outputs]))
    return g.reshape(y if row is None else g.both("ADD", y, row), shape)


@rule("Affine")
def affine(g: FlatGraph, s: Step, shapes: list[Shape], x: int, weight: int, bias: int | None = None) -> int:
    return _affine(g, s, shapes[0], x, weight, bias, None)


@rule("BinaryConnectAffine")
def binary_connect_affine(
    g: FlatGraph, s: Step, shapes: list[Shape], x: int, weight: int, signs: int, bias: int | None = None
) -> int:
    return _affine(g, s, shapes[0], x, signs, bias, None)


@rule("BinaryWeightAffine")
def binary_weight_affine(
    g: FlatGraph, s: Step, shapes: list[Shape], x: int, weight: int, signs: int, alpha: int, bias: int | None = None
) -> int:
    return _affine(g, s, shapes[0], x, signs, bias, alpha)
