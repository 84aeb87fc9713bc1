"""Profilers on a GPU, by its own events."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.ext_utils import get_extension_context
from nnabla.inspection.clocks import CudaClock
from nnabla.utils.profiler import GraphProfiler

pytestmark = pytest.mark.gpu


@pytest.fixture
def training():
    """A loss of large products, whose functions take far longer than it takes to call them, and its solver."""
    nn.clear_parameters()
    with nn.context_scope(get_extension_context("cudnn", device_id="0")):
        x = nn.Variable.from_numpy_array(np.random.RandomState(0).standard_normal((4096, 2048)).astype(np.float32))
        h = F.tanh(PF.affine(x, 4096, name="a"))
        loss = F.mean(PF.affine(h, 4096, name="b") ** 2)
        solver = S.Momentum()
        solver.set_parameters(nn.get_parameters())
        yield loss, solver


def test_events_measure_the_work_and_not_its_call():
    device = torch.device("cuda", 0)
    clock = CudaClock(device)
    matrix = torch.rand(4096, 4096, device=device)
    for _ in range(3):
        matrix @ matrix
    marks = [clock.mark()]
    for count in (1, 4):
        for _ in range(count):
            matrix @ matrix
        marks.append(clock.mark())
    _, one, five = clock.seconds(marks)
    assert 2 < (five - one) / one < 8


def test_functions_of_a_step(training):
    loss, solver = training
    found = nn.profile(loss, solver, runs=5)
    seconds = {row.name: row.seconds for row in found.rows("type")}
    assert seconds["Affine"] > 5 * seconds["Tanh"] > 0
    profiler = GraphProfiler(loss, solver=solver, device_id="0", ext_name="cudnn", n_run=5)
    profiler.run()
    result = profiler.get_result()
    times = {stat.function_name: stat.mean_time for stat in result["forward"] if stat.function_name}
    assert float(times["Affine"]) > float(times["Tanh"])
