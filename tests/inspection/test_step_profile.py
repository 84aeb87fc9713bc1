"""`nnabla.profile`: its totals agree with the clock, nothing is changed, and traces can be read."""

from __future__ import annotations

import io
import json
import time

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.inspection import clocks, step_profile
from nnabla.inspection.function_timing import FunctionTimer
from nnabla.inspection.step_profile import measured_peak

from . import networks
from .networks import Clock, lenet_loss, sleepy_loss


def quiet(*args, **kwargs):
    return nn.profile(*args, file=io.StringIO(), **{"peak": False, **kwargs})


def test_every_second_of_a_step_is_counted_once(monkeypatch):
    """By a clock that moves only while `Sleep` and the solver work."""
    clock = Clock()
    for module in (networks, step_profile):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(clocks, "perf_counter_ns", clock.perf_counter_ns)
    solver = S.Sgd()
    update = solver.update
    monkeypatch.setattr(solver, "update", lambda: (clock.sleep(0.03), update()))
    found = quiet(sleepy_loss(), solver, runs=3)
    slow = found.rows()[0]
    assert (slow.name, slow.count) == ("Sleep", 1)
    assert (slow.forward, slow.backward) == pytest.approx((0.02, 0.04))
    assert [row.seconds for row in found.rows()[1:]] == pytest.approx([0, 0])
    assert found.parts == pytest.approx({"forward": 0.02, "zero_grad": 0, "backward": 0.04, "update": 0.03})
    assert (found.total, found.step, found.undisturbed) == pytest.approx((0.09, 0.09, 0.09))
    assert found.table().splitlines()[-1] == "A step takes 90.000 ms, 90.000 ms while it is measured."


def test_seconds_are_those_of_a_real_clock():
    loss = sleepy_loss()
    start = time.perf_counter()
    found = quiet(loss, runs=3)
    wall = time.perf_counter() - start
    slow = found.rows()[0]
    assert slow.name == "Sleep" and slow.forward >= 0.02 and slow.backward >= 0.04
    assert min(found.step, found.undisturbed) >= 0.06
    steps = sum(span.seconds for span in found.spans if span.label == "step")
    assert sum(span.seconds for span in found.spans if span.function is not None) <= steps <= wall


def test_rows():
    loss, solver = lenet_loss(batch=2)
    found = quiet(loss, solver, runs=2)
    types = {row.name: row for row in found.rows()}
    assert types["Convolution"].count == types["MaxPooling"].count == types["Affine"].count == 2
    assert types["ReLU"].count == 3
    layers = {row.name for row in found.rows("layer")}
    assert layers >= {"conv1/conv", "conv2/conv", "hidden/affine", "out/affine", "(ReLU)"}
    single = {row.name: row for row in found.rows("function")}
    assert len(single) == 11 and "0 conv1/conv/Convolution" in single
    convolution = single["0 conv1/conv/Convolution"]
    assert convolution.bytes == 2 * 16 * 24 * 24 * 4
    # The input wants no gradient: forward, and the gradient of the weight.
    assert convolution.operations == 2 * 2 * (2 * 16 * 24 * 24 * 25)
    for by in ("type", "layer", "function"):
        assert sum(row.seconds for row in found.rows(by)) == pytest.approx(sum(r.seconds for r in types.values()))
    with pytest.raises(nn.errors.ArgumentError, match="Profile: by must be 'type', 'layer' or 'function', not 'x'"):
        found.rows("x")


def test_table():
    loss, solver = lenet_loss(batch=2)
    file = io.StringIO()
    found = nn.profile(loss, solver, runs=1, by="layer", peak=1e12, file=file)
    lines = file.getvalue().splitlines()
    header = "layer  count  forward ms  backward ms  share  memory  GFLOP/s  of peak"
    assert lines[0].split() == header.split()
    assert any(line.startswith("conv1/conv ") and line.endswith("%") for line in lines)
    starts = [line.partition("  ")[0] for line in lines]
    assert {"zero_grad", "update", "(between functions)"} <= set(starts)
    assert lines[-1].startswith("A step takes ") and lines[-1].endswith("; peak of cpu: 1000 GFLOP/s.")
    assert str(found) == found.table()
    assert found._repr_html_().count("<tr>") == len(found.rows()) + 4


def test_nothing_is_changed():
    nn.clear_parameters()
    x = nn.Variable.from_numpy_array(np.random.RandomState(0).rand(4, 3).astype(np.float32))
    loss = F.mean(PF.batch_normalization(PF.affine(x, 5)) ** 2)
    solver = S.Adam()
    solver.set_parameters(nn.get_parameters())

    def state():
        arrays = {key: v.d.copy() for key, v in nn.get_parameters(grad_only=False).items()}
        for key, kept in solver.get_states().items():
            arrays |= {f"{key} {name}": v.d.copy() for name, v in kept.pstate.items()} | {f"{key} t": kept.t}
        return arrays

    def step():
        loss.forward()
        solver.zero_grad()
        loss.backward()
        solver.update()

    step()
    before = state()
    quiet(loss, solver, runs=3)
    after = state()
    assert before.keys() == after.keys() and len(before) == 6 + 4 * 3
    for key, values in before.items():
        np.testing.assert_array_equal(values, after[key], err_msg=key)
    step()
    moved = state()
    assert all(not np.array_equal(moved[key], values) for key, values in before.items() if "affine/b" not in key)


def test_a_loss_that_needs_no_gradient():
    found = quiet(F.sum(F.relu(nn.Variable((2, 3)))), runs=2)
    assert list(found.parts) == ["forward"]
    assert [row.backward for row in found.rows()] == [0, 0]


def test_gradients_do_not_add_up_without_a_solver():
    x = nn.Variable.from_numpy_array(np.ones(3, np.float32), need_grad=True)
    quiet(F.sum(x * 2), runs=3)
    assert x.g.tolist() == [2, 2, 2]


def test_trace(tmp_path):
    loss, solver = lenet_loss(batch=2)
    found = quiet(loss, solver, runs=2, trace=str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    names = [event["args"]["name"] for event in events if event["ph"] == "M"]
    assert names == ["nnabla", "steps"]
    complete = [event for event in events if event["ph"] == "X"]
    assert len(complete) == len(found.spans) == 2 * (1 + 4 + 11 + 11)
    steps = [event for event in complete if event["name"] == "step"]
    assert len(steps) == 2
    for event in complete:
        assert any(
            step["ts"] <= event["ts"] and event["ts"] + event["dur"] <= step["ts"] + step["dur"] + 0.002
            for step in steps
        )
    first = next(event for event in complete if event["name"] == "Convolution")
    assert first["cat"] == "forward"
    assert first["args"]["layer"] == "conv1/conv"
    assert first["args"]["inputs"] == [[2, 1, 28, 28], [16, 1, 5, 5], [16]]
    assert first["args"]["arguments"]["stride"] == [1, 1]
    assert first["args"]["FLOP"] == 2 * 2 * 16 * 24 * 24 * 25


def test_bad_calls(tmp_path):
    with pytest.raises(TypeError, match="profile: loss must be a Variable, not int"):
        nn.profile(3)
    with pytest.raises(nn.errors.ArgumentError, match="runs must be at least 1 and warm_up at least 0, not 0 and 3"):
        nn.profile(nn.Variable(), runs=0)
    with pytest.raises(nn.errors.GraphError, match="has no parent function"):
        nn.profile(nn.Variable())
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        quiet(F.relu(nn.Variable((2,))), trace=str(tmp_path / "none" / "trace.json"))


def test_peak_is_measured_once():
    device = torch.device("cpu")
    peak = measured_peak(device, torch.float32)
    assert 1e8 < peak < 1e15
    assert measured_peak(device, torch.float32) == peak


class Event:
    """Stands for an event of a GPU, whose queue is behind by a millisecond a call."""

    now = 0.0

    def __init__(self, enable_timing):
        assert enable_timing

    def record(self, stream):
        Event.now += 1.0
        self.at = Event.now

    def elapsed_time(self, other):
        return other.at - self.at


def test_the_clock_of_a_gpu(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    clock = clocks.clock_of(torch.device("cuda", 0))
    timer = FunctionTimer(clock)
    with timer.part("forward"):
        timer.pre_hook("f")
        timer.post_hook("f")
    spans = timer.spans()
    assert [(s.label, s.function) for s in spans] == [("forward", None), ("forward", "f")]
    assert [s.seconds for s in spans] == pytest.approx([0.003, 0.001])
    assert waited == [torch.device("cuda", 0)]
