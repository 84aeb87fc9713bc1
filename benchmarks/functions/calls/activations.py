"""Activations."""

from __future__ import annotations

import nnabla.functions as F
from functions.call import Call, normal, sizes

NAMES = [
    "sigmoid",
    "swish",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "crelu",
    "celu",
    "gelu",
    "mish",
    "relu6",
    "hard_sigmoid",
    "hard_tanh",
    "log_sigmoid",
    "softplus",
    "softsign",
    "tanh_shrink",
    "sinc",
]

CALLS = [
    *(Call(name, getattr(F, name), *sizes(normal)) for name in NAMES),
    Call("prelu", F.prelu, (normal(64, 16, 16), normal(16)), (normal(64, 64, 32, 32), normal(64))),
    Call("softmax", F.softmax, (normal(64, 256),), (normal(4096, 1024),)),
    Call("log_softmax", F.log_softmax, (normal(64, 256),), (normal(4096, 1024),)),
]
