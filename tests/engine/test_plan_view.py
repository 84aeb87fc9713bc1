"""What `Variable.plan` prints, and the memory that it foretells."""

from __future__ import annotations

import doctest
import gc
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.engine.plan import BoundPlan
from nnabla.errors import ArgumentError, GraphError


def lenet() -> tuple[list[nn.Variable], nn.Variable]:
    x, t = nn.Variable((64, 1, 28, 28)), nn.Variable((64, 1))
    h = F.relu(F.max_pooling(PF.convolution(x, 16, (5, 5), name="conv1"), (2, 2)))
    h = F.relu(F.max_pooling(PF.convolution(h, 16, (5, 5), name="conv2"), (2, 2)))
    h = F.relu(PF.affine(h, 50, name="fc3"))
    return [x, t], F.mean(F.softmax_cross_entropy(PF.affine(h, 10, name="fc4"), t))


def resnet18() -> tuple[list[nn.Variable], nn.Variable]:
    def layer(h: nn.Variable, channels: int, kernel: int, stride: int, name: str) -> nn.Variable:
        pad, stride_ = (kernel // 2,) * 2, (stride, stride)
        h = PF.convolution(h, channels, (kernel, kernel), pad=pad, stride=stride_, with_bias=False, name=name)
        return PF.batch_normalization(h, name=name)

    x, t = nn.Variable((4, 3, 64, 64)), nn.Variable((4, 1))
    h = F.max_pooling(F.relu(layer(x, 64, 7, 2, "first")), (3, 3), (2, 2), pad=(1, 1))
    for stage, channels in enumerate((64, 128, 256, 512)):
        for block in range(2):
            name, stride = f"{stage}{block}", 2 if stage and not block else 1
            short = h if stride == 1 else layer(h, channels, 1, stride, f"{name}c")
            h = F.relu(layer(h, channels, 3, stride, f"{name}a"))
            h = F.relu(layer(h, channels, 3, 1, f"{name}b") + short)
    y = PF.affine(F.average_pooling(h, h.shape[2:]), 100)
    return [x, t], F.mean(F.softmax_cross_entropy(y, t))


def lstm() -> tuple[list[nn.Variable], nn.Variable]:
    xs = [nn.Variable((20, 64)) for _ in range(10)]
    h, c = nn.Variable((20, 128)), nn.Variable((20, 128))
    for x in xs:
        h, c = PF.lstm_cell(x, h, c, 128)
    return xs, F.mean(h**2)


def bytes_of_tensors() -> int:
    """Of all that were made since `gc.freeze`; what lies on one memory is counted once."""
    storages = [t.untyped_storage() for t in gc.get_objects() if type(t) is torch.Tensor]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def counted_peak(plan: BoundPlan) -> int:
    """The most bytes that are there after a step of a plan. Hooks would give results memory of their own."""
    peak = 0
    for leaf in plan.leaves:
        leaf.load()
    for step in plan.steps:
        step(plan.frame)
        peak = max(peak, bytes_of_tensors())
    return peak


@pytest.mark.parametrize("build", [lenet, resnet18, lstm])
def test_the_peak_is_foretold(build) -> None:
    gc.collect()
    gc.freeze()
    try:
        inputs, loss = build()
        for v in inputs:
            v.d = np.random.rand(*v.shape).astype(np.float32)
        with torch.no_grad():
            loss.forward(clear_no_need_grad=True)
            loss.backward(clear_buffer=True)
            for parameter in nn.get_parameters().values():
                parameter.grad.zero()
            foretold = loss.plan().memory()
            assert loss._plans is not None
            forward, backward = loss._plans[False, True].bound, loss._plans["backward", True].bound
            peak = counted_peak(forward)
            backward.seed._tensor = backward.ones
            peak = max(peak, counted_peak(backward))
    finally:
        gc.unfreeze()
    assert foretold.bytes == pytest.approx(peak, rel=0.05)
    assert sum(held.bytes for held in foretold.holders) == foretold.bytes


def test_what_is_printed() -> None:
    x = nn.Variable((4, 3), need_grad=True)
    bias = nn.Variable((1, 3), need_grad=True)
    with nn.context_scope(nn.Context(["cpu:double"])):
        h = F.mul_scalar(x, 2)
    y = F.sum(F.reshape(F.dropout(F.add2(h, bias), 0.5), (12,)))
    text = str(y.plan())
    assert re.search(r"\n1 +\d+ B +convert +\(4, 3\) to float32\n", text)
    assert re.search(r"Dropout +in place +\(4, 3\) -> \(4, 3\)", text)
    assert re.search(r"Reshape +linked +\(4, 3\) -> \(12,\)", text)
    assert re.search(r"Add2 +\(4, 3\) -> \(4, 3\), \+=\(1, 3\)", text)
    forward, backward = text.split("\n\n")
    assert len(forward.splitlines()) == 1 + len(y.plan().programs[0].records)
    assert backward.splitlines()[0].split() == ["#", "live", "function", "kernel", "backward"]
    assert str(y.plan(backward=None)) == str(y.plan()).split("\n\n")[0]
    assert repr(y.plan()).startswith("<plan of ")


def test_who_holds_the_most() -> None:
    x = nn.Variable((1000, 10))
    x.name = "images"
    peak = F.sum(F.tanh(x)).plan(backward=None).memory()
    assert (peak.way, peak.function) == ("forward", "Sum")
    assert peak.holders[0] == (40_000, "output of Tanh") or peak.holders[0] == (40_000, "images")
    assert str(peak).splitlines()[0] == "78.1 KiB at the peak, in forward, record 1 (Sum)"
    assert "  39.1 KiB  images" in str(peak)


def test_looking_changes_nothing() -> None:
    def steps(look: bool) -> list[np.ndarray]:
        nn.seed(3)
        x = nn.Variable.from_numpy_array(np.ones((20, 30), np.float32), need_grad=True)
        y = F.sum(F.dropout(F.tanh(x)))
        found = []
        for _ in range(2):
            for _ in range(look):
                y.plan().memory()
                str(y.plan())
            y.forward(clear_no_need_grad=True)
            y.backward()
            found += [y.d.copy(), x.g.copy()]
        return found

    np.testing.assert_equal(steps(True), steps(False))


def test_bad_calls() -> None:
    with pytest.raises(GraphError, match="plan: the variable has no parent"):
        nn.Variable((2,)).plan()
    y = F.relu(nn.Variable((2,)))
    with pytest.raises(ArgumentError, match="plan: forward has no option 'clear'; there are clear_buffer, clear_no_"):
        y.plan({"clear": True})
    with pytest.raises(ArgumentError, match="plan: backward has no option 'clear_no_need_grad'"):
        y.plan(backward={"clear_no_need_grad": True})


def test_the_page_shows_the_plan_of_lenet() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "how_it_works.md"
    found = doctest.testfile(str(page), module_relative=False)
    assert found.attempted >= 10
    assert found.failed == 0
