"""The public surface of nnabla.functions: names, signatures and kinds as NNabla 1.39 has them."""

from __future__ import annotations

import importlib.util
import inspect
import json
from pathlib import Path

import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla import function_bases
from nnabla.graph.operator import registry

HERE = Path(__file__).parent
SIGNATURES = json.loads((HERE / "reference" / "signatures.json").read_text())
BASES = json.loads((HERE / "reference" / "base_signatures.json").read_text())
CALLS = {
    name: f
    for name, f in vars(F).items()
    if inspect.isfunction(f) and f.__module__ == "nnabla.functions" and not name.startswith("_")
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_nnablas(name):
    assert parameters_of(getattr(F, name)) == SIGNATURES[name]


@pytest.mark.parametrize("name", BASES)
def test_signatures_of_registered_functions_are_nnablas(name):
    function = getattr(function_bases, name)
    found = parameters_of(function)
    # The original says None for four arguments, and then refuses it; here they have the default of the public call.
    ours = {p[0]: p for p in found} if "normalization" in name or "standardization" in name else {}
    assert found == [ours.get(p[0], p) if p[1:] == [None] else p for p in BASES[name]]
    assert function.__module__ == "nnabla.function_bases"


def parameters_of(function):
    parameters = []
    for p in inspect.signature(function).parameters.values():
        star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        parameters.append([star + p.name] if p.default is p.empty else [p.name, listed(p.default)])
    return parameters


def listed(default):
    """A default as the record has it: JSON knows no tuples and no types."""
    if isinstance(default, type):
        return default.__name__
    return list(default) if isinstance(default, tuple) else default


def test_every_call_is_a_plain_function_with_documentation():
    for name, f in CALLS.items():
        assert f.__name__ == name
        assert (f.__doc__ or "").strip(), name
    assert set(SIGNATURES) <= set(vars(F))


def test_every_operator_has_a_public_call():
    assert {cls.declaration.name for cls in registry.values()} <= set(CALLS)


def test_the_stub_is_up_to_date():
    path = HERE.parent / "tools" / "make_stubs.py"
    spec = importlib.util.spec_from_file_location("make_stubs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.TARGET.read_text(encoding="utf-8") == module.stub(), "run: make stubs"


def leaf(shape):
    return nn.Variable(shape, need_grad=True)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: F.affine(leaf((2, 3)), leaf((5, 4))),
            r"affine: weight.shape\[0\] must be 3.*\n.*Affine.*\n.*\(2, 3\)",
        ),
        (lambda: F.convolution(leaf((2, 3, 4, 4)), leaf((4, 2, 3, 3))), "convolution"),
        (lambda: F.convolution(leaf((2, 3, 4, 4)), leaf((4, 3, 9, 9))), "convolution"),
        (lambda: F.max_pooling(leaf((2, 3)), (2, 2, 2)), "max_pooling"),
        (lambda: F.softmax(leaf((2, 3)), axis=2), "softmax: axis"),
        (lambda: F.softmax_cross_entropy(leaf((2, 3)), leaf((3, 1))), "softmax_cross_entropy"),
        (lambda: F.concatenate(leaf((2, 3)), leaf((3, 3)), axis=1), "concatenate"),
        (lambda: F.reshape(leaf((2, 3)), (4, 2)), "reshape"),
        (lambda: F.transpose(leaf((2, 3)), (0, 0)), "transpose"),
        (lambda: F.add2(leaf((2, 3)), leaf((2, 4))), "add2"),
        (lambda: F.sum(leaf((2, 3)), axis=5), "sum"),
        (lambda: F.batch_matmul(leaf((2, 3, 4)), leaf((2, 3, 4))), "batch_matmul"),
        (lambda: F.dropout(leaf((2,)), 1.5), "dropout: p"),
        (lambda: F.leaky_relu(leaf((2,)), alpha="x"), "leaky_relu: alpha must be a number, not 'x'"),
    ],
)
def test_bad_calls_are_refused_when_the_graph_is_built(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call()


@pytest.mark.parametrize("bad", [-1, 5, 100])
def test_indices_and_labels_out_of_range(bad):
    table = nn.Variable.from_numpy_array([[1.0, 2.0]] * 5, need_grad=True)
    y = F.embed(nn.Variable.from_numpy_array([0, bad]), table)
    with pytest.raises((ValueError, IndexError, RuntimeError), match="embed"):
        y.forward()
    x = nn.Variable.from_numpy_array([[1.0, 2.0, 3.0, 4.0, 5.0]], need_grad=True)
    loss = F.softmax_cross_entropy(x, nn.Variable.from_numpy_array([[bad]]))
    if bad == -1:
        # NNabla ignores samples with a negative label.
        loss.forward()
        assert loss.d.ravel()[0] == 0
    else:
        with pytest.raises((ValueError, IndexError, RuntimeError), match="softmax_cross_entropy"):
            loss.forward()
