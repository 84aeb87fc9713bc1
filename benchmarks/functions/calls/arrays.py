"""Array manipulation.

Functions that only look at memory in another way are measured between two multiplications, as they stand in a network:
alone they would do nothing in one library, and copy in another what the user might write to.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import nnabla.functions as F
from functions.call import LARGE, SMALL, Call, bits, constant, given, integers, normal, sizes, uniform


def between(function: Callable) -> Callable:
    """`function` between two multiplications."""

    def call(x: object, *others: object) -> object:
        y = function(F.mul_scalar(x, 2.0), *others)
        return [F.mul_scalar(one, 3.0) for one in y] if isinstance(y, (list, tuple)) else F.mul_scalar(y, 3.0)

    return call


def _lengths(batch: int, longest: int) -> np.ndarray:
    return np.sort(np.random.RandomState(5).randint(1, longest + 1, batch))[::-1].astype(np.int64)


def _packed(batch: int, longest: int, features: int) -> tuple:
    lengths = _lengths(batch, longest)
    sizes = np.array([(lengths > t).sum() for t in range(lengths.max())])
    return normal(int(lengths.sum()), features), given(sizes)


def _padded(batch: int, longest: int, features: int) -> tuple:
    lengths = _lengths(batch, longest)
    return normal(int(lengths.max()), batch, features), given(lengths)


def _half(*shape: int) -> np.ndarray:
    """1 and 0 in turn: masks with a number of ones that is known."""
    return (np.arange(np.prod(shape)) % 2 == 0).reshape(shape).astype(np.float32)


def _places(rows: int, columns: int, count: int) -> np.ndarray:
    """Pairs of indices, all different, shape ``(2, count)``."""
    flat = np.random.RandomState(7).permutation(rows * columns)[:count]
    return np.stack([flat // columns, flat % columns]).astype(np.int64)


MATRIX, MATRICES = (normal(64, 256),), (normal(2048, 2048),)
STACK, STACKS = (normal(4, 64, 64),), (normal(64, 256, 256),)

CALLS = [
    Call("concatenate", lambda *x: F.concatenate(*x, axis=1), (normal(64, 128),) * 2, (normal(2048, 1024),) * 2),
    Call("stack", lambda *x: F.stack(*x, axis=1), (normal(64, 128),) * 2, (normal(2048, 1024),) * 2),
    Call("split", between(lambda x: F.split(x, axis=1)), (normal(64, 4, 64),), (normal(2048, 4, 512),)),
    Call(
        "slice",
        between(lambda x: F.slice(x, (0, 4), (x.shape[0], x.shape[1] - 4), (1, 1))),
        MATRIX,
        (normal(4096, 1024),),
    ),
    Call("transpose", between(lambda x: F.transpose(x, (1, 0))), MATRIX, MATRICES),
    Call("reshape", between(lambda x: F.reshape(x, (-1, 16))), MATRIX, MATRICES),
    Call("identity", between(F.identity), *sizes(normal)),
    Call("unlink", between(F.unlink), *sizes(normal, grad=False)),
    Call("broadcast", between(lambda x: F.broadcast(x, (x.shape[0],) * 2)), (normal(128, 1),), (normal(2048, 1),)),
    Call(
        "broadcast_to",
        F.broadcast_to,
        (normal(64, 256, grad=False), normal(256)),
        (normal(4096, 1024, grad=False), normal(1024)),
    ),
    Call("matrix_diag_part", between(F.matrix_diag_part), STACK, STACKS),
    Call("matrix_diag", F.matrix_diag, (normal(4, 64),), (normal(64, 256),)),
    Call("meshgrid", F.meshgrid, (normal(128), normal(128)), (normal(2048), normal(2048))),
    Call("pad", lambda x: F.pad(x, (1, 1, 1, 1)), (normal(8, 16, 12, 12),), (normal(32, 64, 32, 32),)),
    Call("tile", lambda x: F.tile(x, (2, 2)), (normal(64, 64),), (normal(1024, 1024),)),
    Call("flip", lambda x: F.flip(x, [1]), MATRIX, MATRICES),
    Call("shift", lambda x: F.shift(x, (2, -3)), MATRIX, MATRICES),
    Call("sort", lambda x: F.sort(x, axis=1), (uniform(64, 256),), (uniform(512, 1024),)),
    Call("trilu", F.trilu, STACK, STACKS),
    Call("eye_like", F.eye_like, (normal(128, 128, grad=False),), (normal(2048, 2048, grad=False),)),
    Call("one_hot", lambda x: F.one_hot(x, (32,)), (integers(512, 1, high=32),), (integers(65536, 1, high=32),)),
    Call("assign", F.assign, *sizes(normal, 2, grad=False)),
    Call(
        "gather", F.gather, (normal(256, 64), integers(256, high=256)), (normal(8192, 512), integers(4096, high=8192))
    ),
    Call(
        "gather_nd",
        F.gather_nd,
        (normal(128, 128), given(_places(128, 128, 4096))),
        (normal(2048, 2048), given(_places(2048, 2048, 1000000))),
    ),
    Call(
        "scatter_nd",
        lambda x, i: F.scatter_nd(x, i, shape=(2 * x.shape[0], x.shape[1])),
        (normal(128, 128), given(_places(1, 256, 128)[1:])),
        (normal(2048, 512), given(_places(1, 4096, 2048)[1:])),
    ),
    Call(
        "scatter_add",
        lambda x, i, y: F.scatter_add(x, i, y, axis=0),
        (normal(128, 128), integers(128, 128, high=128), normal(128, 128)),
        (normal(1024, 1024), integers(1024, 1024, high=1024), normal(1024, 1024)),
    ),
    Call(
        "bool_gather",
        F.bool_gather,
        (normal(128, 128), given(_half(128, 128))),
        (normal(2048, 2048), given(_half(2048, 2048))),
    ),
    Call(
        "bool_scatter",
        F.bool_scatter,
        (normal(8192), given(_half(128, 128))),
        (normal(2 * 1024**2), given(_half(2048, 2048))),
    ),
    Call(
        "bool_fill", lambda x, m: F.bool_fill(x, m, 2.0), (normal(*SMALL), bits(*SMALL)), (normal(*LARGE), bits(*LARGE))
    ),
    Call("nonzero", F.nonzero, (bits(128, 128),), (bits(2048, 2048),)),
    Call(
        "unique",
        lambda x: F.unique(x, axis=0),
        (given(np.random.RandomState(3).randint(0, 999, 16384).astype(np.float32)),),
        (uniform(1000000, grad=False),),
    ),
    Call(
        "searchsorted",
        F.searchsorted,
        (given(np.sort(np.random.RandomState(1).rand(64, 256).astype(np.float32))), uniform(64, 256, grad=False)),
        (given(np.sort(np.random.RandomState(1).rand(64, 4096).astype(np.float32))), uniform(64, 4096, grad=False)),
    ),
    Call(
        "pack_padded_sequence", lambda x, n: F.pack_padded_sequence(x, n)[0], _padded(16, 16, 64), _padded(64, 64, 512)
    ),
    Call("pad_packed_sequence", lambda x, n: F.pad_packed_sequence(x, n)[0], _packed(16, 16, 64), _packed(64, 64, 512)),
    Call("constant", lambda shape: F.constant(2.0, shape), (), ()),
    Call("arange", lambda shape: F.arange(0, int(np.prod(shape))), (), ()),
    Call("linspace", lambda shape: F.linspace(0, 1, int(np.prod(shape))), (), ()),
    Call("top_k_data", lambda x: F.top_k_data(x, 8), (uniform(64, 256),), (uniform(4096, 1024),)),
    Call("top_k_grad", between(lambda x: F.top_k_grad(x, 8)), (uniform(64, 256),), (uniform(2048, 1024),)),
    Call(
        "clip_grad_by_value",
        lambda x, low, high: F.clip_grad_by_value(F.mul_scalar(x, 2.0), low, high),
        (normal(*SMALL), constant(-1.0, *SMALL), constant(1.0, *SMALL)),
        (normal(*LARGE), constant(-1.0, *LARGE), constant(1.0, *LARGE)),
    ),
    Call("clip_grad_by_norm", between(lambda x: F.clip_grad_by_norm(x, 1.0)), *sizes(normal)),
]
