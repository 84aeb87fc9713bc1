"""What each operator of a `FlatGraph` is in TensorFlow: the table, and `Calls`, which makes them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import FormatError
from ..rule_tables import entering
from ..tflite.flat_graph import FlatGraph, Operation

Rule = Callable[..., Any]

RULES: dict[str, Rule] = {}
"""By names of operators: ``rule(calls, operation, *inputs)`` gives one tensor or several. Inputs are numbers."""

# Functions that take the inputs, and nothing else.
_PLAIN = {
    "ABS": "abs",
    "ADD": "add",
    "ATAN2": "math.atan2",
    "CEIL": "math.ceil",
    "COS": "cos",
    "DIV": "math.divide",
    "ELU": "nn.elu",
    "EQUAL": "equal",
    "EXP": "exp",
    "FLOOR": "floor",
    "FLOOR_MOD": "math.floormod",
    "GATHER_ND": "gather_nd",
    "GREATER": "greater",
    "GREATER_EQUAL": "greater_equal",
    "LESS": "less",
    "LESS_EQUAL": "less_equal",
    "LOG": "math.log",
    "LOGICAL_AND": "logical_and",
    "LOGICAL_NOT": "logical_not",
    "LOGICAL_OR": "logical_or",
    "LOGISTIC": "sigmoid",
    "LOG_SOFTMAX": "nn.log_softmax",
    "MAXIMUM": "maximum",
    "MINIMUM": "minimum",
    "MUL": "multiply",
    "NOT_EQUAL": "not_equal",
    "POW": "pow",
    "RELU": "nn.relu",
    "RELU6": "nn.relu6",
    "SELECT_V2": "where",
    "SIN": "sin",
    "SOFTMAX": "nn.softmax",
    "SQRT": "sqrt",
    "SUB": "subtract",
    "TANH": "tanh",
}
_REDUCE = {
    "SUM": "reduce_sum",
    "MEAN": "reduce_mean",
    "REDUCE_MAX": "reduce_max",
    "REDUCE_MIN": "reduce_min",
    "REDUCE_PROD": "reduce_prod",
}
# TFLite's numbers of the activations that layers contain.
_ACTIVATIONS = {1: "relu", 3: "relu6"}


class Calls:
    """Calls TensorFlow's functions for the operators of a graph.

    Args:
        tf: the package.
        graph: operators, in the order in which they are called.
        parameter: makes the tensor of a constant of its name and values.

    Attributes:
        tensors: by the numbers that they have in the graph; those of inputs are entered before `run`.
    """

    def __init__(self, tf: Any, graph: FlatGraph, parameter: Callable[[str, np.ndarray], Any]) -> None:
        self.tf = tf
        self.graph = graph
        self.tensors: dict[int, Any] = {}
        self._parameter = parameter

    def run(self) -> None:
        """Call the functions of all operators.

        Raises:
            FormatError: an operator has no counterpart.
        """
        missing = sorted({o.code for o in self.graph.operations} - RULES.keys())
        if missing:
            raise FormatError(f"no rule writes {', '.join(missing)} for TensorFlow")
        for o in self.graph.operations:
            found = RULES[o.code](self, o, *o.inputs)
            results = found if isinstance(found, (list, tuple)) else [found]
            for number, result in zip(o.outputs, results, strict=True):
                self.tensors[number] = result

    def __call__(self, number: int) -> Any:
        """The tensor of a number."""
        if number not in self.tensors:
            self.tensors[number] = self.constant(number, self.values(number))
        return self.tensors[number]

    def constant(self, number: int, values: np.ndarray) -> Any:
        """The tensor of a constant whose values TensorFlow has in another order."""
        return self._parameter(self.graph.tensors[number].name, np.asarray(values, order="C"))

    def integers(self, number: int) -> list[int]:
        """What a constant of integers holds."""
        return [int(v) for v in self.values(number).ravel()]

    def values(self, number: int) -> np.ndarray:
        """What a constant holds."""
        values = self.graph.value(number)
        assert values is not None
        return values

    def with_bias(self, y: Any, o: Operation, bias: int | None) -> Any:
        """A layer's result with its bias, if it has one, and its activation."""
        if bias is not None and bias >= 0:
            y = self.tf.nn.bias_add(y, self(bias))
        return self.activated(y, o)

    def activated(self, y: Any, o: Operation) -> Any:
        """A result with the activation that the operator contains."""
        kind = o.values.get("FusedActivationFunction", 0)
        return getattr(self.tf.nn, _ACTIVATIONS[kind])(y) if kind else y


def rule(*codes: str) -> Callable[[Rule], Rule]:
    """Enter a rule for operators."""
    return entering(RULES, codes)


@rule(*_PLAIN)
def plain(c: Calls, o: Operation, *inputs: int) -> Any:
    return c.activated(operator.attrgetter(_PLAIN[o.code])(c.tf)(*[c(n) for n in inputs]), o)


@rule(*_REDUCE)
def reduce(c: Calls, o: Operation, x: int, axes: int) -> Any:
    return getattr(c.tf, _REDUCE[o.code])(c(x), axis=c.integers(axes), keepdims=bool(o.values.get("KeepDims")))


@rule("ARG_MAX", "ARG_MIN")
def place_of_extremum(c: Calls, o: Operation, x: int, axis: int) -> Any:
    find = c.tf.math.argmax if o.code == "ARG_MAX" else c.tf.math.argmin
    return find(c(x), axis=c.integers(axis)[0], output_type=c.tf.int32)


@rule("CAST")
def cast(c: Calls, o: Operation, x: int) -> Any:
    return c.tf.cast(c(x), c.graph.tensors[o.outputs[0]].dtype)


@rule("LEAKY_RELU")
def leaky_relu(c: Calls, o: Operation, x: int) -> Any:
    return c.tf.nn.leaky_relu(c(x), alpha=o.values.get("Alpha", 0.0))


@rule("GELU")
def gelu(c: Calls, o: Operation, x: int) -> Any:
    return c.tf.nn.gelu(c(x), approximate=bool(o.values.get("Approximate")))


@rule("CUMSUM")
def cumsum(c: Calls, o: Operation, x: int, axis: int) -> Any:
    options = {"exclusive": bool(o.values.get("Exclusive")), "reverse": bool(o.values.get("Reverse"))}
    return c.tf.cumsum(c(x), axis=c.integers(axis)[0], **options)


@rule("TOPK_V2")
def largest(c: Calls, o: Operation, x: int, count: int) -> Any:
    return list(c.tf.math.top_k(c(x), k=c.integers(count)[0]))


# ---- places of elements ------------------------------------------------------------------------------------


@rule("RESHAPE")
def reshape(c: Calls, o: Operation, x: int, shape: int) -> Any:
    return c.tf.reshape(c(x), c.graph.shape(o.outputs[0]))


@rule("TRANSPOSE")
def transpose(c: Calls, o: Operation, x: int, axes: int) -> Any:
    return c.tf.transpose(c(x), c.integers(axes))


@rule("CONCATENATION")
def concatenation(c: Calls, o: Operation, *parts: int) -> Any:
    return c.tf.concat([c(n) for n in parts], axis=o.values.get("Axis", 0))


@rule("PACK")
def pack(c: Calls, o: Operation, *parts: int) -> Any:
    return c.tf.stack([c(n) for n in parts], axis=o.values.get("Axis", 0))


@rule("GATHER")
def gather(c: Calls, o: Operation, x: int, indices: int) -> Any:
    return c.tf.gather(c(x), c(indices), axis=o.values.get("Axis", 0), batch_dims=o.values.get("BatchDims", 0))


@rule("STRIDED_SLICE")
def strided_slice(c: Calls, o: Operation, x: int, start: int, stop: int, step: int) -> Any:
    return c.tf.strided_slice(c(x), *[c.integers(n) for n in (start, stop, step)])


@rule("PAD", "PADV2")
def pad(c: Calls, o: Operation, x: int, widths: int, value: int | None = None) -> Any:
    numbers = c.integers(widths)
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    return c.tf.pad(c(x), pairs, constant_values=0.0 if value is None else c(value))


@rule("ONE_HOT")
def one_hot(c: Calls, o: Operation, x: int, depth: int, on: int, off: int) -> Any:
    return c.tf.one_hot(c(x), c.integers(depth)[0], c(on), c(off), axis=o.values.get("Axis", 0))


# ---- layers ------------------------------------------------------------------------------------------------


@rule("BATCH_MATMUL")
def batch_matmul(c: Calls, o: Operation, a: int, b: int) -> Any:
    turned = {"transpose_a": bool(o.values.get("AdjX")), "transpose_b": bool(o.values.get("AdjY"))}
    return c.tf.matmul(c(a), c(b), **turned)


@rule("FULLY_CONNECTED")
def fully_connected(c: Calls, o: Operation, x: int, weight: int, bias: int | None = None) -> Any:
    table = c.graph.value(weight)
    turned = c.tf.transpose(c(weight)) if table is None else c.constant(weight, table.T)
    return c.with_bias(c.tf.matmul(c(x), turned), o, bias)


@rule("CONV_2D")
def convolution(c: Calls, o: Operation, x: int, weight: int, bias: int | None = None) -> Any:
    # From (maps, height, width, channels), as all weights here.
    kernel = c.constant(weight, c.values(weight).transpose(1, 2, 3, 0))
    y = c.tf.nn.conv2d(c(x), kernel, _strides(o), "VALID", dilations=_dilations(o))
    return c.with_bias(y, o, bias)


@rule("DEPTHWISE_CONV_2D")
def depthwise_convolution(c: Calls, o: Operation, x: int, weight: int, bias: int | None = None) -> Any:
    values = c.values(weight)
    channels = c.graph.shape(x)[3]
    kernel = c.constant(weight, values.reshape(*values.shape[1:3], channels, values.shape[3] // channels))
    strides, dilations = _strides(o), _dilations(o)
    # TensorFlow's has one stride for both axes, and none beside a dilation.
    plain = strides[0] == strides[1] and (max(dilations) == 1 or max(strides) == 1)
    step = [1, *strides, 1] if plain else [1, 1, 1, 1]
    y = c.tf.nn.depthwise_conv2d(c(x), kernel, step, "VALID", dilations=dilations)
    if not plain:
        y = y[:, :: strides[0], :: strides[1], :]
    return c.with_bias(y, o, bias)


@rule("TRANSPOSE_CONV")
def transposed_convolution(c: Calls, o: Operation, shape: int, weight: int, x: int) -> Any:
    kernel = c.constant(weight, c.values(weight).transpose(1, 2, 0, 3))
    return c.tf.nn.conv2d_transpose(c(x), kernel, c.integers(shape), _strides(o), "VALID")


@rule("MAX_POOL_2D", "AVERAGE_POOL_2D")
def pooling(c: Calls, o: Operation, x: int) -> Any:
    pool = c.tf.nn.max_pool2d if o.code == "MAX_POOL_2D" else c.tf.nn.avg_pool2d
    return c.activated(pool(c(x), [o.values["FilterHeight"], o.values["FilterWidth"]], _strides(o), "VALID"), o)


@rule("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
def resize(c: Calls, o: Operation, x: int, size: int) -> Any:
    ops = c.tf.raw_ops
    resized = ops.ResizeBilinear if o.code == "RESIZE_BILINEAR" else ops.ResizeNearestNeighbor
    corners = bool(o.values.get("AlignCorners"))
    # With corners that meet, halves of pixels say nothing, and TensorFlow refuses to be told of both.
    halves = bool(o.values.get("HalfPixelCenters")) and not corners
    return resized(images=c(x), size=c.integers(size), align_corners=corners, half_pixel_centers=halves)


def _strides(o: Operation) -> list[int]:
    return [o.values["StrideH"], o.values["StrideW"]]


def _dilations(o: Operation) -> list[int]:
    return [o.values.get("DilationHFactor", 1), o.values.get("DilationWFactor", 1)]
