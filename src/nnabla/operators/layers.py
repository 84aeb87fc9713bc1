"""Layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Int
from ..graph.operator import Operator, Shape, operator
from ..graph.tracing import assume, is_traced
from .indexing import first_outside
from .kernels import aten

# Elements. Sums over more rows take longer as a product.
_FEW = 1 << 14


@lru_cache(maxsize=64)
def _ones(count: int, dtype: torch.dtype) -> Tensor:
    """A row of ones, for programs in any mode."""
    with torch.inference_mode(False):
        return torch.ones(1, count, dtype=dtype)


@operator("Affine", "affine", 1001)
class Affine(Operator):
    r"""Fully connected layer, :math:`y = x W + b`, where `x` is flattened to a matrix at `base_axis`.

    Inputs:
        x: shape ``(M_1, ..., M_B, D_1, ..., D_N)`` with ``B = base_axis``.
        weight: shape ``(D, L_1, ..., L_K)``, where ``D`` is the product of the ``D_i``.
        bias: shape ``(L_1, ..., L_K)``, or ``None`` for no bias.
    Args:
        base_axis: number of leading axes kept as batch; a negative value counts from the end.
    Returns:
        Shape ``(M_1, ..., M_B, L_1, ..., L_K)``.
    Raises:
        ShapeError: ``weight.shape[0]`` is not ``D``, or ``bias.shape`` is not ``weight.shape[1:]``.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.affine(nn.Variable((32, 3, 8, 8)), nn.Variable((192, 10))).shape
        (32, 10)

    Source: NNabla function reference, ``Affine``.
    """

    base_axis = Int(1, "Number of leading axes kept as batch; a negative value counts from the end.")
    is_bilinear = True

    def output_shape(self, x: Shape, weight: Shape, bias: Shape | None = None) -> Shape:
        axis = self.base_axis + len(x) if self.base_axis < 0 else self.base_axis
        if not 0 <= axis <= len(x):
            raise ArgumentError(f"affine: base_axis must be in [{-len(x)}, {len(x)}], not {self.base_axis}")
        features = math.prod(x[axis:])
        if len(weight) < 2 or weight[0] != features:
            raise ShapeError(f"affine: weight.shape[0] must be {features}, the size of x from axis {axis}")
        if bias is not None and bias != weight[1:]:
            raise ShapeError(f"affine: bias must have shape {weight[1:]}, that of weight without its first axis")
        self._matrix = (math.prod(x[:axis]), features)
        self._maps = math.prod(weight[1:])
        self._plain = axis == 1 and len(x) == 2 and len(weight) == 2
        # Weight and bias are a matrix and a vector already.
        self._is_flat = len(weight) == 2
        self._x, self._weight = x, weight
        self._y = x[:axis] + weight[1:]
        self.map_axis = axis if len(weight) == 2 else None
        self._sums_by_product = (
            self.device.type == "cpu"
            and self.compute_dtype in (torch.float32, torch.float64)
            and self._matrix[0] * self._maps <= _FEW
        )
        return self._y

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if self._plain:
            return x.mm(weight) if bias is None else torch.addmm(bias, x, weight)
        x = x.reshape(self._matrix)
        if not self._is_flat:
            weight = weight.reshape(self._matrix[1], self._maps)
            bias = None if bias is None else bias.reshape(-1)
        y = x.mm(weight) if bias is None else torch.addmm(bias, x, weight)
        return y.view(self._y)

    def folded(self, weight: Tensor, bias: Tensor | None, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        moved = shift if bias is None else torch.addcmul(shift, bias.double(), scale)
        return (weight * scale).to(weight.dtype), moved.expand(self._maps).to(weight.dtype)

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> Any:
        if self._plain:
            return (
                dy.mm(weight.t()) if need[0] else None,
                x.t().mm(dy) if need[1] else None,
                self._sum_of_rows(dy) if need[2] else None,
            )
        dy = dy.reshape(self._matrix[0], self._maps)
        if self._is_flat:
            return (
                dy.mm(weight.t()).view(self._x) if need[0] else None,
                x.reshape(self._matrix).t().mm(dy) if need[1] else None,
                self._sum_of_rows(dy) if need[2] else None,
            )
        flat = weight.reshape(self._matrix[1], self._maps)
        return (
            dy.mm(flat.t()).view(self._x) if need[0] else None,
            x.reshape(self._matrix).t().mm(dy).view(self._weight) if need[1] else None,
            self._sum_of_rows(dy).view(self._weight[1:]) if need[2] else None,
        )

    def _sum_of_rows(self, dy: Tensor) -> Tensor:
        if not self._sums_by_product or is_traced():
            return dy.sum(0)
        # Products have just run, sums have not: their code has to come into the processor's caches.
        return _ones(self._matrix[0], dy.dtype).mm(dy).view(-1)

    def join(self, x: list[Tensor], weight: Tensor, bias: Tensor | None = None) -> Sequence[Tensor]:
        xs = torch.cat(x) if self._plain else torch.cat([one.reshape(self._matrix) for one in x])
        if not self._is_flat:
            weight = weight.reshape(self._matrix[1], self._maps)
            bias = None if bias is None else bias.reshape(-1)
        y = xs.mm(weight) if bias is None else torch.addmm(bias, xs, weight)
        return y.view(len(x), *self._y).unbind()

    def join_grad(self, need: tuple[bool, ...], dy: list[Tensor], x: list[Tensor], weight: list[Tensor]) -> Any:
        # A recurrent network's weights: one product over all time steps takes the place of one, and a sum, for each.
        if self._plain:
            dys, xs = torch.cat(dy), torch.cat(x)
        else:
            dys = torch.cat([d.reshape(self._matrix[0], self._maps) for d in dy])
            xs = torch.cat([d.reshape(self._matrix) for d in x])
        dw = xs.t().mm(dys).view(self._weight) if need[1] else None
        return None, dw, (dys.sum(0).view(self._weight[1:]) if need[2] else None)

    def add_grad(
        self, need: tuple[bool, ...], totals: Sequence[Tensor | None], dy: Tensor, x: Tensor, weight: Tensor
    ) -> Any:
        total = totals[1]
        if total is None or not need[1]:
            return self.grad(need, dy, x, weight)
        # A recurrent network adds the gradients of each step: the product reads and writes the sum once.
        dx, _, db = self.grad((need[0], False, need[2]), dy, x, weight)
        if self._plain:
            total.addmm_(x.t(), dy)
        else:
            flat = total.view(self._matrix[1], self._maps)
            flat.addmm_(x.reshape(self._matrix).t(), dy.reshape(self._matrix[0], self._maps))
        return dx, total, db


@operator("Embed", "embed", 1017)
class Embed(Operator):
    r"""Rows of a table by their number, :math:`y_{i} = w_{x_i}`.

    Inputs:
        x0: integers in ``[0, V)``, shape ``(I_1, ..., I_N)``; a fraction is cut off. No gradient.
        w: the table, shape ``(V, D_1, ..., D_M)``.
    Returns:
        Shape ``(I_1, ..., I_N, D_1, ..., D_M)``.
    Raises:
        ArgumentError: an entry of `x0` is not in ``[0, V)`` (when values are computed).
        ShapeError: `w` has no axis.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.embed(nn.Variable((16, 20)), nn.Variable((1000, 64))).shape
        (16, 20, 64)

    Source: NNabla function reference, ``Embed``.
    """

    indices = ("x0",)
    constants = ("x0",)
    checks_indices = True

    def output_shape(self, x0: Shape, w: Shape) -> Shape:
        if not w:
            raise ShapeError("embed: w must have at least one axis")
        if not w[0] and 0 not in x0:
            raise ShapeError("embed: w must have rows to choose from")
        self._w = w
        self._y = x0 + w[1:]
        self._table = (w[0], math.prod(w[1:]))
        self._rows = (*x0, self._table[1])
        # A GPU stops working for the whole process when a kernel meets a wrong index, so it is looked at
        # before.
        self._look_first = self.device.type != "cpu"
        return self._y

    def forward(self, x0: Tensor, w: Tensor) -> Tensor:
        if is_traced():
            assume((x0 >= 0) & (x0 < self._w[0]))
            return torch.embedding(w.reshape(self._table), self._inside(x0)).view(self._y)
        if self._look_first and bool(((x0 < 0) | (x0 >= self._w[0])).any()):
            raise self._out_of_range(x0)
        try:
            return torch.embedding(w.reshape(self._table), x0).view(self._y)
        except IndexError:
            raise self._out_of_range(x0) from None

    def _inside(self, x0: Tensor) -> Tensor:
        """`x0`, in a trace with numbers of rows that exist: what is compiled is not safe with others."""
        return x0.clamp(0, self._w[0] - 1) if is_traced() else x0

    def _out_of_range(self, x0: Tensor) -> ArgumentError:
        wrong = first_outside(x0, self._w[0])
        return ArgumentError(f"embed: x0 must be in [0, {self._w[0]}), the rows of w, not {wrong}")

    def grad(self, need: tuple[bool, ...], dy: Tensor, x0: Tensor) -> tuple[None, Tensor | None]:
        if not need[1]:
            return None, None
        dw = aten.embedding_dense_backward(dy.reshape(self._rows), self._inside(x0), self._w[0], -1, False)
        return None, dw.view(self._w)
