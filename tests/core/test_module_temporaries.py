"""Modules made in a call and not kept: an error where parameters would be lost, and only there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.core import temporaries
from nnabla.errors import GraphError

from ..reference.record_modules import Dense
from .test_module import BIAS, WEIGHT, Model, names, x23


class Cyclic(Dense):
    """Refers to itself, so that only garbage collection frees it."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.bound = self.call


def part_of_a_temporary(self: Model, x: nn.Variable) -> Any:
    holder = Model(part=[Dense(3)])
    return holder.part[0](x)


LOST = {
    "temporary": (lambda self, x: Dense(3)(x), "Dense", f"{WEIGHT}, {BIAS}"),
    "variable": (lambda self, x: next(m(x) for m in [Dense(3)]), "Dense", f"{WEIGHT}, {BIAS}"),
    "cyclic": (lambda self, x: Cyclic(3)(x), "Cyclic", f"{WEIGHT}, {BIAS}"),
    "unused": (lambda self, x: [Dense(3)(x), x][1], "Dense", f"{WEIGHT}, {BIAS}"),
    "sequence": (
        lambda self, x: nn.Sequential(Dense(3))(x),
        "Sequential",
        f"@dense_0/{WEIGHT}, @dense_0/{BIAS}",
    ),
    "part": (part_of_a_temporary, "Model", f"@part/@0/{WEIGHT}, @part/@0/{BIAS}"),
    "orphan": (lambda self, x: Model(part=[Dense(3)]).part[0](x), "Dense", f"{WEIGHT}, {BIAS}"),
    "argument": (lambda self, x: self.user(x, Dense(3)), "Dense", f"{WEIGHT}, {BIAS}"),
}


@pytest.mark.parametrize("key", sorted(LOST))
def test_lost(key: str) -> None:
    function, kind, lost = LOST[key]
    model = Model(function, user=Model(lambda self, x, module: module(x)))
    with pytest.raises(GraphError) as caught:
        model(x23())
    assert f"Model: call() made a module {kind} (with the parameters {lost}) and did not keep it" in str(caught.value)
    assert f"keep it as an attribute, self.name = {kind}(...), or in a list, tuple or dict" in str(caught.value)
    assert temporaries.calls == []
    assert nn.get_current_parameter_scope() is nn.parameter.root_scope


def test_lost_below() -> None:
    outer = Model(lambda self, x: self.inner(x), inner=Model(lambda self, x: Dense(2)(Dense(3)(x))))
    with pytest.raises(GraphError, match=r"Model: call\(\) made a module Dense "):
        outer(x23())
    with nn.auto_forward(), pytest.raises(GraphError, match="did not keep it"):
        outer(x23())


def test_an_error_in_call_goes_first() -> None:
    def fail(self: Model, x: nn.Variable) -> None:
        Dense(3)(x)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        Model(fail)(x23())
    assert temporaries.calls == []


def keep_as_attribute(self: Model, x: nn.Variable) -> Any:
    module = Dense(3)
    y = module(x)
    self.late = module
    return y


def keep_in_list(self: Model, x: nn.Variable) -> Any:
    if not self.blocks:
        self.blocks.append(Dense(3))
    return self.blocks[0](x)


def hand_over(self: Model, x: nn.Variable) -> Any:
    module = Dense(3)
    y = module(x)
    self.set_parameters({f"taken/{name}": param for name, param in module.get_parameters().items()})
    return y


def hand_to_global_scope(self: Model, x: nn.Variable) -> Any:
    module = Dense(3)
    y = module(x)
    with nn.parameter_scope("global", nn.parameter.root_scope):
        for name, param in module.get_parameters().items():
            nn.parameter.set_parameter(name, param)
    return y


def with_given_parameters(self: Model, x: nn.Variable) -> Any:
    module = Dense(3)
    module.set_parameters({WEIGHT: nn.Variable((3, 3)), BIAS: nn.Variable((3,))})
    return module(x)


def without_parameters(self: Model, x: nn.Variable) -> Any:
    return Model(lambda self, x: F.relu(x))(x)


CACHE: list[Any] = []


def keep_elsewhere(self: Model, x: nn.Variable) -> Any:
    CACHE.append(Dense(3))
    return CACHE[-1](x)


def return_it(self: Model, x: nn.Variable) -> Any:
    module = Cyclic(3)
    return module(x), module


def return_closure(self: Model, x: nn.Variable) -> Any:
    module = Dense(3)
    module(x)
    return lambda: module


@pytest.mark.parametrize(
    "function, expected",
    [
        (keep_as_attribute, [f"@late/{WEIGHT}", f"@late/{BIAS}"]),
        (keep_in_list, [f"@blocks/@0/{WEIGHT}", f"@blocks/@0/{BIAS}"]),
        (hand_over, [f"taken/{WEIGHT}", f"taken/{BIAS}"]),
        (hand_to_global_scope, []),
        (with_given_parameters, []),
        (without_parameters, []),
        (keep_elsewhere, []),
        (return_it, []),
        (return_closure, []),
    ],
)
def test_not_lost(function: Callable[..., Any], expected: list[str]) -> None:
    model = Model(function, blocks=[])
    outer = Model(lambda self, x: self.inner(x), inner=model)
    result = outer(x23())
    assert names(model) == expected
    del result
    CACHE.clear()


def test_garbage_is_not_collected_for_modules_that_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(temporaries, "gc")

    def append(self: Model, x: nn.Variable) -> Any:
        self.rest[0].blocks.append(Dense(3))
        return self.rest[0].blocks[0](x)

    model = Model(append, rest=(Model(blocks=[]),))
    model(x23())
    assert names(model) == [f"@rest/@0/@blocks/@0/{WEIGHT}", f"@rest/@0/@blocks/@0/{BIAS}"]


def test_modules_from_outside() -> None:
    outside = Dense(3)
    by_argument, by_closure = Model(lambda self, x, module: module(x)), Model(lambda self, x: outside(x))
    y, z = by_argument(x23(), outside), by_closure(x23())
    assert y.parent.inputs[1] == z.parent.inputs[1]
    assert names(by_argument) == names(by_closure) == []
    assert names(outside) == [WEIGHT, BIAS]
