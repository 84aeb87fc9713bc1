"""The engine adds to gradients in place where an operator says that they share memory with nothing."""

from functools import wraps

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
from nnabla.graph.operator import registry

from ..operators.cases import ALL
from ..operators.observe import REFUSALS, backward, call, output_gradients, variables


def tensors(value):
    """All tensors that `value`, an attribute or an argument, leads to."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in tensors(v)]
    if type(value).__module__.startswith("nnabla.operators"):
        return [t for v in vars(value).values() for t in tensors(v)]
    return []


def overlaps(a, b):
    return a.numel() and b.numel() and a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


def is_expanded(tensor):
    return any(stride == 0 and length > 1 for stride, length in zip(tensor.stride(), tensor.shape, strict=True))


def watched(grad, found):
    """`grad`, which adds to `found` the operators whose gradient is not as they declare."""

    @wraps(grad)
    def call(self, *args):
        given = tensors(args)
        before = [t.clone() for t in given]
        result = grad(self, *args)
        name = self.declaration.type_name
        updated = name == "VATNoise"  # Its gradient is documented to write to w.
        if not updated and not all(map(same, given, before)):
            found.add(f"{name} changes what it reads")
        if self.grad_aliases:
            return result
        results = tensors([result])
        held = given + tensors(list(vars(self).values()))
        for i, dx in enumerate(results):
            if is_expanded(dx) or any(overlaps(dx, t) for t in held + results[:i]):
                found.add(f"{name} returns memory that it shares")
        return result

    return call


def same(a, b):
    return torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))


@pytest.mark.parametrize("wanted", ["all", "first", "last"])
def test_gradients_are_what_operators_declare(monkeypatch, wanted):
    found = set()
    for cls in registry.values():
        if cls.grad is not None:
            monkeypatch.setattr(cls, "grad", watched(cls.grad, found))
    for case in ALL:
        if not case.grad:
            continue
        xs = variables(case, case.arrays())
        chosen = {"all": case.grad, "first": case.grad[:1], "last": case.grad[-1:]}[wanted]
        for i in case.grad:
            xs[i].need_grad = i in chosen
        try:
            outputs = call(case, xs)
            nn.forward_all(outputs)
            dys = output_gradients(case, [y.shape for y in outputs])
            backward(outputs, [dy.astype("float32") for dy in dys])
        except REFUSALS:
            continue
    assert found == set()


def test_gradients_that_take_the_place_of_the_output_s():
    """`overwrite_grad` computes what `grad` does, in the memory that it is given."""
    seen, found = set(), set()

    def compared(cls):
        def call(self, dy, *args):
            expected = cls.grad(self, dy, *args)
            place, result = dy.data_ptr(), cls.overwrite_grad(self, dy, *args)
            seen.add(cls)
            if not (result.data_ptr() == place and torch.equal(result, expected)):
                found.add(self.declaration.type_name)
            return result

        return call

    declared = {cls for cls in registry.values() if cls.overwrite_grad is not None}
    calls = {cls: compared(cls) for cls in declared}
    for case in ALL:
        xs = variables(case, case.arrays())
        for i in case.grad or ():
            xs[i].need_grad = True
        try:
            outputs = call(case, xs)
            if outputs[0].parent is None or type(outputs[0].parent._operator) not in declared:
                continue
            nn.forward_all(outputs)
            operator, dy = outputs[0].parent._operator, torch.randn(outputs[0].shape)
            roles = [{"x": xs, "y": outputs}[role][i] for role, i in operator.declaration.grad_roles[1:]]
            calls[type(operator)](operator, dy, *[v.data._as(torch.float32, dy.device) for v in roles])
        except REFUSALS:
            continue
    assert declared and seen == declared
    assert found == set()


def test_gradients_that_are_added_by_the_operator():
    """`add_grad` returns what `grad` does, some of it added to what it is given."""
    seen, found = set(), set()
    declared = {cls for cls in registry.values() if cls.add_grad is not None}
    for case in ALL:
        xs = variables(case, case.arrays())
        for i in case.grad or ():
            xs[i].need_grad = True
        try:
            outputs = call(case, xs)
            if outputs[0].parent is None or type(outputs[0].parent._operator) not in declared:
                continue
        except REFUSALS:
            continue
        operator = outputs[0].parent._operator
        given = [v for v in xs if v is not None]
        roles = {"dy": [torch.randn(y.shape) for y in outputs], "x": [v.data._as(torch.float32, "cpu") for v in given]}
        values = [roles[role][i] for role, i in operator.declaration.grad_roles]
        need = tuple(i < len(given) for i in range(len(operator.declaration.inputs)))
        totals = [torch.randn(v.shape) for v in given] + [None] * (len(need) - len(given))
        before = [t if t is None else t.clone() for t in totals]
        results = operator.add_grad(need, totals, *values)
        for dx, expected, total, old in zip(results, operator.grad(need, *values), totals, before, strict=True):
            if dx is not None and dx is total:
                seen.add(type(operator))
                expected = expected + old
            if dx is not None and not torch.allclose(dx, expected, rtol=1e-4, atol=1e-4):
                found.add(operator.declaration.type_name)
        assert all(dx is None for dx in operator.add_grad((False,) * len(need), totals, *values))
    assert declared and seen == declared
    assert found == set()


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


def test_gradients_of_leaves_share_memory_with_nothing():
    """Also where an operator hands a gradient on, expands it, or returns a view of it."""
    found = set()
    for case in ALL:
        if not case.grad:
            continue
        xs = variables(case, case.arrays())
        for i in case.grad:
            xs[i].need_grad = True
        try:
            outputs = call(case, xs)
            nn.forward_all(outputs)
            given = output_gradients(case, [y.shape for y in outputs])
            dys = [nn.NdArray.from_numpy_array(dy.astype("float32")) for dy in given]
            for y, dy in zip(outputs, dys, strict=True):
                y.backward(dy)
        except REFUSALS:
            continue
        name = outputs[0].parent.info.type_name if outputs[0].parent is not None else str(case)
        grads = [xs[i].grad._tensor for i in case.grad]
        others = [a._tensor for a in dys] + [v.data._tensor for v in (*xs, *outputs) if v is not None]
        others += tensors(list(vars(outputs[0].parent._operator).values()))
        for i, dx in enumerate(grads):
            if dx is None:
                continue
            if is_expanded(dx) or any(overlaps(dx, t) for t in others + grads[:i] if t is not None):
                found.add(name)
    assert found == set()


@pytest.mark.parametrize("shapes", [((2, 1, 4), (1, 3, 4)), ((2, 1, 4), (2, 3, 4)), ((2, 3, 4), (2, 1, 4))])
@pytest.mark.parametrize("wanted", [(True, True), (True, False), (False, True)])
def test_gradients_of_a_broadcast_loss(capfd, shapes, wanted):
    """Kernels of ATen that make room for their result go by the shape of one operand, and warn."""
    rng = np.random.RandomState(0)
    arrays = [rng.randn(*shape).astype("float32") for shape in shapes]
    xs = [nn.Variable.from_numpy_array(a) for a in arrays]
    for x, want in zip(xs, wanted, strict=True):
        x.need_grad = want
        x.grad.zero()
    y = F.squared_error(*xs)
    y.forward()
    y.backward()
    difference = 2 * (arrays[0] - arrays[1])
    for x, want, dy in zip(xs, wanted, (difference, -difference), strict=True):
        axes = tuple(a for a, d in enumerate(x.shape) if d == 1)
        np.testing.assert_allclose(x.g, dy.sum(axes, keepdims=True) * want, rtol=1e-5, atol=1e-6)
    assert "resized" not in capfd.readouterr().err
