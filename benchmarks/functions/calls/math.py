"""Elementary functions, products of matrices, and linear algebra."""

from __future__ import annotations

import numpy as np

import nnabla.functions as F
from functions.call import Array, Call, normal, sizes, uniform

NAMES = ["abs", "exp", "round", "ceil", "floor", "sin", "cos", "tan", "sinh", "cosh", "atan", "asinh", "erf"]


def _definite(*shape: int) -> Array:
    """Symmetric positive definite matrices."""

    def draw(rng: np.random.RandomState, shape: tuple[int, ...]) -> np.ndarray:
        a = rng.standard_normal(shape)
        return (a @ np.swapaxes(a, -1, -2) / shape[-1] + np.eye(shape[-1])).astype(np.float32)

    return Array(draw, shape, True)


CALLS = [
    *(Call(name, getattr(F, name), *sizes(normal)) for name in NAMES),
    Call("log", F.log, *sizes(uniform, low=0.1, high=4.0)),
    Call("asin", F.asin, *sizes(uniform, low=-0.9, high=0.9)),
    Call("acos", F.acos, *sizes(uniform, low=-0.9, high=0.9)),
    Call("atanh", F.atanh, *sizes(uniform, low=-0.9, high=0.9)),
    Call("acosh", F.acosh, *sizes(uniform, low=1.1, high=4.0)),
    Call("atan2", F.atan2, *sizes(normal, 2)),
    Call("batch_matmul", F.batch_matmul, (normal(4, 64, 64),) * 2, (normal(16, 256, 256),) * 2),
    Call(
        "einsum",
        lambda a, b: F.einsum(a, b, equation="bij,bkj->bik"),
        (normal(4, 64, 64),) * 2,
        (normal(16, 256, 256),) * 2,
    ),
    Call("batch_det", F.batch_det, (_definite(16, 32, 32),), (_definite(256, 64, 64),)),
    Call("batch_inv", F.batch_inv, (_definite(16, 32, 32),), (_definite(256, 64, 64),)),
    Call("batch_logdet", F.batch_logdet, (_definite(16, 32, 32),), (_definite(256, 64, 64),)),
    Call("batch_cholesky", F.batch_cholesky, (_definite(16, 32, 32),), (_definite(256, 64, 64),)),
]
