"""What several products would copy is copied once, with the same results."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.engine import passes
from nnabla.engine.program import Call

CLEARED = {"clear_no_need_grad": True}, {"clear_buffer": True}


def leaf(*shape: int, seed: int = 0, need_grad: bool = False) -> nn.Variable:
    v = nn.Variable.from_numpy_array(np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32))
    v.need_grad = need_grad
    return v


def attention(x: nn.Variable, heads: int = 4) -> nn.Variable:
    """Queries, keys and values from one layer, as parts of one array."""
    batch, tokens, width = x.shape
    qkv = F.reshape(PF.affine(x, 3 * width, base_axis=2, name="qkv"), (batch, tokens, 3, heads, width // heads))
    q, k, v = F.split(F.transpose(qkv, (2, 0, 3, 1, 4)), axis=0)
    weights = F.softmax(F.batch_matmul(q, k, transpose_b=True), axis=3)
    y = F.transpose(F.batch_matmul(weights, v), (0, 2, 1, 3))
    return PF.affine(F.reshape(y, (batch, tokens, width)), width, base_axis=2, name="out")


def separate(x: nn.Variable, heads: int = 2) -> nn.Variable:
    """Queries and values from layers of their own; the array itself stands for the keys, twice transposed."""
    batch, tokens, width = x.shape

    def parts(h: nn.Variable) -> nn.Variable:
        return F.transpose(F.reshape(h, (batch, tokens, heads, width // heads)), (0, 2, 1, 3))

    q, v = (parts(PF.affine(x, width, base_axis=2, name=name)) for name in "qv")
    keys = F.transpose(parts(x), (0, 1, 3, 2))
    y = F.batch_matmul(F.batch_matmul(q, keys), v) + F.batch_matmul(parts(x), F.batch_matmul(keys, q))
    return F.transpose(y, (0, 2, 1, 3))


NETWORKS = [attention, separate]


def copied(root: nn.Variable, name: str, forward: dict[str, bool]) -> list[bool]:
    """For each function of that name, whether its result has memory of its own."""
    (program,) = root.plan(forward, None).programs
    records = [r for r in program.records if type(r) is Call and program.order[r.function].name == name]
    return [record.kernel.copies for record in records]


@pytest.mark.parametrize("options", [CLEARED, ({}, {})], ids=["cleared", "kept"])
@pytest.mark.parametrize("network", NETWORKS)
def test_results_are_the_same_without_the_pass(network, options):
    x = leaf(2, 5, 12, need_grad=True)
    loss = F.sum(network(x) ** 2.0)
    leaves = [x, *nn.get_parameters().values()]

    def results() -> list[np.ndarray]:
        for v in leaves:
            v.grad.zero()
        for _ in range(2):
            loss.forward(**options[0])
            loss.backward(**options[1])
        return [loss.d.copy(), *[v.g.copy() for v in leaves]]

    loss.plan(*options).check()
    found, chosen = results(), copied(loss, "Transpose", options[0])
    with passes.without("copy_once"):
        assert copied(loss, "Transpose", options[0]) != chosen
        expected = results()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_queries_keys_and_values_are_copied_together():
    y = attention(leaf(2, 5, 12))
    # The array of all three; not the one that only a reshape reads.
    assert copied(y, "Transpose", {"clear_no_need_grad": True}) == [True, False]
    assert copied(y, "Split", {"clear_no_need_grad": True}) == [False]


def test_what_is_copied_once_anyway_stays_a_view():
    a, b = leaf(3, 2, 4, 5), leaf(2, 3, 5, 4, need_grad=True)
    once = F.batch_matmul(F.transpose(F.tanh(a), (1, 0, 2, 3)), F.tanh(b))
    unasked = F.batch_matmul(F.transpose(F.tanh(a), (1, 0, 2, 3)), F.tanh(leaf(2, 3, 5, 4)))
    # The gradient of b reads it again.
    assert copied(once, "Transpose", {}) == [True]
    assert copied(unasked, "Transpose", {}) == [False]


def test_axes_in_order_are_not_copied():
    a, b = leaf(2, 3, 4, 5), leaf(2, 3, 4, 5, need_grad=True)
    turned = F.transpose(F.tanh(a), (0, 1, 3, 2))
    y = F.batch_matmul(turned, F.tanh(b)) + F.batch_matmul(turned, F.sin(b))
    assert copied(y, "Transpose", {}) == [False]
    # One of length 1 may lie anywhere.
    h = F.transpose(F.tanh(leaf(3, 1, 4, 5)), (1, 0, 2, 3))
    y = F.batch_matmul(h, F.tanh(leaf(1, 3, 5, 2, need_grad=True)))
    assert copied(y, "Transpose", {}) == [False]
