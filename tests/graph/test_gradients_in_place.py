"""Gradients that are computed in the memory of another one: of `dy`, or of a sum."""

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
from nnabla.graph.operator import registry

from ..operators.cases import ALL
from ..operators.observe import REFUSALS, call, variables


def gradient_calls(method):
    """For each case of the operators that define `method`: the operator, and what its `grad` is called with."""
    declared = {cls for cls in registry.values() if getattr(cls, method) is not None}
    seen = set()
    for case in ALL:
        try:
            outputs = call(case, variables(case, case.arrays()))
            function = outputs[0].parent
            if function is None or type(function._operator) not in declared:
                continue
            nn.forward_all(outputs)
        except REFUSALS:
            continue
        operator = function._operator
        found = {"dy": [torch.randn(y.shape) for y in outputs]}
        for role, arrays in (("x", function.inputs), ("y", outputs)):
            found[role] = [v.data._as(torch.float32, torch.device("cpu")) for v in arrays]
        seen.add(type(operator))
        yield operator, [found[role][i] for role, i in operator.declaration.grad_roles]
    assert declared and seen == declared


def test_gradients_that_take_the_place_of_the_output_s():
    """`overwrite_grad` computes what `grad` does, in the memory that it is given."""
    for operator, (dy, *others) in gradient_calls("overwrite_grad"):
        expected = operator.grad(dy, *others)
        place, result = dy.data_ptr(), operator.overwrite_grad(dy, *others)
        assert result.data_ptr() == place, operator
        assert torch.equal(result, expected), operator


def test_gradients_that_are_added_by_the_operator():
    """`add_grad` returns what `grad` does, some of it added to what it is given."""
    for operator, tensors in gradient_calls("add_grad"):
        need = tuple(operator.present)
        expected = operator.grad(need, *tensors)
        totals = [None if dx is None else torch.randn(dx.shape) for dx in expected]
        before = [None if total is None else total.clone() for total in totals]
        results = operator.add_grad(need, totals, *tensors)
        assert any(dx is not None and dx is total for dx, total in zip(results, totals, strict=True)), operator
        for dx, single, total, old in zip(results, expected, totals, before, strict=True):
            wanted = single + old if dx is not None and dx is total else single
            torch.testing.assert_close(dx, wanted, rtol=1e-4, atol=1e-4)
        nothing = operator.add_grad((False,) * len(need), totals, *tensors)
        assert all(dx is None for dx in nothing), operator


@pytest.mark.parametrize("kept", ["zero", "float32", "float64"])
@pytest.mark.parametrize("trained", [True, False])
def test_a_weight_that_several_steps_share(kept, trained):
    rng = np.random.RandomState(0)
    x, w = (nn.Variable.from_numpy_array(rng.randn(*s).astype("float32") / 8) for s in ((3, 128), (128, 128)))
    x.need_grad, w.need_grad = True, trained
    start = np.zeros(w.shape) if kept == "zero" else rng.randn(*w.shape).astype(kept)
    x.grad.zero()
    w.g = 0 if kept == "zero" else start
    h, inputs = x, []
    for _ in range(3):
        inputs.append(h)
        h = F.affine(h, w)
    loss = F.sum(h)
    loss.forward()
    loss.backward()
    dy, expected = np.ones((3, 128)), start.copy()
    for one in reversed(inputs):
        expected = expected + (one.d.T @ dy if trained else 0)
        dy = dy @ w.d.T
    np.testing.assert_allclose(w.g, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(x.g, dy, rtol=1e-4, atol=1e-4)


def test_a_shared_weight_and_an_input_that_is_filled_after_forward():
    """The step that finds no values is repeated as a whole."""
    rng = np.random.RandomState(0)
    x, w = (nn.Variable.from_numpy_array(rng.randn(*s).astype("float32") / 16) for s in ((3, 128), (128, 128)))
    b = nn.Variable.from_numpy_array(np.zeros(128, "float32"))
    for v in (x, w, b):
        v.need_grad = True
        v.grad.zero()
    h = F.affine(x, w, b)
    loss = F.sum(F.affine(h, w, b))
    loss.forward()
    h.data.fill(0.5)
    loss.backward()
    dy = np.ones((3, 128))
    dh = dy @ w.d.T
    np.testing.assert_allclose(b.g, (dy + dh).sum(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(w.g, 0.5 * np.ones((128, 3)) @ dy + x.d.T @ dh, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(x.g, dh @ w.d.T, rtol=1e-4, atol=1e-4)


def test_an_unlinked_weight_that_the_graph_computes():
    """Its gradient is not that of a leaf, which the operator may add to: the engine adds."""
    rng = np.random.RandomState(0)
    x, w = (nn.Variable.from_numpy_array(rng.randn(*s).astype("float32") / 8) for s in ((3, 128), (128, 128)))
    w.need_grad = True
    computed = F.tanh(w)
    twin = computed.get_unlinked_variable(need_grad=True)
    h = F.affine(x, twin)
    loss = F.sum(F.affine(h, twin)) + F.sum(F.mul_scalar(computed, 0.5))
    computed.forward()
    loss.forward()
    loss.backward()
    dy = np.ones((3, 128))
    np.testing.assert_allclose(twin.g, 0.5 + h.d.T @ dy + x.d.T @ (dy @ twin.d.T), rtol=1e-4, atol=1e-4)
