"""Small networks for `nn.compile`, and what some steps of training make of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S

Inputs = list[tuple[nn.Variable, Callable[[np.random.RandomState], np.ndarray]]]
# Loss, inputs with what they are fed, and variables that are looked at.
Network = tuple[nn.Variable, Inputs, list[nn.Variable]]


def uniform(*shape: int) -> tuple[nn.Variable, Any]:
    return nn.Variable(shape), lambda rng: rng.uniform(-1, 1, shape)


def labels(batch: int, classes: int) -> tuple[nn.Variable, Any]:
    return nn.Variable((batch, 1)), lambda rng: rng.randint(0, classes, (batch, 1))


def mlp() -> Network:
    x, t = uniform(6, 5), labels(6, 4)
    h = F.tanh(PF.affine(x[0], 7, name="a"))
    h = F.relu(PF.affine(h, 7, name="b"))
    return F.mean(F.softmax_cross_entropy(PF.affine(h, 4, name="c"), t[0])), [x, t], [h]


def lenet() -> Network:
    x, t = uniform(3, 1, 12, 12), labels(3, 4)
    h = F.relu(F.max_pooling(PF.convolution(x[0], 4, (3, 3), name="conv"), (2, 2)))
    h = F.relu(PF.affine(h, 6, name="fc"))
    return F.mean(F.softmax_cross_entropy(PF.affine(h, 4, name="out"), t[0])), [x, t], [h]


def residual(batch_stat: bool = True) -> Network:
    x, t = uniform(3, 4, 6, 6), labels(3, 4)
    with nn.parameter_scope("one"):
        h = PF.batch_normalization(PF.convolution(x[0], 4, (3, 3), pad=(1, 1)), batch_stat=batch_stat)
    with nn.parameter_scope("two"):
        h = PF.batch_normalization(PF.convolution(F.relu(h), 4, (3, 3), pad=(1, 1)), batch_stat=batch_stat)
    h = F.relu(h + x[0])
    y = PF.affine(F.average_pooling(h, (6, 6)), 4)
    return F.mean(F.softmax_cross_entropy(y, t[0])), [x, t], [h]


def lstm() -> Network:
    x, t = uniform(2, 3, 5), labels(3, 4)
    h = c = nn.Variable((3, 6))
    h.data.zero()
    for x_t in F.split(x[0], axis=0):
        h, c = PF.lstm_cell(x_t, h, c, 6)
    return F.mean(F.softmax_cross_entropy(PF.affine(h, 4), t[0])), [x, t], [h, c]


def gru() -> Network:
    x, t = uniform(2, 3, 5), labels(3, 4)
    h = nn.Variable((3, 6))
    h.data.zero()
    for x_t in F.split(x[0], axis=0):
        update, reset = (F.sigmoid(PF.affine(x_t, 6, name=f"x{g}") + PF.affine(h, 6, name=f"h{g}")) for g in "ur")
        new = F.tanh(PF.affine(x_t, 6, name="xn") + reset * PF.affine(h, 6, name="hn"))
        h = update * h + (1.0 - update) * new
    return F.mean(F.softmax_cross_entropy(PF.affine(h, 4), t[0])), [x, t], [h]


def transformer() -> Network:
    x, t = uniform(2, 5, 8), uniform(2, 5, 8)
    qkv = F.reshape(PF.affine(x[0], 24, base_axis=2, name="qkv"), (2, 5, 3, 2, 4))
    q, k, v = F.split(F.transpose(qkv, (2, 0, 3, 1, 4)), axis=0)
    weights = F.softmax(F.batch_matmul(q, k, transpose_b=True) * 0.5, axis=3)
    y = F.reshape(F.transpose(F.batch_matmul(weights, v), (0, 2, 1, 3)), (2, 5, 8))
    h = PF.layer_normalization(x[0] + PF.affine(y, 8, base_axis=2, name="out"), batch_axis=(0, 1), name="n1")
    inner = F.gelu(PF.affine(h, 16, base_axis=2, name="inner"))
    h = PF.layer_normalization(h + PF.affine(inner, 8, base_axis=2, name="outer"), batch_axis=(0, 1), name="n2")
    return F.mean(F.squared_error(h, t[0])), [x, t], [weights, h]


def penalty() -> Network:
    """A gradient within the loss."""
    x = uniform(4, 5)
    x[0].need_grad = True
    y = PF.affine(F.softplus(PF.affine(x[0], 6, name="a")), 1, name="b")
    (g,) = nn.grad([y], [x[0]])
    length = F.pow_scalar(F.sum(g**2, axis=1), 0.5)
    return F.mean(y) + F.mean((length - 1.0) ** 2), [x], [g]


def mixed() -> Network:
    """Parameters that are shared or fixed, conversions, views, gradients that are not declared, words."""
    x, words = uniform(4, 6), (nn.Variable((4, 3)), lambda rng: rng.randint(0, 9, (4, 3)))
    fixed = nn.parameter.get_parameter_or_create("fixed", (1, 6), need_grad=False)
    shared = nn.parameter.get_parameter_or_create("shared", (6, 6), need_grad=True)
    h = F.affine(F.affine(x[0] * fixed, shared), F.transpose(shared, (1, 0)))
    with nn.context_scope(nn.Context(["cpu:double"])):
        h = F.exp(F.reshape(h, (2, 12)) * 0.1)
    h = F.reshape(h, (4, 6)) + F.sum(PF.embed(words[0], 9, 6), axis=1)
    h = F.concatenate(F.slice(h, (0, 0), (2, 6)), F.slice(h, (2, 0), (4, 6)), axis=0)
    h = F.add_n(h, F.relu(h, inplace=False), F.broadcast(F.mean(h, axis=1, keepdims=True), (4, 6)))
    return F.sum(F.erf(F.sigmoid(h)) ** 2), [x, words], [h]


NETWORKS = {
    "mlp": mlp,
    "lenet": lenet,
    "residual": residual,
    "residual_test": lambda: residual(False),
    "lstm": lstm,
    "gru": gru,
    "transformer": transformer,
    "penalty": penalty,
    "mixed": mixed,
}


def trained(
    build: Callable[[], Network],
    asked: bool,
    forward: dict[str, bool] | None = None,
    backward: dict[str, bool] | None = None,
    steps: int = 3,
    adds: bool = True,
    jointly: bool = False,
) -> dict[str, np.ndarray]:
    """What is there after some steps.

    Args:
        build: makes the network.
        asked: whether it is compiled.
        forward: options of forward.
        backward: options of backward.
        steps: of training.
        adds: whether the last two add their gradients.
        jointly: whether forward and backward are one compiled function.
    """
    nn.clear_parameters()
    loss, inputs, seen = build()
    for i, (name, parameter) in enumerate(nn.get_parameters(grad_only=False).items()):
        values = np.random.RandomState(i).uniform(-0.5, 0.5, parameter.shape)
        parameter.d = np.abs(values) + 0.5 if name.endswith("var") else values
    for v in seen:
        v.persistent = True
    solver = S.Momentum(lr=0.05)
    solver.set_parameters(nn.get_parameters())
    compiled = nn.compile(loss, solver) if asked else None
    rng = np.random.RandomState(7)
    found = {}
    for step in range(steps):
        for variable, draw in inputs:
            variable.d = draw(rng)
        if compiled is not None and jointly:
            compiled.step()
        else:
            loss.forward(**(forward or {}))
            if step < steps - 1 or not adds:
                solver.zero_grad()
            loss.backward(**(backward or {}))
            solver.update()
        found[f"loss {step}"] = loss.d.copy()
    for i, v in enumerate(seen):
        found[f"seen {i}"] = v.d.copy()
    for name, parameter in nn.get_parameters(grad_only=False).items():
        found[name] = parameter.d.copy()
        if parameter.need_grad:
            found[f"gradient of {name}"] = parameter.g.copy()
    return found


def assert_same(ours: dict[str, np.ndarray], expected: dict[str, np.ndarray], tolerance: float = 2e-5) -> None:
    assert ours.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(ours[name], values, tolerance, tolerance, err_msg=name)
