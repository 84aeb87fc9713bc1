"""Normalizations."""

from __future__ import annotations

import nnabla.functions as F
from functions.call import Array, Call, constant, normal, uniform


def _channels(*shape: int, statistics: bool = False, z: bool = False) -> tuple[Array, ...]:
    """An image, beta and gamma; running mean and variance; what is added."""
    c = (1, shape[1], 1, 1)
    arrays = [normal(*shape), normal(*c), uniform(*c, low=0.5, high=1.5)]
    if statistics:
        arrays += [normal(*c, grad=False), uniform(*c, grad=False)]
    if z:
        arrays.append(normal(*shape))
    return tuple(arrays)


SMALL, LARGE = (16, 16, 8, 8), (16, 64, 56, 56)
WEIGHT, WEIGHTS = (64, 32, 3, 3), (512, 512, 3, 3)

CALLS = [
    Call(
        "batch_normalization",
        F.batch_normalization,
        _channels(*SMALL, statistics=True),
        _channels(*LARGE, statistics=True),
    ),
    Call(
        "fused_batch_normalization",
        F.fused_batch_normalization,
        _channels(*SMALL, statistics=True, z=True),
        _channels(*LARGE, statistics=True, z=True),
    ),
    Call(
        "group_normalization", lambda x, b, g: F.group_normalization(x, b, g, 8), _channels(*SMALL), _channels(*LARGE)
    ),
    Call("instance_normalization", F.instance_normalization, _channels(*SMALL), _channels(*LARGE)),
    Call(
        "layer_normalization",
        F.layer_normalization,
        (normal(64, 256), normal(1, 256), normal(1, 256)),
        (normal(4096, 1024), normal(1, 1024), normal(1, 1024)),
    ),
    Call(
        "tensor_normalization",
        lambda x, b, g: F.tensor_normalization(x, [1], b, g),
        _channels(*SMALL),
        _channels(*LARGE),
    ),
    Call(
        "norm_normalization",
        lambda x: F.norm_normalization(x, p=2, axes=[1]),
        (normal(64, 256),),
        (normal(4096, 1024),),
    ),
    Call(
        "weight_normalization", F.weight_normalization, (normal(*WEIGHT), normal(64)), (normal(*WEIGHTS), normal(512))
    ),
    Call("weight_standardization", F.weight_standardization, (normal(*WEIGHT),), (normal(*WEIGHTS),)),
    Call(
        "spectral_norm",
        F.spectral_norm,
        (normal(*WEIGHT), normal(64, grad=False)),
        (normal(*WEIGHTS), normal(512, grad=False)),
    ),
    Call(
        "mean_subtraction",
        F.mean_subtraction,
        (normal(64, 256), normal(256, grad=False), constant(0.0)),
        (normal(64, 65536), normal(65536, grad=False), constant(0.0)),
    ),
]
