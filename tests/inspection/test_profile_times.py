"""What profilers report agrees with the clock, and costs nothing afterwards: on an idle machine, with `-m heavy`."""

from __future__ import annotations

import io
import time
from statistics import median

import pytest

import nnabla as nn
from nnabla.utils.profiler import GraphProfiler

from .networks import lenet_loss

pytestmark = pytest.mark.heavy


def test_totals_of_a_step():
    """Functions and the solver, with steps in between that nobody measures: within 10 %, the median of nine."""
    loss, solver = lenet_loss(batch=64)
    found = [nn.profile(loss, solver, runs=9, peak=False, file=io.StringIO()) for _ in range(9)]
    ratios = [each.total / each.undisturbed for each in found]
    print("functions and solver / a step without hooks:", sorted(ratios))
    assert median(ratios) == pytest.approx(1, abs=0.1)


def test_totals_of_a_graph():
    loss, solver = lenet_loss(batch=64)
    found = GraphProfiler(loss, device_id="0", ext_name="cpu", solver=solver, n_run=9)
    ratios = []
    for _ in range(9):
        found.run()
        result = found.get_result()
        parts = sum(float(stat.mean_time) for d in ("forward", "backward") for stat in result[d])
        ratios.append(parts / (float(result["forward_all"]) + float(result["backward_all"])))
    print("functions / forward and backward of the whole graph:", sorted(ratios))
    assert median(ratios) == pytest.approx(1, abs=0.1)


def test_a_graph_that_was_profiled_runs_as_fast_as_before():
    """Against one that never was, in turns."""
    graphs = [lenet_loss(batch=64), lenet_loss(batch=64)]

    def seconds(loss, solver, steps):
        start = time.perf_counter()
        for _ in range(steps):
            loss.forward(clear_no_need_grad=True)
            solver.zero_grad()
            loss.backward(clear_buffer=True)
            solver.update()
        return time.perf_counter() - start

    for loss, solver in graphs:
        seconds(loss, solver, 100)
    nn.profile(*graphs[0], runs=9, peak=False, file=io.StringIO())
    ratios = [seconds(*graphs[0], 20) / seconds(*graphs[1], 20) for _ in range(31)]
    print("a step after profiling / a step without:", sorted(ratios))
    assert median(ratios) == pytest.approx(1, abs=0.05)
