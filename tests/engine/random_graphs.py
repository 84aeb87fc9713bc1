"""Random graphs with everything that programs have to do with: views, other types, users' functions, recomputation."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np

import nnabla as nn
import nnabla.functions as F
from nnabla.function import PythonFunction


class Scaled(PythonFunction):
    """Twice the first input, plus the second."""

    def setup_impl(self, inputs, outputs):
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs, outputs):
        outputs[0].d = 2 * inputs[0].d + inputs[1].d

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        for x, factor, wanted, adds in zip(inputs, (2, 1), propagate_down, accum, strict=True):
            if wanted:
                x.g = x.g * adds + factor * outputs[0].g

    def grad_depends_output_data(self, i, o):
        return False


class Graph(NamedTuple):
    root: nn.Variable
    leaves: list[nn.Variable]
    forward: dict[str, bool]
    backward: dict[str, bool]


SHAPE = (4, 6)
DOUBLE = nn.Context(["cpu:double"])

UNARY = {
    "tanh": F.tanh,
    "sigmoid": F.sigmoid,
    "relu": F.relu,
    "identity": F.identity,
    "mul_scalar": lambda x: F.mul_scalar(x, 0.5),
    "dropout": lambda x: F.dropout(x, 0.3, seed=5),
    "transposed": lambda x: F.transpose(F.transpose(x, (1, 0)), (1, 0)),
    "reshaped": lambda x: F.reshape(F.tanh(F.reshape(x, (-1,))), SHAPE),
    "method": lambda x: x.reshape((2, 12)).reshape(SHAPE),
    "sliced": lambda x: F.concatenate(F.slice(x, (0, 0), (2, 6)), F.slice(x, (2, 0), (4, 6)), axis=0),
    "split": lambda x: F.stack(*F.split(x, axis=0), axis=0),
    "broadcast": lambda x: F.broadcast(F.mean(x, axis=1, keepdims=True), SHAPE),
    "derived": F.erf if hasattr(F, "erf") else F.gelu,
    "gated": lambda x: F.add2(F.tanh(x), F.mul2(F.sigmoid(x), F.sin(x))),
    "softmax": lambda x: F.softmax(x, axis=1),
    "normalized": lambda x: F.layer_normalization(x, None, None, batch_axis=0),
    "constant": lambda x: F.mul2(x, F.greater_scalar(x, 0.0)),
    "unlinked": lambda x: x + x.get_unlinked_variable(need_grad=False),
    "chosen": lambda x: F.embed(F.constant(1, (4,)), x),
    "pooled": lambda x: F.reshape(F.max_pooling(F.reshape(x, (1, 1, *SHAPE)), (1, 1)), SHAPE),
}

BINARY = {
    "add2": F.add2,
    "mul2": F.mul2,
    "sub2": F.sub2,
    "add_n": lambda x, y: F.add_n(x, y, x),
    "user": lambda x, y: Scaled()(x, y),
    "affine": lambda x, y: F.affine(x, F.affine(F.transpose(y, (1, 0)), y)),
    "where": lambda x, y: F.where(F.greater(x, y), x, y),
}


def leaf(rng: random.Random, shape: tuple[int, ...] = SHAPE) -> nn.Variable:
    v = nn.Variable.from_numpy_array(np.random.RandomState(rng.randrange(1000)).uniform(-1, 1, shape))
    v.data.cast(np.float32)
    v.need_grad = rng.random() < 0.9
    return v


def random_graph(seed: int) -> Graph:
    """The same graph for the same seed."""
    rng = random.Random(seed)
    leaves = [leaf(rng) for _ in range(rng.randint(1, 3))]
    leaves[0].need_grad = True
    pool = list(leaves)
    made: list[nn.Variable] = []
    dynamic = rng.random() < 0.2
    with nn.auto_forward(dynamic):
        for _ in range(rng.randint(1, 12)):
            x = rng.choice(pool[-4:])
            context = DOUBLE if rng.random() < 0.15 else nn.get_current_context()
            with nn.context_scope(context):
                if rng.random() < 0.6:
                    y = rng.choice(sorted(UNARY.items()))[1](x)
                elif rng.random() < 0.3:
                    small = leaf(rng, (1, 6))
                    leaves.append(small)
                    y = F.mul2(x, small)
                elif rng.random() < 0.25:
                    # A recurrent network of three steps.
                    w, b, u = leaf(rng, (6, 6)), leaf(rng, (6,)), leaf(rng, (6, 6))
                    leaves += [w, b, u]
                    y = x
                    for _ in range(3):
                        y = F.tanh(F.affine(y, w, b) + F.affine(leaf(rng), u))
                else:
                    y = rng.choice(sorted(BINARY.items()))[1](x, rng.choice(pool))
            made.append(y)
            pool.append(y)
        root = F.sum(made[-1]) if rng.random() < 0.6 else made[-1]
    for v in made:
        v.persistent = rng.random() < 0.1
        v.recompute = rng.random() < 0.15
        if rng.random() < 0.05:
            v.need_grad = False
    if rng.random() < 0.5:
        # Nobody but functions holds the rest.
        del made[:-1], pool[:], v
    forward = {"clear_no_need_grad": rng.random() < 0.6}
    return Graph(root, leaves, forward, {"clear_buffer": rng.random() < 0.6})
