"""Activation functions."""

from __future__ import annotations

from ..graph_writer import GraphWriter
from .registry import Call, export


@export("Sigmoid", "Tanh")
def plain(g: GraphWriter, f: Call, x: str) -> str:
    return str(g(f.declaration.type_name, x))


RULES_BY_NAME = {"ReLU": "Relu", "SoftSign": "Softsign"}


@export("ReLU", "SoftSign")
def renamed(g: GraphWriter, f: Call, x: str) -> str:
    return str(g(RULES_BY_NAME[f.declaration.type_name], x))


@export("Swish")
def swish(g: GraphWriter, f: Call, x: str) -> str:
    return str(g("Mul", x, g("Sigmoid", x)))


@export("LeakyReLU")
def leaky_relu(g: GraphWriter, f: Call, x: str) -> str:
    return str(g("LeakyRelu", x, alpha=f.alpha))


@export("ReLU6")
def relu6(g: GraphWriter, f: Call, x: str) -> str:
    return g.clip(x, 0.0, 6.0)


@export("HardTanh")
def hard_tanh(g: GraphWriter, f: Call, x: str) -> str:
    return g.clip(x, -1.0, 1.0)


@export("HardSigmoid")
def hard_sigmoid(g: GraphWriter, f: Call, x: str) -> str:
    return str(g("HardSigmoid", x, alpha=0.2, beta=0.5))


@export("ELU")
def elu(g: GraphWriter, f: Call, x: str) -> str:
    return _elu(g, x, f.alpha)


def _elu(g: GraphWriter, x: str, alpha: float) -> str:
    return str(g("Elu", x, alpha=float(alpha)))


@export("SELU")
def selu(g: GraphWriter, f: Call, x: str) -> str:
    return str(g("Selu", x, alpha=f.alpha, gamma=f.scale))


@export("CReLU")
def crelu(g: GraphWriter, f: Call, x: str) -> str:
    return str(g("Concat", g("Relu", x), g("Relu", g("Neg", x)), axis=f._axis))


@export("CELU")
def celu(g: GraphWriter, f: Call, x: str) -> str:
    # Two halves; ONNX's Celu is another function.
    return str(g("Concat", _elu(g, x, f.alpha), _elu(g, g("Neg", x), f.alpha), axis=f._axis))


@export("PReLU")
def prelu(g: GraphWriter, f: Call, x: str, slope: str) -> str:
    return str(g("PRelu", x, g.reshape(slope, f._slopes)))


@export("GELU")
def gelu(g: GraphWriter, f: Call, x: str) -> str:
    # NNabla's is the approximation by tanh.
    if g.opset >= 20:
        return str(g("Gelu", x, approximate="tanh"))
    cube = g("Mul", g("Mul", x, x), x)
    inner = g.mul(g("Add", x, g.mul(cube, 0.044715)), 0.7978845608028654)
    return str(g("Mul", g.mul(x, 0.5), g.add(g("Tanh", inner), 1.0)))


@export("Mish")
def mish(g: GraphWriter, f: Call, x: str) -> str:
    return str(g("Mul", x, g("Tanh", g("Softplus", x))))


@export("LogSigmoid")
def log_sigmoid(g: GraphWriter, f: Call, x: str) -> str:
    return str(g("Neg", g("Softplus", g("Neg", x))))


@export("SoftPlus")
def softplus(g: GraphWriter, f: Call, x: str) -> str:
    if f.beta == 1:
        return str(g("Softplus", x))
    return str(g("Div", g("Softplus", g.mul(x, f.beta)), g.constant(f.beta)))


@export("TanhShrink")
def tanh_shrink(g: GraphWriter, f: Call, x: str) -> str:
    return str(g("Sub", x, g("Tanh", x)))


@export("Sinc")
def sinc(g: GraphWriter, f: Call, x: str) -> str:
    return g.where_equal(x, 0.0, g.constant(1.0), g("Div", g("Sin", x), x))


@export("Softmax", "LogSoftmax")
def softmax(g: GraphWriter, f: Call, x: str) -> str:
    return g.softmax(f.declaration.type_name, x, f._axis, g.rank(x))
