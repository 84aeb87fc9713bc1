"""Matrices: products, diagonals, triangles, inverses and determinants."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Int
from ..graph.operator import Operator, Shape, operator
from .losses import differentiated
from .shapes import broadcast_shape


@operator("BatchMatmul", "batch_matmul", 1116)
class BatchMatmul(Operator):
    r"""Products of matrices, :math:`y_b = a_b b_b` for each index :math:`b` of the leading axes.

    Inputs:
        a: shape ``(B_1, ..., B_N, M, K)``, or ``(..., K, M)`` with `transpose_a`; at least three axes.
        b: shape ``(B_1, ..., B_N, K, L)``, or ``(..., L, K)`` with `transpose_b`. A leading axis of length 1
            is broadcast against the other input's.
    Args:
        transpose_a: transpose the matrices of `a` first.
        transpose_b: transpose the matrices of `b` first.
    Returns:
        Shape ``(B_1, ..., B_N, M, L)``.
    Raises:
        ShapeError: an input has less than three axes, or shapes do not fit.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.batch_matmul(nn.Variable((8, 2, 3)), nn.Variable((8, 4, 3)), transpose_b=True).shape
        (8, 2, 4)
    """

    transpose_a = Bool(False, "Transpose the matrices of a.")
    transpose_b = Bool(False, "Transpose the matrices of b.")
    is_bilinear = True

    def output_shape(self, a: Shape, b: Shape) -> Shape:
        for name, shape in (("a", a), ("b", b)):
            if len(shape) < 3:
                raise ShapeError(f"batch_matmul: {name} must have at least three axes, not {len(shape)}")
        if len(a) != len(b):
            raise ShapeError(f"batch_matmul: b must have the {len(a)} axes that a has, not {len(b)}")
        m, k = a[:-3:-1] if self.transpose_a else a[-2:]
        inner, n = b[:-3:-1] if self.transpose_b else b[-2:]
        if inner != k:
            raise ShapeError(f"batch_matmul: b must be summed over an axis of length {k}, as a is, not {inner}")
        batch = broadcast_shape(a[:-2], b[:-2], "batch_matmul")
        self._a, self._b, self._y = a, b, (*batch, m, n)
        self._broadcast = a[:-2] != b[:-2]
        # With one axis in front the product is one call: torch.matmul takes longer for small arrays than the product.
        self._multiply: Any = torch.matmul if self._broadcast else torch.bmm
        count = math.prod(batch)
        has_one = self._broadcast or len(a) == 3
        self._flat = None if has_one else ((count, *a[-2:]), (count, *b[-2:]), (count, m, n))
        self.joins_axes = 0 if has_one else len(batch)
        return self._y

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        if self._flat is not None:
            a, b = a.reshape(self._flat[0]), b.reshape(self._flat[1])
        y: Tensor = self._multiply(a.mT if self.transpose_a else a, b.mT if self.transpose_b else b)
        return y if self._flat is None else y.view(self._y)

    def grad(self, need: tuple[bool, ...], dy: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor | None, Tensor | None]:
        multiply, flat = self._multiply, self._flat
        if flat is not None:
            a, b, dy = a.reshape(flat[0]), b.reshape(flat[1]), dy.reshape(flat[2])
        da = db = None
        if need[0]:
            other = b if self.transpose_b else b.mT
            da = multiply(other.mT, dy.mT) if self.transpose_a else multiply(dy, other)
        if need[1]:
            other = a if self.transpose_a else a.mT
            db = multiply(dy.mT, other.mT) if self.transpose_b else multiply(other, dy)
        if self._broadcast:
            da = None if da is None else da.sum_to_size(self._a)
            db = None if db is None else db.sum_to_size(self._b)
        elif flat is not None:
            da = None if da is None else da.view(self._a)
            db = None if db is None else db.view(self._b)
        return da, db


@operator("MatrixDiag", "matrix_diag", 1148)
class MatrixDiag(Operator):
    """Diagonal matrices, with the last axis of `x` on their diagonals: :math:`y_{i, i} = x_i`, and 0
    elsewhere.

    Inputs:
        x: shape ``(M_1, ..., M_K, N)``.
    Returns:
        Shape ``(M_1, ..., M_K, N, N)``.
    Raises:
        ShapeError: `x` is a scalar.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.matrix_diag(nn.NdArray.from_numpy_array([1.0, 2.0])).data
        array([[1., 0.],
               [0., 2.]], dtype=float32)
    """

    grad_aliases = True

    def output_shape(self, x: Shape) -> Shape:
        if not x:
            raise ShapeError("matrix_diag: x must have at least one axis")
        return (*x, x[-1])

    def forward(self, x: Tensor) -> Tensor:
        return x.diag_embed()

    def grad(self, dy: Tensor) -> Tensor:
        return dy.diagonal(0, -2, -1)


@operator("MatrixDiagPart", "matrix_diag_part", 1149)
class MatrixDiagPart(Operator):
    """The diagonals of matrices, :math:`y_i = x_{i, i}`.

    Inputs:
        x: shape ``(M_1, ..., M_K, L, N)`` with ``L >= N``.
    Returns:
        Shape ``(M_1, ..., M_K, N)``.
    Raises:
        ShapeError: `x` has less than two axes, or the matrices are wider than high.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.matrix_diag_part(nn.NdArray.from_numpy_array([[1.0, 2.0], [3.0, 4.0]])).data
        array([1., 4.], dtype=float32)
    """

    view = True

    def output_shape(self, x: Shape) -> Shape:
        if len(x) < 2 or x[-2] < x[-1]:
            raise ShapeError(
                f"matrix_diag_part: x must have two axes at least and matrices not wider than high, got {x}"
            )
        self._rest = x[-2] - x[-1]
        return (*x[:-2], x[-1])

    def forward(self, x: Tensor) -> Tensor:
        return x.diagonal(0, -2, -1)

    def grad(self, dy: Tensor) -> Tensor:
        dx = dy.diag_embed()
        return torch.constant_pad_nd(dx, (0, 0, 0, self._rest)) if self._rest else dx


@operator("Trilu", "trilu", 1150)
class Trilu(Operator):
    r"""The upper or lower triangles of matrices: :math:`y_{i, j} = x_{i, j}` where :math:`j - i \ge k`, or
    :math:`j - i \le k` for the lower ones; zeros elsewhere.

    Inputs:
        x: shape ``(M_1, ..., M_K, L, N)``: matrices of ``L`` rows and ``N`` columns.
    Args:
        k: which diagonal ends the triangle: 0 the main one, positive ones above it, negative ones below.
        upper: the triangle above the diagonal, else the one below. The diagonal belongs to it.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: `x` has less than two axes.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.trilu(nn.NdArray.from_numpy_array([[1.0, 2.0], [3.0, 4.0]]), k=1).data
        array([[0., 2.],
               [0., 0.]], dtype=float32)
    """

    k = Int(0, "Which diagonal ends the triangle.")
    upper = Bool(True, "The triangle above the diagonal, else the one below.")

    def output_shape(self, x: Shape) -> Shape:
        if len(x) < 2:
            raise ShapeError(f"trilu: x must have at least two axes, not {len(x)}")
        return x

    def forward(self, x: Tensor) -> Tensor:
        return x.triu(self.k) if self.upper else x.tril(self.k)

    def grad(self, dy: Tensor) -> Tensor:
        return dy.triu(self.k) if self.upper else dy.tril(self.k)


class SquareMatrices(Operator):
    """An operator on a batch of square matrices, computed in single precision at least."""

    full_precision = True

    def square(self, x: Shape) -> Shape:
        """The shape of `x`.

        Raises:
            ShapeError: it is not that of a batch of square matrices.
        """
        if len(x) != 3 or x[1] != x[2]:
            name = self.declaration.name
            raise ShapeError(f"{name}: x must have shape (B, N, N), a batch of square matrices, not {x}")
        return x


@operator("BatchInv", "batch_inv", 1153)
class BatchInv(SquareMatrices):
    """The inverses of matrices, :math:`y_b = x_b^{-1}`. That of a singular matrix holds infinities or NaN.

    Inputs:
        x: shape ``(B, N, N)``.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: `x` has another number of axes, or the matrices are not square.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.batch_inv(nn.NdArray.from_numpy_array([[[2.0, 0.0], [0.0, 4.0]]])).data
        array([[[0.5 , 0.  ],
                [0.  , 0.25]]], dtype=float32)
    """

    def output_shape(self, x: Shape) -> Shape:
        return self.square(x)

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.inv_ex(x).inverse

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        transposed = y.mT
        return -(transposed @ dy @ transposed)


@operator("BatchDet", "batch_det", 1152)
class BatchDet(SquareMatrices):
    r"""The determinants of matrices, :math:`y_b = \det x_b`.

    Inputs:
        x: shape ``(B, N, N)``.
    Returns:
        Shape ``(B,)``. The gradient holds the cofactors, which are finite for singular matrices, too.
    Raises:
        ShapeError: `x` has another number of axes, or the matrices are not square.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.batch_det(nn.NdArray.from_numpy_array([[[2.0, 1.0], [0.0, 4.0]]])).data
        array([8.], dtype=float32)
    """

    held = ("y",)
    grad_is_differentiable = True

    def output_shape(self, x: Shape) -> Shape:
        return self.square(x)[:1]

    def forward(self, x: Tensor) -> Tensor:
        factors, pivots, _ = torch.linalg.lu_factor_ex(x)
        return _determinants(factors, pivots)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        if differentiated(x) or differentiated(dy):
            return dy[:, None, None] * _differentiable_cofactors(x)
        return dy[:, None, None] * _cofactors(x)


def _determinants(factors: Tensor, pivots: Tensor) -> Tensor:
    """The determinants of matrices of which these are the LU factors."""
    exchanges = (pivots != torch.arange(1, pivots.shape[1] + 1, device=pivots.device)).sum(1)
    return factors.diagonal(dim1=1, dim2=2).prod(1) * (1 - exchanges % 2 * 2)


def _nearly_singular(factors: Tensor) -> Tensor:
    """For each matrix with these LU factors whether its inverse would lose more than half of the digits."""
    sizes = factors.diagonal(dim1=1, dim2=2).abs()
    if not sizes.shape[1]:
        return sizes.new_zeros(len(sizes), dtype=torch.bool)
    return sizes.amin(1) <= sizes.amax(1) * math.sqrt(torch.finfo(factors.dtype).eps)


def _cofactors(x: Tensor) -> Tensor:
    """The cofactors of all elements, which are the derivatives of the determinants.

    Those of a regular matrix are its determinant times the transposed inverse. Where that is 0 times infinity, or
    nearly, they come from the singular values: :math:`\\det(U V) \\, U \\mathrm{diag}(\\prod_{j \\ne i} s_j) V`.
    """
    factors, pivots, _ = torch.linalg.lu_factor_ex(x)
    eye = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    determinants = _determinants(factors, pivots)
    y = torch.linalg.lu_solve(factors, pivots, determinants[:, None, None] * eye, adjoint=True)
    wrong = _nearly_singular(factors) & x.isfinite().all(2).all(1)
    if wrong.any():
        u, s, v = torch.linalg.svd(x[wrong])
        n = s.shape[1]
        others = s[:, None, :].expand(-1, n, n).masked_fill(torch.eye(n, dtype=torch.bool, device=s.device), 1).prod(2)
        y[wrong] = (torch.linalg.det(u) * torch.linalg.det(v))[:, None, None] * (u * others[:, None, :] @ v)
    return y


class _Determinant(torch.autograd.Function):
    """The determinants of matrices, singular ones, too, to be differentiated any number of times."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.linalg.det(x)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return dy[:, None, None] * _differentiable_cofactors(x)


def _differentiable_cofactors(x: Tensor) -> Tensor:
    """The same as `_cofactors`, to be differentiated in turn."""
    if not differentiated(x):
        return _cofactors(x)
    factors, _, _ = torch.linalg.lu_factor_ex(x.detach())
    n = x.shape[1]
    if not _nearly_singular(factors).any() or n == 0:
        return torch.linalg.det(x)[:, None, None] * torch.linalg.inv_ex(x).inverse.mT
    # By their definition: determinants without one row and one column.
    number = torch.arange(n, device=x.device)
    rest = torch.stack([number[number != i] for i in range(n)])
    minors = x[:, rest[:, None, :, None], rest[None, :, None, :]]
    sign = 1 - (number[:, None] + number) % 2 * 2
    return _Determinant.apply(minors.reshape(-1, n - 1, n - 1)).view(-1, n, n) * sign


@operator("BatchLogdet", "batch_logdet", 1154)
class BatchLogdet(SquareMatrices):
    r"""The logarithms of the absolute determinants of matrices, :math:`y_b = \log |\det x_b|`.

    Inputs:
        x: shape ``(B, N, N)``.
    Returns:
        Shape ``(B,)``; minus infinity for a singular matrix.
    Raises:
        ShapeError: `x` has another number of axes, or the matrices are not square.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.batch_logdet(nn.NdArray.from_numpy_array([[[1.0, 1.0], [0.0, -1.0]]])).data
        array([0.], dtype=float32)
    """

    grad_is_differentiable = True

    def output_shape(self, x: Shape) -> Shape:
        return self.square(x)[:1]

    def forward(self, x: Tensor) -> Tensor:
        factors, _, _ = torch.linalg.lu_factor_ex(x)
        return factors.diagonal(dim1=1, dim2=2).abs().log().sum(1)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        scales = dy[:, None, None]
        if differentiated(x):
            return scales * torch.linalg.inv_ex(x).inverse.mT
        factors, pivots, _ = torch.linalg.lu_factor_ex(x)
        eye = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
        return torch.linalg.lu_solve(factors, pivots, scales * eye, adjoint=True)


@operator("BatchCholesky", "batch_cholesky", 1155)
class BatchCholesky(SquareMatrices):
    """The Cholesky factors of symmetric positive definite matrices: lower triangular :math:`L` with
    :math:`x_b = L L^T`, or :math:`U = L^T`.

    Inputs:
        x: shape ``(B, N, N)``; only the lower triangles are read.
    Args:
        upper: return :math:`U`, else :math:`L`.
    Returns:
        Shape of `x`, triangular. The gradient is that of a symmetric change of `x`.
    Raises:
        ShapeError: `x` has another number of axes, or the matrices are not square.
        ArgumentError: a matrix is not positive definite.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.batch_cholesky(nn.NdArray.from_numpy_array([[[4.0, 2.0], [2.0, 5.0]]])).data
        array([[[2., 0.],
                [1., 2.]]], dtype=float32)
    """

    upper = Bool(False, "Return the upper factor.")
    held = ("y",)

    def output_shape(self, x: Shape) -> Shape:
        return self.square(x)

    def forward(self, x: Tensor) -> Tensor:
        lower, info = torch.linalg.cholesky_ex(x)
        if x.is_cpu and bool(info.any()):
            raise ArgumentError("batch_cholesky: every matrix of x must be positive definite")
        return lower.mT.contiguous() if self.upper else lower
