r"""Arrays as sums of outer products: the canonical polyadic decomposition, by alternating least squares.

.. math::

    X_{i j k} \approx \sum_r \lambda_r A_{i r} B_{j r} C_{k r}

Each factor in turn is the solution of a linear problem in which the others are fixed.

Source: Kolda and Bader, "Tensor Decompositions and Applications", SIAM Review 51 (2009), section 3.4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from ..errors import ArgumentError


class ALS:
    """Alternating least squares, and the products of matrices that it is made of. It has no state."""

    def solve(
        self,
        X: np.ndarray,
        rank: int,
        max_iter: int = 500,
        stopping_criterion: float = 1e-5,
        lambda_reg: float = 0.0,
        dtype: Any = np.float32,
        rng: np.random.RandomState | None = None,
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """Decompose an array.

        Args:
            X: with two axes or more.
            rank: number of terms.
            max_iter: most iterations.
            stopping_criterion: change of the relative error below which it ends; negative for never.
            lambda_reg: factor of the squares of the factors' elements, added to the error.
            dtype: of the result.
            rng: draws the factors that it begins with; default one with a new seed.

        Returns:
            A factor for each axis, shape ``(X.shape[axis], rank)`` with columns of length 1, and the weights of the
            terms, shape ``(rank,)``.

        Raises:
            ArgumentError: `rank` or `max_iter` is below 1, or `X` has less than two axes.

        Example:
            >>> als = ALS()
            >>> X = np.einsum("i,j,k->ijk", [3.0, 4.0], [1.0, 0.0], [0.0, 2.0])
            >>> factors, weights = als.solve(X, 1, rng=np.random.RandomState(0))
            >>> weights.round(4), bool(np.allclose(als.approximate_tensor(factors, weights), X))
            (array([10.], dtype=float32), True)
        """
        X = np.asarray(X)
        if rank < 1 or max_iter < 1 or X.ndim < 2:
            raise ArgumentError(
                "ALS.solve: rank and max_iter must be at least 1 and X have two axes, "
                f"not {rank}, {max_iter} and {X.ndim}"
            )
        rng = np.random.RandomState() if rng is None else rng
        factors = [rng.standard_normal((length, rank)) for length in X.shape]
        factors = fitted(X, factors, max_iter, stopping_criterion, lambda_reg)
        lengths = np.array([np.linalg.norm(factor, axis=0) for factor in factors])
        scaled = [f / np.where(n > 0, n, 1) for f, n in zip(factors, lengths, strict=True)]
        return [factor.astype(dtype) for factor in scaled], np.prod(lengths, axis=0).astype(dtype)

    def khatrirao_product(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Products of the columns: shape ``(I * J, R)`` of ``(I, R)`` and ``(J, R)``.

        Example:
            >>> ALS().khatrirao_product(np.array([[1, 2], [3, 4]]), np.array([[1, 10]]))
            array([[ 1, 20],
                   [ 3, 40]])
        """
        return np.einsum("ir,jr->ijr", X, Y).reshape(-1, X.shape[1])

    def khatrirao_products(self, A: Sequence[np.ndarray], n: int, reverse: bool = True) -> np.ndarray:
        """`khatrirao_product` of all matrices in `A` but that at `n`, from the last to the first if `reverse`."""
        others = [matrix for i, matrix in enumerate(A) if i != n]
        return reduce(self.khatrirao_product, reversed(others) if reverse else others)

    def hadamard_products_of_gramians(self, A: Sequence[np.ndarray], n: int) -> np.ndarray:
        """The element-wise product of ``A[i].T @ A[i]`` for all `i` but `n`, shape ``(R, R)``."""
        return reduce(np.multiply, [matrix.T @ matrix for i, matrix in enumerate(A) if i != n])

    def approximate_tensor(self, A: Sequence[np.ndarray], lmbda: np.ndarray) -> np.ndarray:
        """The array that factors and weights make up."""
        shape = [matrix.shape[0] for matrix in A]
        return (self.khatrirao_products(A, -1, reverse=False) @ np.asarray(lmbda)).reshape(shape)


def fitted(
    tensor: np.ndarray,
    factors: Sequence[np.ndarray],
    max_iter: int,
    stopping_criterion: float,
    lambda_reg: float,
) -> list[np.ndarray]:
    """Factors that fit an array better than those given, one column for each term; in float64.

    Each factor in turn is the solution of a linear problem, ``lambda_reg`` times the squares of its elements
    added. Ends when the relative error changes by less than `stopping_criterion`.
    """
    als = ALS()
    tensor = tensor.astype(np.float64)
    unfolded = [np.moveaxis(tensor, axis, 0).reshape(tensor.shape[axis], -1) for axis in range(tensor.ndim)]
    found = list(factors)
    norm, previous = np.linalg.norm(tensor), math.inf
    ones = np.ones(found[0].shape[1])
    for _ in range(max_iter):
        for axis, matrix in enumerate(unfolded):
            products = als.khatrirao_products(found, axis, reverse=False)
            gram = als.hadamard_products_of_gramians(found, axis) + lambda_reg * np.eye(ones.size)
            found[axis] = np.linalg.lstsq(gram, (matrix @ products).T, rcond=None)[0].T
        error = np.linalg.norm(tensor - als.approximate_tensor(found, ones)) / max(norm, 1e-30)
        if stopping_criterion >= 0 and abs(previous - error) < stopping_criterion:
            break
        previous = error
    return found
