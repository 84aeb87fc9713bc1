"""Reductions and scans."""

from __future__ import annotations

import nnabla.functions as F
from functions.call import Call, normal, uniform

SMALL, LARGE = (64, 256), (2048, 2048)

CALLS = [
    Call("sum", lambda x: F.sum(x, axis=1), (normal(*SMALL),), (normal(*LARGE),)),
    Call("mean", lambda x: F.mean(x, axis=1), (normal(*SMALL),), (normal(*LARGE),)),
    Call("max", lambda x: F.max(x, axis=1), (uniform(*SMALL),), (uniform(*LARGE),)),
    Call("min", lambda x: F.min(x, axis=1), (uniform(*SMALL),), (uniform(*LARGE),)),
    Call(
        "prod",
        lambda x: F.prod(x, axis=1),
        (uniform(*SMALL, low=0.99, high=1.01),),
        (uniform(*LARGE, low=0.99, high=1.01),),
    ),
    Call("norm", lambda x: F.norm(x, axis=1), (normal(*SMALL),), (normal(*LARGE),)),
    Call("cumsum", lambda x: F.cumsum(x, axis=1), (normal(*SMALL),), (normal(*LARGE),)),
    Call(
        "cumprod",
        lambda x: F.cumprod(x, axis=1),
        (uniform(*SMALL, low=0.99, high=1.01),),
        (uniform(*LARGE, low=0.99, high=1.01),),
    ),
    Call("reduce_sum", F.reduce_sum, (normal(*SMALL),), (normal(*LARGE),)),
    Call("reduce_mean", F.reduce_mean, (normal(*SMALL),), (normal(*LARGE),)),
]
