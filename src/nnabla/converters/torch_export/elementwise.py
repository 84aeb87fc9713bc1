"""Operators that work element by element."""

from __future__ import annotations

import math
from typing import Any

from ..obstacles import Unsupported
from ..reading.graph_reader import BOOL, FLOAT, FLOATS, GraphReader, Value, common_shape
from .registry import axis_of, read, value

_OF_ONE = {
    "relu": "ReLU",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "exp": "Exp",
    "log": "Log",
    "abs": "Abs",
    "ceil": "Ceil",
    "floor": "Floor",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "asin": "ASin",
    "acos": "ACos",
    "atan": "ATan",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "asinh": "ASinh",
    "acosh": "ACosh",
    "atanh": "ATanh",
    "erf": "Erf",
    "relu6": "ReLU6",
    "mish": "Mish",
    "silu": "Swish",
}


def _plain(name: str) -> None:
    @read(name)
    def rule(r: GraphReader, x: Value) -> Any:
        return r(_OF_ONE[name], _float(x))


def _float(x: Value) -> Value:
    """What a function of real numbers gives for integers is no integer."""
    return x if x.is_float else x.typed(FLOAT)


for _name in _OF_ONE:
    _plain(_name)


@read("neg")
def neg(r: GraphReader, x: Value) -> Any:
    return r.mul(x, -1.0)


@read("sqrt")
def sqrt(r: GraphReader, x: Value) -> Any:
    return r("PowScalar", _float(x), val=0.5)


@read("rsqrt")
def rsqrt(r: GraphReader, x: Value) -> Any:
    return r("PowScalar", _float(x), val=-0.5)


@read("reciprocal")
def reciprocal(r: GraphReader, x: Value) -> Any:
    return r("RDivScalar", _float(x), val=1.0)


@read("sign")
def sign(r: GraphReader, x: Value) -> Any:
    return r("Sign", x, alpha=0.0)


@read("round")
def round_(r: GraphReader, x: Value) -> Any:
    return r.round_to_even(x)


@read("trunc")
def trunc(r: GraphReader, x: Value) -> Any:
    return r.truncated(x)


@read("expm1")
def expm1(r: GraphReader, x: Value) -> Any:
    return r.add(r("Exp", _float(x)), -1.0)


@read("log1p")
def log1p(r: GraphReader, x: Value) -> Any:
    return r("Log", r.add(_float(x), 1.0))


@read("alias", "clone", "contiguous", "detach", "lift_fresh_copy", "alias_copy", "detach_copy")
def same(r: GraphReader, x: Value, **kwargs: Any) -> Any:
    return x


# ---- two operands ------------------------------------------------------------------------------------------


def _kind(a: Value, b: Any) -> int:
    """The type of the result of arithmetic: a fraction wins, then integers."""
    other = b.dtype if isinstance(b, Value) else FLOAT if isinstance(b, float) else None
    if other is None or a.is_float:
        return a.dtype if a.dtype != BOOL or other is None else int(other)
    return int(other) if other in FLOATS or a.dtype == BOOL else a.dtype


def _both(r: GraphReader, a: Any, b: Any, scalar: str | None, two: str) -> Value:
    if not isinstance(a, Value):
        a = value(r, a)
    if scalar is not None and not isinstance(b, Value):
        return r(scalar, a, val=float(b)).typed(_kind(a, b))
    other = value(r, b)
    return r.two(two, a, other).typed(_kind(a, b))


@read("add")
def add(r: GraphReader, a: Any, b: Any, *, alpha: float = 1) -> Any:
    if alpha != 1:
        b = r.mul(b, alpha) if isinstance(b, Value) else b * alpha
    return _both(r, a, b, "AddScalar", "Add2")


@read("sub")
def sub(r: GraphReader, a: Any, b: Any, *, alpha: float = 1) -> Any:
    if alpha != 1:
        b = r.mul(b, alpha) if isinstance(b, Value) else b * alpha
    if not isinstance(b, Value):
        return _both(r, a, -b, "AddScalar", "Add2")
    return _both(r, a, b, None, "Sub2")


@read("rsub")
def rsub(r: GraphReader, a: Value, b: Any, alpha: float = 1) -> Any:
    return sub(r, b, r.mul(a, alpha))


@read("mul")
def mul(r: GraphReader, a: Any, b: Any) -> Any:
    return _both(r, a, b, "MulScalar", "Mul2")


@read("div")
def div(r: GraphReader, a: Any, b: Any, *, rounding_mode: str | None = None) -> Any:
    left, right = value(r, a), value(r, b)
    y = r.div(left, right)
    if rounding_mode is None:
        return y.typed(_kind(_float(left), b))
    y = r("Floor", y) if rounding_mode == "floor" else r.truncated(y)
    return y.typed(_kind(left, b))


@read("floor_divide")
def floor_divide(r: GraphReader, a: Any, b: Any) -> Any:
    return div(r, a, b, rounding_mode="floor")


@read("fmod")
def fmod(r: GraphReader, a: Any, b: Any) -> Any:
    left, right = value(r, a), value(r, b)
    return r.sub(left, r.mul(r.truncated(r.div(left, right)), right))


@read("remainder")
def remainder(r: GraphReader, a: Any, b: Any) -> Any:
    left, right = value(r, a), value(r, b)
    return r.sub(left, r.mul(r("Floor", r.div(left, right)), right))


@read("pow")
def pow_(r: GraphReader, a: Any, b: Any) -> Any:
    if not isinstance(a, Value):
        return r("RPowScalar", value(r, b), val=float(a))
    return _both(r, a, b, "PowScalar", "Pow2")


@read("maximum")
def maximum(r: GraphReader, a: Value, b: Value) -> Any:
    return r.two("Maximum2", a, b)


@read("minimum")
def minimum(r: GraphReader, a: Value, b: Value) -> Any:
    return r.two("Minimum2", a, b)


@read("atan2")
def atan2(r: GraphReader, a: Value, b: Value) -> Any:
    return r.two("ATan2", a, b)


_COMPARISONS = {"eq": "Equal", "ne": "NotEqual", "lt": "Less", "le": "LessEqual", "gt": "Greater", "ge": "GreaterEqual"}


def _comparison(name: str) -> None:
    @read(name)
    def rule(r: GraphReader, a: Value, b: Any) -> Any:
        if not isinstance(b, Value):
            return r(f"{_COMPARISONS[name]}Scalar", a, val=float(b)).typed(BOOL)
        return r.two(_COMPARISONS[name], a, b).typed(BOOL)


def _pair(name: str, function: str, logical: bool) -> None:
    def rule(r: GraphReader, a: Value, b: Any) -> Any:
        other = value(r, b)
        if logical or (a.dtype == other.dtype == BOOL):
            return r.two(function, a, other).typed(BOOL)
        raise Unsupported("float32 does not hold the bits of integers")

    read(name)(rule)


for _name in _COMPARISONS:
    _comparison(_name)
for _name, _function in (("and", "LogicalAnd"), ("or", "LogicalOr"), ("xor", "LogicalXor")):
    _pair(f"logical_{_name}", _function, True)
    _pair(f"bitwise_{_name}", _function, False)


@read("logical_not")
def logical_not(r: GraphReader, x: Value) -> Any:
    return r("LogicalNot", x).typed(BOOL)


@read("bitwise_not")
def bitwise_not(r: GraphReader, x: Value) -> Any:
    if x.dtype != BOOL:
        raise Unsupported("float32 does not hold the bits of integers")
    return logical_not(r, x)


@read("isnan")
def isnan(r: GraphReader, x: Value) -> Any:
    return r("IsNaN", x).typed(BOOL)


@read("isinf")
def isinf(r: GraphReader, x: Value) -> Any:
    return r("IsInf", x).typed(BOOL)


@read("where")
def where(r: GraphReader, condition: Value, a: Any, b: Any) -> Any:
    left, right = value(r, a), value(r, b)
    shape = common_shape(condition.shape, left.shape, right.shape)
    kind = _kind(left, right)
    return r("Where", *[r.expand(x, shape) for x in (condition, left, right)]).typed(kind)


@read("clamp", "hardtanh")
def clamp(r: GraphReader, x: Value, min: Any = None, max: Any = None) -> Any:
    for bound, name in ((min, "Maximum"), (max, "Minimum")):
        if isinstance(bound, Value):
            x = r.two(f"{name}2", x, bound)
        elif bound is not None:
            x = r(f"{name}Scalar", x, val=float(bound))
    return x


# ---- activations -------------------------------------------------------------------------------------------


@read("leaky_relu")
def leaky_relu(r: GraphReader, x: Value, negative_slope: float = 0.01) -> Any:
    return r("LeakyReLU", x, alpha=negative_slope)


@read("elu")
def elu(r: GraphReader, x: Value, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    return r.mul(r("ELU", r.mul(x, input_scale), alpha=alpha), scale)


@read("gelu")
def gelu(r: GraphReader, x: Value, *, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return r("GELU", x)
    return r.mul(r.mul(x, 0.5), r.add(r("Erf", r.mul(x, math.sqrt(0.5))), 1.0))


@read("hardsigmoid")
def hardsigmoid(r: GraphReader, x: Value) -> Any:
    return r.clip(r.add(r.mul(x, 1 / 6), 0.5), 0.0, 1.0)


@read("hardswish")
def hardswish(r: GraphReader, x: Value) -> Any:
    return r.mul(x, hardsigmoid(r, x))


@read("softplus")
def softplus(r: GraphReader, x: Value, beta: float = 1, threshold: float = 20) -> Any:
    return r("SoftPlus", x, beta=beta)


@read("_softmax", "softmax")
def softmax(r: GraphReader, x: Value, dim: int, half_to_float: Any = None, **kwargs: Any) -> Any:
    return r("Softmax", x, axis=axis_of(dim, x.rank))


@read("_log_softmax", "log_softmax")
def log_softmax(r: GraphReader, x: Value, dim: int, half_to_float: Any = None, **kwargs: Any) -> Any:
    return r("LogSoftmax", x, axis=axis_of(dim, x.rank))


@read("prelu", "_prelu_kernel")
def prelu(r: GraphReader, x: Value, weight: Value) -> Any:
    shape = [1, -1, *[1] * (x.rank - 2)] if weight.rank == 1 and x.rank > 1 else list(weight.shape)
    shape = [math.prod(weight.shape) if d == -1 else d for d in shape]
    return r.sub(r("ReLU", x), r.mul(r("ReLU", r.mul(x, -1.0)), r.reshape(weight, shape)))


@read("glu")
def glu(r: GraphReader, x: Value, dim: int = -1) -> Any:
    axis = axis_of(dim, x.rank)
    half = x.shape[axis] // 2
    a, b = r.cut(x, {axis: (0, half, 1)}), r.cut(x, {axis: (half, 2 * half, 1)})
    return r.mul(a, r("Sigmoid", b))


@read("dropout", "native_dropout")
def dropout(r: GraphReader, x: Value, p: float, train: bool = False) -> Any:
    if train:
        raise Unsupported("the program is one that is trained; export it in eval()")
    return x
