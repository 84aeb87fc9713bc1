"""Alternating least squares: exact where a decomposition exists, and its products by hand."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
from nnabla.utils.factorization.cpd import ALS

als = ALS()


def factors(*lengths, rank=2, seed=0):
    rng = np.random.RandomState(seed)
    return [rng.standard_normal((length, rank)) for length in lengths]


@pytest.mark.parametrize("lengths", [(5, 4), (4, 3, 5), (3, 4, 2, 3)])
def test_an_array_of_low_rank_is_found(lengths):
    X = als.approximate_tensor(factors(*lengths), np.array([2.0, 3.0]))
    found, weights = als.solve(X, 2, max_iter=2000, stopping_criterion=1e-9, rng=np.random.RandomState(1))
    assert [f.shape for f in found] == [(length, 2) for length in lengths]
    assert all(f.dtype == np.float32 for f in found)
    for factor in found:
        np.testing.assert_allclose(np.linalg.norm(factor, axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(als.approximate_tensor(found, weights), X, atol=2e-3 * np.abs(X).max())


def test_a_matrix_is_approximated_as_by_singular_values():
    X = np.random.RandomState(3).standard_normal((6, 5))
    u, s, v = np.linalg.svd(X)
    found, weights = als.solve(
        X, 2, max_iter=3000, stopping_criterion=-1, dtype=np.float64, rng=np.random.RandomState(0)
    )
    np.testing.assert_allclose(als.approximate_tensor(found, weights), (u[:, :2] * s[:2]) @ v[:2], atol=1e-6)


def test_products():
    A = factors(4, 3, 5)
    for n in range(3):
        first, second = (A[i] for i in range(3) if i != n)
        product = np.stack([np.kron(first[:, r], second[:, r]) for r in range(2)], axis=1)
        np.testing.assert_allclose(als.khatrirao_products(A, n, reverse=False), product)
        product = np.stack([np.kron(second[:, r], first[:, r]) for r in range(2)], axis=1)
        np.testing.assert_allclose(als.khatrirao_products(A, n), product)
        np.testing.assert_allclose(als.hadamard_products_of_gramians(A, n), product.T @ product)
    np.testing.assert_allclose(
        als.approximate_tensor(A, np.array([2.0, 3.0])), np.einsum("ir,jr,kr,r->ijk", *A, [2.0, 3.0])
    )


def test_regularization_makes_factors_small():
    X = np.random.RandomState(3).standard_normal((4, 3, 5))
    plain, regularized = (als.solve(X, 2, lambda_reg=reg, rng=np.random.RandomState(0))[1].max() for reg in (0.0, 10.0))
    assert regularized < plain


def test_bad_calls():
    with pytest.raises(nn.errors.ArgumentError, match="rank and max_iter must be at least 1 .* not 0, 500 and 3"):
        als.solve(np.zeros((2, 2, 2)), 0)
    with pytest.raises(nn.errors.ArgumentError, match="X have two axes, not 1, 500 and 1"):
        als.solve(np.zeros(3), 1)
