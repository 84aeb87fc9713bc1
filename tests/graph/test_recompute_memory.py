"""Deep networks of which only every so many layers keep their values: memory grows with the root of the depth."""

from __future__ import annotations

import gc
import math
from time import process_time

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF

FORWARD, BACKWARD = {"clear_no_need_grad": True}, {"clear_buffer": True}


def deep(depth: int, recomputed: bool, batch: int, width: int) -> nn.Variable:
    """Layers with one weight for all, which are computed again between every root of the depth."""
    x = nn.Variable.from_numpy_array(np.random.RandomState(1).uniform(-1, 1, (batch, width)))
    h, segment = x, round(math.sqrt(depth))
    for i in range(depth):
        with nn.recompute(recomputed and (i + 1) % segment != 0):
            h = F.relu(PF.affine(h, width, name="same"))
    return F.mean(h)


def activations(depth: int, recomputed: bool) -> int:
    """Bytes at the peak, but for the weight, its gradient and the input."""
    nn.clear_parameters()
    # Small arrays are freed several at once.
    loss = deep(depth, recomputed, 512, 256)
    fixed = sum([2 * p.data.size * 4 for p in nn.get_parameters().values()]) + 512 * 256 * 4
    return loss.plan(FORWARD, BACKWARD).memory().bytes - fixed


def test_memory_grows_with_the_root_of_the_depth() -> None:
    few, some, many = [activations(depth, True) for depth in (25, 100, 400)]
    assert some / few < 2.3 and many / some < 2.3
    assert activations(100, False) / activations(25, False) > 3.5
    assert some < 0.35 * activations(100, False)


def step(loss: nn.Variable) -> float:
    """CPU time of a step, of all threads."""
    start = process_time()
    for p in nn.get_parameters().values():
        p.grad.zero()
    loss.forward(**FORWARD)
    loss.backward(**BACKWARD)
    return process_time() - start


@pytest.mark.heavy
def test_a_hundred_layers_take_a_third_longer_at_most() -> None:
    """And give the same gradients, with as many live bytes of tensors as the plan says."""
    nn.clear_parameters()
    losses = [deep(100, recomputed, 256, 512) for recomputed in (False, True)]
    for p in nn.get_parameters().values():
        p.d = np.random.RandomState(2).standard_normal(p.shape) * math.sqrt(2 / 512)
    gradients = []
    for loss in losses:
        step(loss)
        gradients.append([p.g.copy() for p in nn.get_parameters().values()])
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    gc.disable()
    try:
        times = [[step(loss) for loss in losses] for _ in range(9)]
    finally:
        gc.enable()
        torch.set_num_threads(threads)
    plain, again = np.min(times, axis=0)
    print(f"a step takes {plain * 1e3:.1f} ms, with recomputation {again * 1e3:.1f} ms, {again / plain:.2f} times")
    assert again <= 1.35 * plain
