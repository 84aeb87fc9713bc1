"""Random networks give the same results for inference whichever passes are left out."""

from __future__ import annotations

import pytest

import nnabla as nn
from nnabla.engine import passes

from .fused_networks import are_folded, close, of_input, one_by_one, run, statistics
from .random_networks import random_network

# Networks that are tried every time; ``-m heavy`` tries more.
SAMPLE, MANY = 25, 1000

# Relative to the largest value; some networks have a dozen layers.
ROUNDING = 1e-4


def check_random(seed: int) -> tuple[int, int]:
    """How many records the network has that are fused functions, and how many of these were folded."""
    nn.clear_parameters()
    with nn.no_grad(seed % 2 == 1):
        x, y = random_network(seed)
    statistics(seed)
    x.d = of_input(x, seed)
    y.plan({"clear_buffer": True}, None).check()
    expected = one_by_one(y)
    close(run(y, 3), expected, ROUNDING)
    folded = are_folded(y)
    y.forward(clear_no_need_grad=True)
    close(y.d, expected, ROUNDING)
    # Without each of the passes in turn, and without all of them.
    names = [*passes.FUSIONS, *passes.PASSES]
    for left_out in (names, [names[seed % len(names)]], [*passes.FUSIONS][seed % len(passes.FUSIONS) :]):
        with passes.without(*left_out):
            y.plan({"clear_buffer": True}, None).check()
            close(run(y, 3), expected, ROUNDING)
    # What was folded follows the parameters.
    statistics(seed + 1)
    x.d = of_input(x, seed + 1)
    expected = one_by_one(y)
    close(run(y, 4), expected, ROUNDING)
    return len(folded), sum(folded)


def test_random_networks() -> None:
    found = [check_random(seed) for seed in range(SAMPLE)]
    assert sum(fused > 0 for fused, _ in found) > SAMPLE / 2
    assert sum(folded for _, folded in found) > SAMPLE / 2


@pytest.mark.heavy
def test_many_random_networks() -> None:
    found = [check_random(seed) for seed in range(MANY)]
    assert sum(fused > 0 for fused, _ in found) > MANY / 2
    print(f"{MANY} networks, {sum(f for f, _ in found)} fused calls, {sum(f for _, f in found)} folded")
