"""Passes that compute sums over several functions: the same results with and without them, whatever users look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.engine import passes
from nnabla.engine.checking import ProgramError, check, faults
from nnabla.engine.program import Call, Gradient, JoinedCall, JoinedGradient, Program, SumCall
from nnabla.errors import GraphError
from nnabla.graph.operator import registry

NAMES = ("keep_first_gradients", "join_calls", "join_gradients", "add_products")
CLEARED = {"clear_no_need_grad": True}, {"clear_buffer": True}
KEPT: tuple[dict[str, bool], dict[str, bool]] = {}, {}


def leaf(*shape: int, seed: int = 0, need_grad: bool = False) -> nn.Variable:
    v = nn.Variable.from_numpy_array(np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32))
    v.need_grad = need_grad
    return v


# ---- networks ------------------------------------------------------------------------------------------------------


def gru(steps: int = 5) -> nn.Variable:
    """Every gate a layer of its own, as in the benchmark."""
    h = leaf(3, 4, seed=1)
    for x in F.split(leaf(steps, 3, 6, seed=2), axis=0):
        update, reset, of_x, of_h = (PF.affine(v, 4, name=name) for v, name in ((x, "u"), (h, "r"), (x, "x"), (h, "h")))
        update = F.sigmoid(sum([update, PF.affine(h, 4, name="uh")]))
        reset = F.sigmoid(reset + PF.affine(x, 4, name="rx"))
        candidate = F.tanh(of_x + reset * of_h)
        h = update * h + (1.0 - update) * candidate
    return F.mean(h**2.0)


def elman(steps: int = 4) -> nn.Variable:
    """Inputs of two axes behind the batch, one of the layers without bias."""
    h = leaf(3, 5)
    for i in range(steps):
        h = F.tanh(PF.affine(leaf(3, 2, 3, seed=i), 5, with_bias=False, name="x") + PF.affine(h, 5, name="h"))
    return F.mean(PF.affine(h, 2, name="out"))


def lstm(steps: int = 4) -> nn.Variable:
    h, c = leaf(2, 3), leaf(2, 3)
    for i in range(steps):
        h, c = PF.lstm_cell(leaf(2, 4, seed=i), h, c, 3)
    return F.mean(h**2.0)


def same_block(depth: int = 4) -> nn.Variable:
    """One residual block on tokens, applied again and again; outputs with several axes."""
    h = leaf(2, 5, 6, need_grad=True)
    for _ in range(depth):
        inner = F.relu(PF.affine(h, (2, 4), base_axis=2, name="in"))
        h = h + 0.5 * PF.affine(inner, 6, base_axis=2, name="out")
    return F.sum(h**2.0)


def other_types() -> nn.Variable:
    """Layers on double precision between others."""
    h = leaf(3, 4, need_grad=True)
    for _ in range(4):
        with nn.context_scope(nn.Context(["cpu:double"])):
            h = F.tanh(PF.affine(h, 4, name="wide"))
        h = h * F.sigmoid(h) + h
    return F.sum(h)


NETWORKS: list[Callable[[], nn.Variable]] = [gru, elman, lstm, same_block, other_types]


def learnt(loss: nn.Variable, options: tuple[dict[str, bool], dict[str, bool]], **hooks: object) -> list[np.ndarray]:
    """The loss and all gradients after two steps that add up."""
    parameters = nn.get_parameters().values()
    for v in parameters:
        v.grad.zero()
    for _ in range(2):
        loss.forward(**options[0])
        loss.backward(**options[1], **hooks)
    return [loss.d.copy(), *[v.g.copy() for v in parameters]]


def assert_same(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> None:
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("options", [CLEARED, KEPT], ids=["cleared", "kept"])
@pytest.mark.parametrize("build", NETWORKS)
def test_networks_learn_the_same_without_a_pass(build, options):
    loss = build()
    expected = learnt(loss, options)
    for name in (*NAMES, NAMES):
        with passes.without(*([name] if isinstance(name, str) else name)):
            loss.plan(*options).check()
            assert_same(learnt(loss, options), expected)
    loss.plan(*options).check()
    assert_same(learnt(loss, options), expected)


def records_of(loss: nn.Variable, kind: type, way: int, options=CLEARED) -> list:
    return [record for record in loss.plan(*options).programs[way].records if type(record) is kind]


def test_the_layers_of_a_recurrent_network_are_joined():
    loss = gru(5)
    joined = records_of(loss, JoinedGradient, 1)
    assert [len(record.functions) for record in joined] == [5] * 6
    # The three layers of the input have no other gradient, those of the state one each in all steps but the first.
    order = loss.plan(*CLEARED).programs[1].order
    alone = [r for r in records_of(loss, Gradient, 1) if order[r.function].name == "Affine"]
    assert len(alone) == 3 * 4
    assert "joined" in str(loss.plan(*CLEARED))
    assert "5 x (3, 4) -> +=(6, 4), +=(4,)" in str(loss.plan(*CLEARED))


def test_layers_of_the_input_are_computed_for_all_steps_at_once():
    loss = gru(5)
    joined = records_of(loss, JoinedCall, 0)
    assert [len(record.functions) for record in joined] == [5] * 3
    assert "5 x (3, 6), (6, 4), (4,) -> (3, 4)" in str(loss.plan(*CLEARED))
    # One whose memory others may write to is computed alone.
    xs = [leaf(3, 4, seed=i) for i in range(4)]
    w = leaf(4, 2, need_grad=True)
    ys = [F.affine(x, w) for x in xs]
    ys[1].persistent = True
    loss = F.sum(F.add_n(*ys))
    (record,) = records_of(loss, JoinedCall, 0)
    assert len(record.functions) == 3
    loss.forward(clear_no_need_grad=True)
    np.testing.assert_allclose(ys[1].d, xs[1].d @ w.d, rtol=1e-5)


def test_layers_are_joined_whose_prototypes_made_room_for_others_in_between():
    w = leaf(4, 2, need_grad=True)
    ys = []
    for i in range(4):
        ys.append(F.affine(leaf(3, 4, seed=i), w))
        registry["Affine"].prototypes.clear()
    assert len({y.parent._operator.prototype for y in ys}) == 4
    loss = F.sum(F.add_n(*ys))
    for way, kind in ((0, JoinedCall), (1, JoinedGradient)):
        (record,) = records_of(loss, kind, way)
        assert len(record.functions) == 4
    loss.plan(*CLEARED).check()


def test_what_is_computed_in_common_is_written_alone():
    xs = [leaf(3, 4, seed=i) for i in range(4)]
    w = leaf(4, 2)
    ys = [F.affine(x, w) for x in xs]
    loss = F.sum(F.add_n(*ys))
    loss.forward()
    assert len(records_of(loss, JoinedCall, 0, KEPT)) == 1
    ys[1].d = 7
    ys[2].data.zero()
    for i, y in enumerate(ys):
        np.testing.assert_allclose(y.d, 7 if i == 1 else 0 if i == 2 else xs[i].d @ w.d, rtol=1e-5)


def test_products_are_computed_with_the_sums_that_alone_read_them():
    loss = gru(5)
    # The reset gate's product, and one of the two that the new state is made of.
    assert len(records_of(loss, SumCall, 0)) == 2 * 5
    assert "with Mul2" in str(loss.plan(*CLEARED))
    # Where they are kept, they are computed.
    assert records_of(loss, SumCall, 0, KEPT) == []


def test_layers_that_are_too_few_or_too_large_are_not_joined():
    assert records_of(elman(2), JoinedGradient, 1) == []
    nn.clear_parameters()
    h = leaf(64, 128)
    for _ in range(3):
        h = PF.affine(h, 128)
    assert len(records_of(F.sum(h), JoinedGradient, 1)) == 1
    nn.clear_parameters()
    h = leaf(1024, 16)
    for _ in range(3):
        h = PF.affine(h, 16)
    assert records_of(F.sum(h), JoinedGradient, 1) == []


# ---- what users see --------------------------------------------------------------------------------------------------


def test_hooks_see_each_function():
    """Forward and backward with hooks carry out one function after the other, with all that it computes."""
    loss = gru(4)
    expected = learnt(loss, KEPT)
    functions = []
    loss.visit(functions.append)
    seen: list[np.ndarray] = []

    def after_forward(function):
        seen.append(function.outputs[0].d.copy())

    loss.forward(clear_no_need_grad=True, function_post_hook=after_forward)
    loss.forward()
    assert len(seen) == len(functions)
    for one, function in zip(seen, functions, strict=True):
        np.testing.assert_allclose(one, function.outputs[0].d, rtol=1e-5)

    weight = nn.get_parameters()["x/affine/W"]
    sums: list[np.ndarray] = []

    def after_backward(function):
        if any(v.data is weight.data for v in function.inputs):
            sums.append(weight.g.copy())

    weight.grad.zero()
    loss.backward(function_post_hook=after_backward)
    assert len(sums) == 4 and all(np.abs(a - b).max() > 0 for a, b in pairwise(sums))
    assert_same(learnt(loss, KEPT, function_post_hook=lambda function: None), expected)
    assert_same(learnt(loss, KEPT), expected)


def test_global_hooks_that_come_and_go():
    loss = gru(4)
    expected = learnt(loss, CLEARED)
    counted: list[str] = []
    nn.set_function_post_hook("count", lambda function: counted.append(function.name))
    try:
        assert_same(learnt(loss, CLEARED), expected)
    finally:
        nn.unset_function_post_hook("count")
    assert counted.count("Mul2") == 2 * 2 * 3 * 4
    assert_same(learnt(loss, CLEARED), expected)
    assert counted.count("Mul2") == 2 * 2 * 3 * 4


def test_a_product_that_is_persistent_or_read_elsewhere_has_its_values():
    a, b, c = (leaf(3, 4, seed=i, need_grad=True) for i in range(3))
    product = F.mul2(a, b)
    product.persistent = True
    other = F.mul2(b, c)
    reader = F.sin(other)
    y = F.sum(F.add2(product, c) + F.add2(other, a))
    y.forward(clear_no_need_grad=True)
    np.testing.assert_allclose(product.d, a.d * b.d, rtol=1e-6)
    np.testing.assert_allclose(other.d, b.d * c.d, rtol=1e-6)
    reader.forward()
    np.testing.assert_allclose(reader.d, np.sin(b.d * c.d), rtol=1e-5)


def test_a_sum_that_begins_with_zero_is_no_call():
    x = leaf(3, 4, need_grad=True)
    h = F.tanh(x)
    y = F.sum(sum([h, h]))
    (record,) = [r for r in y.plan(*CLEARED).programs[0].records if type(r) is Call and r.kernel.copies] or [None]
    assert record is None
    y.forward()
    y.backward()
    np.testing.assert_allclose(y.d, 2 * np.tanh(x.d).sum(), rtol=1e-5)
    zero = F.add_scalar(x, 0.0)
    zero.forward()
    zero.d = 5
    assert not np.any(x.d == 5)


def test_an_input_that_is_written_before_backward():
    """A later gradient reads what is there when backward begins, as each function's own would."""
    w = leaf(4, 4, need_grad=True)
    inputs = [F.tanh(leaf(3, 4, seed=i)) for i in range(4)]
    loss = F.sum(F.add_n(*[F.affine(x, w) for x in inputs]))
    w.grad.zero()
    loss.forward()
    assert len(records_of(loss, JoinedGradient, 1, KEPT)) == 1
    inputs[0].data.fill(0.5)
    inputs[1].d = 0.25
    inputs[2].data.cast(np.float64)[...] = 0.125
    loss.backward()
    expected = sum(x.d.T.astype(np.float64) @ np.ones((3, 4)) for x in inputs)
    np.testing.assert_allclose(w.g, expected, rtol=1e-5)


def test_inputs_that_are_computed_again_are_gone_soon():
    w = leaf(4, 4, need_grad=True)
    h = leaf(3, 4)
    for _ in range(4):
        h = F.tanh(F.affine(F.sin(h).apply(recompute=True), w))
    loss = F.sum(h)
    assert records_of(loss, JoinedGradient, 1) == []
    loss.plan(*CLEARED).check()


def test_values_that_were_freed_are_missed():
    loss = elman()
    loss.forward(clear_buffer=True)
    with pytest.raises(GraphError, match="run forward"):
        loss.backward()


def test_gradients_of_one_variable_that_is_read_twice_by_a_product():
    x = leaf(3, 4, need_grad=True)
    h = F.sin(x)
    y = F.sum(F.mul2(h, h) + F.mul2(F.tanh(h), h))
    x.grad.zero()
    for _ in range(2):
        y.forward()
        x.grad.zero()
        y.backward()
    s = np.sin(x.d.astype(np.float64))
    expected = (2 * s + np.tanh(s) + s * (1 - np.tanh(s) ** 2)) * np.cos(x.d)
    np.testing.assert_allclose(x.g, expected, rtol=1e-4, atol=1e-6)


def test_the_first_gradient_is_not_what_users_write_to():
    x = leaf(3, 4, need_grad=True)
    h = F.sin(x)
    loss = F.mean(h) + F.sum(F.tanh(h)) * 0.5
    expected = np.cos(x.d) / 12 + 0.5 * (1 - np.tanh(np.sin(x.d)) ** 2) * np.cos(x.d)
    for scale in (1, 1, 2.0, 1):
        loss.forward()
        x.grad.zero()
        loss.backward(scale)
        np.testing.assert_allclose(x.g, scale * expected, rtol=1e-5)
        h.g = 7
        h.grad.data[...] = 8
    mean = F.mean(x)
    for _ in range(3):
        mean.forward()
        x.grad.zero()
        mean.backward()
        x.g += 1
        mean.backward()
        np.testing.assert_allclose(x.g, 1 + 2 / 12, rtol=1e-6)


# ---- programs that are wrong -----------------------------------------------------------------------------------------


def leave_out_a_function(program: Program) -> Program:
    records = list(program.records)
    i = next(i for i, r in enumerate(records) if type(r) is JoinedGradient)
    record = records[i]
    arguments = tuple([column[1:] for column in record.arguments])
    records[i] = record._replace(functions=record.functions[1:], dys=record.dys[1:], arguments=arguments)
    return program._replace(records=records)


def join_too_early(program: Program) -> Program:
    records = list(program.records)
    i = next(i for i, r in enumerate(records) if type(r) is JoinedGradient)
    return program._replace(records=[records.pop(i), *records])


def join_with_others(program: Program) -> Program:
    records = list(program.records)
    i, j = [i for i, r in enumerate(records) if type(r) is JoinedGradient][:2]
    records[i] = records[i]._replace(puts=records[j].puts)
    return program._replace(records=records)


def leave_out_the_own_gradient(program: Program) -> Program:
    records = list(program.records)
    i = next(i for i, r in enumerate(records) if type(r) is Gradient and len(r.arguments) == 3)
    del records[i]
    return program._replace(records=records)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (leave_out_a_function, "does not compute the gradients that are wanted|was left out"),
        (join_too_early, "which is not there"),
        (join_with_others, "puts the gradient of its input 1"),
        (leave_out_the_own_gradient, "was left out|which is not there"),
    ],
)
def test_joined_gradients_that_are_wrong_are_found(spoil, message):
    forward, backward = gru(3).plan(*CLEARED).programs
    assert faults(forward, backward) == []
    with pytest.raises(ProgramError, match=message):
        check(forward, spoil(backward))


def test_sums_that_are_wrong_are_found():
    forward, backward = gru(3).plan(*CLEARED).programs
    records = list(forward.records)
    i = next(i for i, r in enumerate(records) if type(r) is SumCall)
    other = records[i].reads[:0:-1] + records[i].reads[:1]
    changed = [*records[:i], records[i]._replace(reads=other), *records[i + 1 :]]
    assert any(
        "to another value than its input" in text for text in faults(forward._replace(records=changed), backward)
    )
    assert any("must stay" in text for text in faults(forward._replace(mortal={}), backward))
