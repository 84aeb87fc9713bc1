"""Array manipulation. Views stand between two multiplications, see `calls.arrays`."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as TF
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from functions.formulas.straight_through import with_gradient


def between(function: Callable) -> Callable:
    """`function` between two multiplications."""

    def call(x: Tensor, *others: Tensor) -> object:
        y = function(x * 2.0, *others)
        return tuple([one * 3.0 for one in y]) if isinstance(y, tuple) else y * 3.0

    return call


def shift(x: Tensor) -> Tensor:
    rows = (torch.arange(x.shape[0]) - 2).clamp(0, x.shape[0] - 1)
    columns = (torch.arange(x.shape[1]) + 3).clamp(0, x.shape[1] - 1)
    return x[rows[:, None], columns]


def assign(target: Tensor, x: Tensor) -> Tensor:
    # The result keeps the values when the target changes again.
    target.copy_(x)
    return x.clone()


def scatter_nd(x: Tensor, places: Tensor) -> Tensor:
    return x.new_zeros(2 * x.shape[0], x.shape[1]).index_put((places[0],), x)


def bool_scatter(x: Tensor, mask: Tensor) -> Tensor:
    return x.new_zeros(mask.shape).index_put((mask != 0,), x)


def _top_grad(g: Tensor) -> Tensor:
    values, places = g.topk(8)
    return torch.zeros_like(g).scatter_(1, places, values)


def clip_grad_by_value(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return with_gradient(x * 2.0, lambda g: g.clamp(low, high))


FORMULAS = {
    "concatenate": lambda *x: torch.cat(x, dim=1),
    "stack": lambda *x: torch.stack(x, dim=1),
    "split": between(lambda x: x.unbind(1)),
    "slice": between(lambda x: x[:, 4:-4]),
    "transpose": between(lambda x: x.t()),
    "reshape": between(lambda x: x.view(-1, 16)),
    "identity": between(lambda x: x),
    "unlink": between(lambda x: x.detach()),
    "broadcast": between(lambda x: x.expand(-1, x.shape[0])),
    "broadcast_to": lambda x, y: y.expand(x.shape).contiguous(),
    "matrix_diag_part": between(lambda x: x.diagonal(dim1=1, dim2=2)),
    "matrix_diag": torch.diag_embed,
    "meshgrid": lambda a, b: tuple([one.contiguous() for one in torch.meshgrid(a, b, indexing="xy")]),
    "pad": lambda x: TF.pad(x, (1, 1, 1, 1)),
    "tile": lambda x: x.repeat(2, 2),
    "flip": lambda x: x.flip(1),
    "shift": shift,
    "sort": lambda x: x.sort(1).values,
    "trilu": torch.triu,
    "eye_like": lambda x: torch.eye(*x.shape),
    "one_hot": lambda x: TF.one_hot(x.view(-1), 32).float(),
    "assign": assign,
    "gather": lambda x, i: x.index_select(0, i),
    "gather_nd": lambda x, i: x[i[0], i[1]],
    "scatter_nd": scatter_nd,
    "scatter_add": lambda x, i, y: x.scatter_add(0, i, y),
    "bool_gather": lambda x, mask: x[mask != 0],
    "bool_scatter": bool_scatter,
    "bool_fill": lambda x, mask: x.masked_fill(mask != 0, 2.0),
    "nonzero": lambda x: x.nonzero().t().contiguous(),
    "unique": torch.unique,
    "searchsorted": lambda x, v: torch.searchsorted(x, v).float(),
    "pack_padded_sequence": lambda x, n: pack_padded_sequence(x, n).data,
    "pad_packed_sequence": lambda x, n: pad_packed_sequence(PackedSequence(x, n))[0],
    "constant": lambda shape: torch.full(shape, 2.0),
    "arange": lambda shape: torch.arange(0, shape.numel(), dtype=torch.float32),
    "linspace": lambda shape: torch.linspace(0, 1, shape.numel()),
    "top_k_data": lambda x: x.topk(8).values,
    "top_k_grad": between(lambda x: with_gradient(x.view_as(x), _top_grad)),
    "clip_grad_by_value": clip_grad_by_value,
    "clip_grad_by_norm": between(lambda x: with_gradient(x.view_as(x), lambda g: g / g.norm())),
}
