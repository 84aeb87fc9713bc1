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


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "call",
    [
        F.identity,
        lambda h: F.reshape(h, (4,), inplace=False),
        lambda h: F.transpose(h, (1, 0)),
        lambda h: F.slice(h, (0, 0), (2, 2)),
        lambda h: F.broadcast(h, (2, 2)),
    ],
)
def test_what_is_written_to_persistent_values_stays_there(first, call):
    """Although the engine lets intermediate variables share memory where an operator allows it."""
    h = F.mul_scalar(nn.Variable.from_numpy_array(np.ones((2, 2))), 2.0)
    view = call(h)
    written, other = (h, view) if first else (view, h)
    written.persistent = True
    y = F.sum(F.mul2(view, view))
    for _ in range(2):
        y.forward()
        written.d[...] = 7
        np.testing.assert_array_equal(other.d, np.full(other.shape, 2))
