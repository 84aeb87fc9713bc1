"""Runs of static graphs that a GPU repeats by itself."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.engine import capture
from nnabla.ext_utils import get_extension_context

pytestmark = pytest.mark.gpu


def trained(monkeypatch, is_on):
    """Losses of twenty steps, and how many graphs the GPU repeated."""
    monkeypatch.setattr(capture.option, "is_on", is_on)
    captured = []
    real = capture._captured
    monkeypatch.setattr(capture, "_captured", lambda run: captured.append(real(run)) or captured[-1])
    nn.clear_parameters()
    nn.seed(1)
    rng = np.random.RandomState(0)
    with nn.context_scope(get_extension_context("cudnn", device_id="0")):
        x, t = nn.Variable((16, 1, 12, 12)), nn.Variable((16, 4))
        h = F.relu(PF.batch_normalization(PF.convolution(x, 8, (3, 3), name="c"), name="n"))
        loss = F.mean(F.squared_error(PF.affine(F.max_pooling(h, (2, 2)), 4, name="a"), t))
        solver = S.Momentum(0.01)
        solver.set_parameters(nn.get_parameters())
        losses = []
        for _ in range(20):
            x.d, t.d = rng.rand(*x.shape), rng.rand(*t.shape)
            loss.forward(clear_no_need_grad=True)
            solver.zero_grad()
            loss.backward(clear_buffer=True)
            solver.update()
            losses.append(float(loss.d))
    monkeypatch.undo()
    return losses, len(captured)


def test_training(monkeypatch):
    wanted, none = trained(monkeypatch, False)
    found, graphs = trained(monkeypatch, True)
    assert none == 0 and graphs == 2
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
