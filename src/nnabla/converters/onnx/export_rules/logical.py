"""Comparisons and logic: 0 and 1 in the network, truth values in ONNX."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..graph_writer import GraphWriter
from .registry import Call, export

COMPARE: dict[str, Callable[[GraphWriter, str, str], str]] = {
    "Equal": lambda g, a, b: g.equal(a, b),
    "NotEqual": lambda g, a, b: g("Not", g.equal(a, b)),
    "Greater": lambda g, a, b: g("Greater", a, b),
    "GreaterEqual": lambda g, a, b: g.at_least(a, b),
    "Less": lambda g, a, b: g("Less", a, b),
    "LessEqual": lambda g, a, b: g.at_least(b, a),
}
COMBINE = {"LogicalAnd": "And", "LogicalOr": "Or", "LogicalXor": "Xor"}


@export(*COMPARE)
def compare(g: GraphWriter, f: Call, x0: str, x1: str) -> str:
    return g.number(COMPARE[f.declaration.type_name](g, x0, x1))


@export(*[f"{name}Scalar" for name in COMPARE])
def compare_with_number(g: GraphWriter, f: Call, x: str) -> str:
    name = f.declaration.type_name.removesuffix("Scalar")
    return g.number(COMPARE[name](g, x, g.constant(f.val)))


@export(*COMBINE)
def combine(g: GraphWriter, f: Call, x0: str, x1: str) -> str:
    return g.number(g(COMBINE[f.declaration.type_name], g.truth(x0), g.truth(x1)))


@export(*[f"{name}Scalar" for name in COMBINE])
def combine_with_truth(g: GraphWriter, f: Call, x: str) -> str:
    name = f.declaration.type_name.removesuffix("Scalar")
    return g.number(g(COMBINE[name], g.truth(x), g.constant(f.val, np.bool_)))


@export("LogicalNot")
def logical_not(g: GraphWriter, f: Call, x: str) -> str:
    return g.number(g("Not", g.truth(x)))


@export("IsNaN")
def is_nan(g: GraphWriter, f: Call, x: str) -> str:
    return g.number(g.is_nan(x))


@export("IsInf")
def is_inf(g: GraphWriter, f: Call, x: str) -> str:
    return g.number(_infinite(g, x))


def _infinite(g: GraphWriter, x: str) -> str:
    return g.equal(g("Abs", x), g.constant(np.inf))


@export("ResetNaN")
def reset_nan(g: GraphWriter, f: Call, x: str) -> str:
    return str(g("Where", g("IsNaN", x), g.constant(f.val), x))


@export("ResetInf")
def reset_inf(g: GraphWriter, f: Call, x: str) -> str:
    return str(g("Where", _infinite(g, x), g.constant(f.val), x))


@export("BoolFill")
def bool_fill(g: GraphWriter, f: Call, data: str, mask: str) -> str:
    return str(g("Where", g.truth(mask), g.constant(f.value), data))


@export("Where")
def where(g: GraphWriter, f: Call, condition: str, x_true: str, x_false: str) -> str:
    given, wanted = g.shape(condition), g.shape(x_true)
    mask = g.unsqueeze(g.truth(condition), range(len(given), len(wanted)))
    return str(g("Where", mask, x_true, x_false))


@export("BinarySigmoid")
def binary_sigmoid(g: GraphWriter, f: Call, x: str) -> str:
    return g.number(g("Greater", x, g.constant(0.0)))


@export("BinaryTanh")
def binary_tanh(g: GraphWriter, f: Call, x: str) -> str:
    return g.choose(g("Greater", x, g.constant(0.0)), 1.0, -1.0)
