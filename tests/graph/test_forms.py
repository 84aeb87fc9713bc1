"""Graphs of one form share a plan, and nothing else."""

from __future__ import annotations

import gc
import threading
import weakref
from dataclasses import dataclass

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.engine import backward, forward, plan_cache
from nnabla.engine.fingerprint import fingerprint_of
from nnabla.engine.plan_cache import PlanStore
from nnabla.graph.order import topological


@pytest.fixture
def compiled(monkeypatch) -> list[str]:
    """The ways that were compiled since the test began."""
    ways: list[str] = []
    for module, name in ((forward, "compile_forward"), (backward, "compile_backward")):
        original = getattr(module, name)

        def compile(*args, original=original, name=name):
            ways.append(name)
            return original(*args)

        monkeypatch.setattr(module, name, compile)
    return ways


def leaf(*shape: int, seed: int = 0, need_grad: bool | None = True) -> nn.Variable:
    v = nn.Variable(shape, need_grad=need_grad)
    v.d = np.random.RandomState(seed).uniform(-1, 1, shape)
    return v


def network(x: nn.Variable) -> nn.Variable:
    with nn.parameter_scope("net"):
        h = F.tanh(PF.batch_normalization(PF.affine(x, 7, name="a"), name="b"))
        h = F.dropout(h, 0.3) + h
        return F.mean(F.relu(PF.affine(h, 3, name="c")) ** 2)


def train(steps: int, dynamic: bool, clear: bool) -> list[np.ndarray]:
    nn.clear_parameters()
    nn.seed(3)
    x = leaf(5, 4, need_grad=None)
    network(x)
    solver = S.Adam(0.01)
    solver.set_parameters(nn.get_parameters())
    static = network(x)
    losses = []
    for i in range(steps):
        x.d = np.random.RandomState(i).uniform(-1, 1, x.shape)
        if dynamic:
            with nn.auto_forward():
                loss = network(x)
        else:
            loss = static
            loss.forward(clear_no_need_grad=clear)
        solver.zero_grad()
        loss.backward(clear_buffer=clear)
        solver.update()
        losses.append(loss.d.copy())
    return [np.array(losses), *[p.d.copy() for p in nn.get_parameters(grad_only=False).values()]]


@pytest.mark.parametrize("clear", [False, True])
def test_a_network_built_anew_trains_as_one_built_once(clear: bool):
    for one, other in zip(train(5, True, clear), train(5, False, clear), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_a_network_built_anew_is_compiled_once(compiled: list[str]):
    x = leaf(11, 4)
    for _ in range(4):
        loss = network(x)
        loss.forward(clear_no_need_grad=True)
        loss.backward(clear_buffer=True)
    assert sorted(compiled) == ["compile_backward", "compile_forward"]


def test_other_variables_at_the_ends_need_no_other_plan(compiled: list[str]):
    for seed in range(3):
        x, y = leaf(2, 13, seed=seed), leaf(2, 13, seed=seed + 10)
        z = F.mul2(F.sin(x), y)
        z.forward()
        z.backward()
        np.testing.assert_allclose(x.g, np.cos(x.d) * y.d, rtol=1e-5)
        np.testing.assert_allclose(y.g, np.sin(x.d), rtol=1e-5)
    assert len(compiled) == 2


def test_graphs_of_one_form_do_not_disturb_each_other():
    leaves = [leaf(3, 4, seed=seed) for seed in range(4)]
    hidden = [F.sigmoid(x) for x in leaves]
    roots = [F.sum(F.dropout(F.exp(h), 0.5, seed=seed + 1)) for seed, h in enumerate(hidden)]
    for root in roots:
        root.forward()
    masks = []
    for i in (2, 0, 3, 1):
        leaves[i].grad.zero()
        roots[i].backward()
    for x, h, root in zip(leaves, hidden, roots, strict=True):
        y = 1 / (1 + np.exp(-x.d))
        np.testing.assert_allclose(h.d, y, rtol=1e-5)
        # What dropout let through shows in the gradient: 0 or twice the derivative.
        ratio = x.g / (np.exp(y) * y * (1 - y))
        assert set(np.round(ratio.ravel(), 3)) <= {0.0, 2.0}
        np.testing.assert_allclose(root.d, np.sum(ratio * np.exp(y)), rtol=1e-4)
        masks.append(ratio.round().tobytes())
    assert len(set(masks)) == 4


def test_threads_run_one_plan_at_the_same_time():
    def gradient(seed: int) -> np.ndarray:
        x = leaf(64, 64, seed=seed)
        y = x
        for _ in range(6):
            y = F.tanh(F.mul_scalar(y, 1.5)) * x
        y.forward()
        y.backward(clear_buffer=True)
        return x.g.copy()

    expected = [gradient(seed) for seed in range(4)]
    wrong: list[int] = []

    def work(seed: int) -> None:
        for _ in range(15):
            if not np.array_equal(gradient(seed), expected[seed]):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_plan_may_run_within_itself():
    class Nested(nn.function.PythonFunction):
        @property
        def name(self):
            return "Nested"

        def min_outputs(self):
            return 1

        def setup_impl(self, inputs, outputs):
            outputs[0].reset_shape(inputs[0].shape, True)

        def forward_impl(self, inputs, outputs):
            x = leaf(2, 3, seed=9)
            y = F.sum(F.sin(F.mul_scalar(x, 2.0)))
            y.forward()
            y.backward()
            outputs[0].d = inputs[0].d + x.g.sum()

        def backward_impl(self, inputs, outputs, propagate_down, accum):
            self.forward_impl(inputs, [nn.Variable(inputs[0].shape)])
            inputs[0].g = outputs[0].g + (inputs[0].g if accum[0] else 0)

    x = leaf(2, 3)
    y = F.sum(F.sin(F.mul_scalar(Nested()(x), 2.0)))
    inner = leaf(2, 3, seed=9).d
    added = np.sum(2 * np.cos(2 * inner))
    y.forward()
    y.backward()
    np.testing.assert_allclose(y.d, np.sum(np.sin(2 * (x.d + added))), rtol=1e-4)
    np.testing.assert_allclose(x.g, 2 * np.cos(2 * (x.d + added)), rtol=1e-4, atol=1e-5)


def test_plans_hold_nothing_of_a_graph_that_was_dropped():
    nn.clear_parameters()
    x = leaf(5, 4)
    loss = network(x)
    loss.forward()
    loss.backward()
    parts = [weakref.ref(x), weakref.ref(loss), weakref.ref(loss.parent)]
    parts += [weakref.ref(p) for p in nn.get_parameters().values()]
    tensors = [weakref.ref(p.data._tensor) for p in nn.get_parameters().values()]
    del x, loss
    nn.clear_parameters()
    gc.collect()
    assert [r() for r in parts + tensors] == [None] * len(parts + tensors)


# ---- what makes another form -------------------------------------------------------------------------------------


def form(root: nn.Variable, readers: bool = True):
    return fingerprint_of(topological((root,)), (root,), readers)


def chain(x: nn.Variable, *functions) -> list[nn.Variable]:
    found = [x]
    for function in functions:
        found.append(function(found[-1]))
    return found[1:]


def test_the_same_calls_have_the_same_form():
    one, other = [form(chain(leaf(2, 3, seed=s), F.sin, F.exp, F.sum)[-1]) for s in range(2)]
    assert one == other and hash(one) == hash(other)
    assert one.shared


def flagged(**flags: bool) -> nn.Variable:
    *_, h, y = chain(leaf(2, 3), F.sin, F.exp, F.sum)
    for name, value in flags.items():
        setattr(h, name, value)
    return y


def twice_the_same() -> nn.Variable:
    x = leaf(2, 3)
    return F.sum(F.mul2(F.sin(x), x))


def two() -> nn.Variable:
    return F.sum(F.mul2(F.sin(leaf(2, 3)), leaf(2, 3)))


def twins() -> nn.Variable:
    x = leaf(2, 3)
    return F.sum(F.mul2(F.sin(x), x.get_unlinked_variable(need_grad=False)))


def with_unlinked_output() -> nn.Variable:
    h = F.sin(leaf(2, 3))
    return F.sum(F.mul2(F.exp(h), h.get_unlinked_variable()))


def with_linked_output() -> nn.Variable:
    h = F.sin(leaf(2, 3))
    return F.sum(F.mul2(F.exp(h), h))


def with_view() -> nn.Variable:
    h = F.sin(leaf(2, 3))
    return F.sum(F.mul2(F.exp(h), h.reshape((2, 3), unlink=True)))


held: list[nn.Variable] = []


def read_elsewhere() -> nn.Variable:
    h, y = chain(leaf(2, 3), F.sin, F.sum)
    held.append(F.exp(h))
    return y


def unread_and_held() -> nn.Variable:
    a, b = F.split(leaf(2, 3))
    held.append(b)
    return F.sum(F.sin(a))


FORMS = {
    "plain": lambda: flagged(),
    "persistent": lambda: flagged(persistent=True),
    "recompute": lambda: flagged(recompute=True),
    "no gradient within": lambda: flagged(need_grad=False),
    "no gradient at the end": lambda: chain(leaf(2, 3, need_grad=False), F.sin, F.exp, F.sum)[-1],
    "another shape": lambda: chain(leaf(3, 2), F.sin, F.exp, F.sum)[-1],
    "another function": lambda: chain(leaf(2, 3), F.cos, F.exp, F.sum)[-1],
    "another argument": lambda: chain(leaf(2, 3), F.sin, F.exp, lambda x: F.sum(x, axis=1))[-1],
    "one leaf twice": twice_the_same,
    "two leaves": two,
    "unlinked twins": twins,
    "an unlinked output": with_unlinked_output,
    "a linked output": with_linked_output,
    "a view": with_view,
    "two functions": lambda: chain(leaf(2, 3), F.sin, F.sum)[-1],
    "read elsewhere": read_elsewhere,
    "an output dropped": lambda: F.sum(F.sin(F.split(leaf(2, 3))[0])),
    "an output held": unread_and_held,
}


def test_whatever_a_plan_depends_on_makes_another_form():
    with nn.context_scope(nn.Context(["cpu:double"], "CpuCachedArray", "0")):
        forms = {"double": form(flagged())}
    forms |= {name: form(make()) for name, make in FORMS.items()}
    names = list(forms)
    same = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if forms[a] == forms[b]]
    assert same == []


def test_who_else_reads_matters_to_forward_only():
    alone = form(chain(leaf(2, 3), F.sin, F.sum)[-1], readers=False)
    assert form(read_elsewhere(), readers=False) == alone


# The way of these gradients is cut somewhere, so that differences do not tell what they are.
CUT = {"no gradient within", "unlinked twins", "an unlinked output", "a view"}


@pytest.mark.parametrize("name", [name for name in FORMS if name not in CUT])
@pytest.mark.parametrize("clear", [False, True])
def test_every_form_computes_what_is_right_after_the_others(name: str, clear: bool):
    for other in FORMS:
        root = FORMS[other]()
        root.forward(clear_no_need_grad=clear)
        root.backward(clear_buffer=clear)
    root = FORMS[name]()
    root.forward(clear_no_need_grad=clear)
    root.backward(clear_buffer=clear)
    leaves = {v for f in topological((root,)) for v in f.inputs if v.parent is None and v.need_grad}
    for v in leaves:
        values = v.d.copy()
        for index in np.ndindex(*v.shape):
            ends = []
            for step in (1e-2, -1e-2):
                v.d[index] = values[index] + step
                root.forward()
                ends.append(np.sum(root.d, dtype=np.float64))
            v.d[index] = values[index]
            np.testing.assert_allclose(v.g[index], (ends[0] - ends[1]) / 2e-2, rtol=2e-2, atol=2e-3)


def test_a_variable_that_was_cut_off_keeps_its_flag():
    def gradients(cut: bool) -> float:
        w = leaf(4, 4, seed=1)
        h = F.tanh(leaf(2, 4, seed=2))
        h.forward()
        if cut:
            h.clear_all_graph_links()
        else:
            h = h.get_unlinked_variable(need_grad=False)
        h.grad.zero()
        y = F.sum(F.tanh(F.affine(h, w)))
        y.forward()
        y.backward()
        return float(np.abs(h.g).sum())

    assert gradients(False) == 0
    assert gradients(True) > 0
    assert gradients(False) == 0


def test_the_flag_of_the_root_counts_also_where_it_stands_for_another():
    def gradient(other: bool) -> float:
        x = leaf(2, 3)
        x.grad.zero()
        y = F.exp(F.sin(x))
        if other:
            root = y.get_unlinked_variable(need_grad=False)
            root.parent = y.parent
        else:
            root = y
        y.forward()
        root.backward()
        return float(np.abs(x.g).sum())

    assert [gradient(other) > 0 for other in (True, False, True)] == [False, True, False]


def test_an_output_of_another_shape_spoils_no_other_graph():
    a, b = leaf(1, 3), leaf(2, 3)
    y = F.add2(a, b)
    y.reset_shape((1, 3), True)
    with pytest.raises(nn.errors.GraphError):
        y.forward()
        y.backward()
    y = F.add2(a, b)
    a.grad.zero()
    y.forward()
    y.backward()
    np.testing.assert_array_equal(a.g, np.full((1, 3), 2.0))


# ---- backward after forward ----------------------------------------------------------------------------------------


@pytest.fixture
def looks(monkeypatch) -> list[int]:
    """Lengths of the graphs that were looked at since the test began."""
    lengths: list[int] = []

    def look(order, *args, **kwargs):
        lengths.append(len(order))
        return fingerprint_of(order, *args, **kwargs)

    monkeypatch.setattr(plan_cache, "fingerprint_of", look)
    return lengths


def steps_of(h0: nn.Variable) -> list[nn.Variable]:
    return chain(h0, F.sin, F.exp, F.tanh, F.sum)


def test_backward_does_not_look_again_at_what_forward_saw(looks: list[int]):
    for _ in range(3):
        x = leaf(2, 3)
        *_, y = steps_of(x)
        y.forward()
        y.backward()
    # The first backward had no plan yet.
    assert looks == [4] * 4
    h = F.sin(x)
    z = F.sum(F.exp(h))
    z.forward()
    h.persistent = True
    z.backward()
    assert looks[4:] == [3, 3]


def test_an_array_that_is_given_away_between_forward_and_backward_is_kept():
    values = []
    for gives in (False, True):
        h0 = leaf(2, 3)
        kept = nn.Variable((2, 3))
        _, second, *_, y = steps_of(h0)
        y.forward(clear_no_need_grad=True)
        values.append(second.d.copy())
        if gives:
            kept.data = second.data
        y.backward(clear_buffer=True)
    np.testing.assert_array_equal(kept.d, values[0])


def test_shapes_that_follow_from_values_may_differ_from_graph_to_graph():
    for seed in range(4):
        x, mask = leaf(6, 2, seed=seed), nn.Variable((6,))
        mask.d = np.random.RandomState(seed).randint(0, 2, 6)
        y = F.sum(F.bool_gather(F.sin(x), mask) ** 2)
        y.forward()
        x.grad.zero()
        y.backward()
        expected = 2 * np.sin(x.d) * np.cos(x.d) * mask.d[:, None]
        np.testing.assert_allclose(x.g, expected, rtol=1e-5, atol=1e-6)


# ---- graphs that no other is like --------------------------------------------------------------------------------


def test_an_operator_without_prototype_is_compiled_for_its_graph_alone(compiled: list[str]):
    x = leaf(2, 3)
    for _ in range(2):
        y = F.sum(F.mul_scalar(x, 0.0) + x)  # 0.0 equals -0.0, so such calls are not remembered.
        assert not form(y).shared
        y.forward()
        y.forward()
        y.persistent = True
        y.forward()
        y.persistent = False
        y.forward()
    assert len(compiled) == 4


def test_a_changed_shape_is_another_form(compiled: list[str]):
    x = leaf(2, 3)
    y = F.sum(F.sin(x))
    for shape in ((2, 3), (4, 3), (2, 3), (4, 3)):
        x.reset_shape(shape, True)
        x.d = np.ones(shape)
        y.forward()
        np.testing.assert_allclose(y.d, np.sin(1) * x.size, rtol=1e-5)
    # The first, and with shapes found anew both.
    assert len(compiled) == 3


def test_a_store_keeps_what_was_needed_last():
    store = PlanStore(10)
    plans = {name: object() for name in ("a", "b", "c", "large")}
    for name in "ab":
        store.keep(name, plans[name], 4)
    assert store.get("a") is plans["a"]
    store.keep("c", plans["c"], 4)
    assert [store.get(name) for name in "abc"] == [plans["a"], None, plans["c"]]
    store.keep("large", plans["large"], 50)
    assert [store.get(name) for name in ("a", "c", "large")] == [None, None, plans["large"]]


def test_plans_without_steps_count_too(monkeypatch):
    store = PlanStore(100)
    monkeypatch.setattr(plan_cache, "_plans_of_all", store)
    for length in range(1, 200):
        F.sum(F.exp(leaf(length, need_grad=False))).backward()
    assert len(store._plans) <= 50


def test_few_plans_are_kept_that_hold_functions():
    root = F.sum(F.sin(h := nn.Variable((3, 4))))
    operators = weakref.WeakSet()
    for _ in range(30):
        made = F.dropout(leaf(3, 4), p=0.0)  # 0.0 equals -0.0, so the call is not remembered.
        operators.add(made.parent)
        h.rewire_on(made)
        del made
        root.forward()
        root.backward()
    gc.collect()
    assert len(operators) <= 10


def test_a_user_function_needs_no_hash():
    @dataclass
    class Double(nn.function.PythonFunction):
        factor: float = 2.0

        def __post_init__(self):
            super().__init__()

        @property
        def name(self):
            return "Double"

        def min_outputs(self):
            return 1

        def setup_impl(self, inputs, outputs):
            outputs[0].reset_shape(inputs[0].shape, True)

        def forward_impl(self, inputs, outputs):
            outputs[0].d = self.factor * inputs[0].d

        def backward_impl(self, inputs, outputs, propagate_down, accum):
            inputs[0].g = self.factor * outputs[0].g + (inputs[0].g if accum[0] else 0)

    x = leaf(2, 3)
    y = F.sum(Double()(x))
    y.forward()
    y.backward()
    np.testing.assert_array_equal(x.g, np.full((2, 3), 2.0))
