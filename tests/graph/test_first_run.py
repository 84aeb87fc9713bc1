"""A plan that is larger than all before runs for the first time with large blocks apart from the heap."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.engine import plan as plans
from nnabla.engine.backward import BoundBackwardPlan


@pytest.fixture
def entered(monkeypatch) -> list[str]:
    calls: list[str] = []

    @contextmanager
    def apart():
        calls.append("apart")
        yield

    monkeypatch.setattr(plans, "large_blocks_apart", apart)
    monkeypatch.setattr(plans.BoundPlan, "_largest", 0)
    monkeypatch.setattr(BoundBackwardPlan, "_largest", 0)
    return calls


def loss(size: int) -> nn.Variable:
    x = nn.Variable((size,), need_grad=True)
    x.data.fill(0.5)
    return F.sum(F.relu(x))


def test_once_for_each_way(entered: list[str]) -> None:
    root = loss(1 << 23)
    for _ in range(3):
        root.forward()
        assert len(entered) == 1
    for _ in range(3):
        root.backward()
        assert len(entered) == 2


def test_not_for_a_network_that_is_built_anew(entered: list[str]) -> None:
    for _ in range(3):
        loss(1 << 23).forward()
    assert len(entered) == 1


def test_again_for_a_larger_one(entered: list[str]) -> None:
    for size in (1 << 23, (1 << 23) + 5, 1 << 22, 3 << 22):
        loss(size).forward()
    assert len(entered) == 2


def test_not_for_a_small_one(entered: list[str]) -> None:
    loss(1 << 16).forward()
    assert entered == []


def test_with_hooks_too(entered: list[str]) -> None:
    seen = []
    for _ in range(2):
        root = loss(1 << 23)
        root.forward(function_post_hook=lambda f: seen.append(f.info.type_name))
    assert len(entered) == 1
    assert seen == ["ReLU", "Sum"] * 2
