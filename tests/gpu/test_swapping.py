"""Training within a part of a GPU's memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.ext_utils import get_extension_context
from nnabla.lms import SwapInOutScheduler

pytestmark = pytest.mark.gpu

LAYERS, MAPS, SIZE = 24, 32, 128
ACTIVATION = 16 * MAPS * SIZE * SIZE * 4


def trained(limit, steps=4):
    """Losses of a deep network, and the most memory that was in use from the second step on."""
    nn.clear_parameters()
    nn.seed(1)
    context = get_extension_context("cudnn", device_id="0")
    torch.backends.cudnn.deterministic = True
    with nn.context_scope(context):
        x = nn.Variable.from_numpy_array(np.random.RandomState(0).standard_normal((16, 4, SIZE, SIZE)))
        h = x
        for i in range(LAYERS):
            h = F.tanh(PF.convolution(h, MAPS, (3, 3), pad=(1, 1), name=f"conv{i}"))
        loss = F.mean(PF.affine(F.average_pooling(h, (SIZE, SIZE)), 3) ** 2)
        solver = S.Momentum(0.01)
        solver.set_parameters(nn.get_parameters())
        scheduler = SwapInOutScheduler(nn.Context(), context, limit)
        hooks = {
            "function_pre_hook": scheduler.function_pre_hook,
            "function_post_hook": scheduler.function_post_hook,
        }
        losses = []
        for step in range(steps):
            if step == 1:
                torch.cuda.reset_peak_memory_stats()
            with scheduler:
                loss.forward(clear_no_need_grad=True, **hooks)
                solver.zero_grad()
                loss.backward(clear_buffer=True, **hooks)
                solver.update()
            losses.append(float(loss.d))
    return losses, torch.cuda.max_memory_allocated()


def test_memory_is_bounded_and_results_are_the_same():
    expected, everything = trained(10**12)
    assert everything > LAYERS * ACTIVATION
    limit = 10 * ACTIVATION
    found, peak = trained(limit)
    assert found == pytest.approx(expected, rel=1e-5)
    # What a kernel takes for itself while it runs comes on top.
    assert peak < limit + 3 * ACTIVATION < everything
