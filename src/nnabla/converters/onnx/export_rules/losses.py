"""Losses and measures, element by element as NNabla has them."""

from __future__ import annotations

import numpy as np

from ...obstacles import Unsupported
from ..graph_writer import BOOL, GraphWriter
from .registry import Call, export


@export("SquaredError")
def squared_error(g: GraphWriter, f: Call, x0: str, x1: str) -> str:
    d = g("Sub", x0, x1)
    return str(g("Mul", d, d))


@export("AbsoluteError")
def absolute_error(g: GraphWriter, f: Call, x0: str, x1: str) -> str:
    return str(g("Abs", g("Sub", x0, x1)))


@export("HuberLoss")
def huber_loss(g: GraphWriter, f: Call, x0: str, x1: str) -> str:
    size = g("Abs", g("Sub", x0, x1))
    line = g.mul(g.add(g.mul(size, 2.0), -f.delta), f.delta)
    return str(g("Where", g("Less", size, g.constant(f.delta)), g("Mul", size, size), line))


@export("EpsilonInsensitiveLoss")
def epsilon_insensitive_loss(g: GraphWriter, f: Call, x0: str, x1: str) -> str:
    return str(g("Relu", g.add(g("Abs", g("Sub", x0, x1)), -f.epsilon)))


@export("SigmoidCrossEntropy")
def sigmoid_cross_entropy(g: GraphWriter, f: Call, x: str, target: str) -> str:
    bits = g.cast(g.index(target), 1)
    return str(g("Sub", g("Softplus", x), g("Mul", x, bits)))


@export("BinaryCrossEntropy")
def binary_cross_entropy(g: GraphWriter, f: Call, x: str, target: str) -> str:
    least = 1.1754943508222875e-38
    one = g("Log", g.extreme("Max", x, least))
    rest = g("Log", g.extreme("Max", g("Sub", g.constant(1.0), x), least))
    zero_part = g("Mul", g("Sub", g.constant(1.0), target), rest)
    return str(g("Neg", g("Add", g("Mul", target, one), zero_part)))


def _chosen(g: GraphWriter, f: Call, x: str, p: str, target: str) -> tuple[str, str]:
    """What stands in `p` at the labels, and the labels in the shape of `x`; 0 where a label is negative."""
    shape = g.shape(x)
    labels = g.index(target)
    if g.rank(target) < len(shape):
        labels = g.unsqueeze(labels, [f._axis])
    if shape[f._axis] < 0:
        raise Unsupported("with an open batch size, the classes must not be along the batch")
    # Labels that are negative are left out: no class has their number.
    numbers = [d if a == f._axis else 1 for a, d in enumerate(shape)]
    classes = g.constant(np.arange(shape[f._axis]).reshape(numbers))
    hit = g.number(g.equal(g.cast(labels, 1), classes))
    return g.reduce("ReduceSum", g("Where", g.cast(hit, BOOL), p, g.constant(0.0)), [f._axis], True), hit


@export("SoftmaxCrossEntropy")
def softmax_cross_entropy(g: GraphWriter, f: Call, x: str, target: str) -> str:
    p = g.softmax("LogSoftmax", x, f._axis, g.rank(x))
    return str(g("Neg", _shaped(g, f, _chosen(g, f, x, p, target)[0])))


@export("CategoricalCrossEntropy")
def categorical_cross_entropy(g: GraphWriter, f: Call, x: str, target: str) -> str:
    p = g("Log", g.extreme("Max", x, 1.1754943508222875e-38))
    return str(g("Neg", _shaped(g, f, _chosen(g, f, x, p, target)[0])))


def _shaped(g: GraphWriter, f: Call, y: str) -> str:
    return g.reshape(y, f.shape_out)


@export("TopNError")
def top_n_error(g: GraphWriter, f: Call, x: str, target: str) -> str:
    score, hit = _chosen(g, f, x, x, target)
    rank = g.reduce("ReduceSum", g.number(g.at_least(x, score)), [f._axis], True)
    found = g.reduce("ReduceMax", hit, [f._axis], True)
    wrong = g("Or", g("Greater", rank, g.constant(float(f.n))), g("Not", g.truth(found)))
    return _shaped(g, f, g.number(wrong))


@export("BinaryError")
def binary_error(g: GraphWriter, f: Call, x: str, target: str) -> str:
    half = g.constant(0.5)
    return g.number(g("Xor", g.at_least(x, half), g.at_least(target, half)))


@export("KLMultinomial")
def kl_multinomial(g: GraphWriter, f: Call, p: str, q: str) -> str:
    axis = f.base_axis % g.rank(p)
    terms = g("Mul", p, g("Sub", g("Log", g.add(p, f._SMALL)), g("Log", g.add(q, f._SMALL))))
    y = g.reduce("ReduceSum", terms, range(axis, g.rank(p)), False)
    return g.unsqueeze(y, [axis])


@export("ConfusionMatrix")
def confusion_matrix(g: GraphWriter, f: Call, x: str, target: str) -> str:
    count = g.shape(x)[f._axis]
    if count < 0:
        raise Unsupported("with an open batch size, the classes must not be along the batch")
    labels = g.reshape(g.index(target), [-1])
    predicted = g.reshape(g("ArgMax", x, axis=f._axis, keepdims=0), [-1])
    rows, columns = (g.one_hot(each, count, 1) for each in (labels, predicted))
    return str(g("MatMul", g.transpose(rows, [1, 0]), columns))
