"""Losses and measures of error."""

from __future__ import annotations

import nnabla.functions as F
from functions.call import LARGE, SMALL, Array, Call, bits, integers, normal, sizes, uniform


def _labeled(scores: Array) -> tuple[Array, Array]:
    rows, classes = scores.shape
    return scores, integers(rows, 1, high=classes)


CALLS = [
    Call(
        "sigmoid_cross_entropy", F.sigmoid_cross_entropy, (normal(*SMALL), bits(*SMALL)), (normal(*LARGE), bits(*LARGE))
    ),
    Call(
        "binary_cross_entropy",
        F.binary_cross_entropy,
        (uniform(*SMALL, low=0.01, high=0.99), bits(*SMALL)),
        (uniform(*LARGE, low=0.01, high=0.99), bits(*LARGE)),
    ),
    Call("softmax_cross_entropy", F.softmax_cross_entropy, _labeled(normal(64, 256)), _labeled(normal(4096, 1024))),
    Call(
        "categorical_cross_entropy",
        F.categorical_cross_entropy,
        _labeled(uniform(64, 256, low=0.01)),
        _labeled(uniform(4096, 1024, low=0.01)),
    ),
    Call("squared_error", F.squared_error, *sizes(normal, 2)),
    Call("absolute_error", F.absolute_error, *sizes(uniform, 2)),
    Call("huber_loss", F.huber_loss, *sizes(uniform, 2, low=-2.0, high=2.0)),
    Call("epsilon_insensitive_loss", lambda a, b: F.epsilon_insensitive_loss(a, b, 0.1), *sizes(uniform, 2)),
    Call("kl_multinomial", F.kl_multinomial, (uniform(64, 256, low=0.1),) * 2, (uniform(4096, 1024, low=0.1),) * 2),
    Call(
        "top_n_error",
        lambda x, t: F.top_n_error(x, t, n=5),
        _labeled(uniform(64, 256, grad=False)),
        _labeled(uniform(4096, 1024, grad=False)),
    ),
    Call("binary_error", F.binary_error, *sizes(uniform, 2, grad=False)),
    Call(
        "confusion_matrix",
        F.confusion_matrix,
        _labeled(uniform(512, 32, grad=False)),
        _labeled(uniform(16384, 256, grad=False)),
    ),
]
