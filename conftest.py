"""Every test starts from the same state: no parameters, default context, no modes, no hooks, fixed seeds."""

from __future__ import annotations

import signal

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

import nnabla as nn
from nnabla.context import current
from nnabla.graph import hooks
from nnabla.graph.modes import modes

# How long an example takes says nothing on a slow or busy machine.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# A shell has what it starts in the background ignore the interrupt key, which some tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config, items):
    """Tests that take minutes run with ``-m heavy``, tests of a GPU where there is one."""
    reasons = {
        "heavy": None if "heavy" in config.option.markexpr else "some minutes; runs with -m heavy",
        "gpu": None if torch.cuda.is_available() else "this machine has no GPU",
    }
    for item in items:
        for marker, reason in reasons.items():
            if reason is not None and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def fresh_state():
    nn.clear_parameters()
    current.context, current.depth = nn.Context(), 0
    modes.auto_forward = modes.lines = modes.no_grad = modes.recompute = False
    for shared in (
        hooks.function_pre_hooks,
        hooks.function_post_hooks,
        hooks.solver_pre_hooks,
        hooks.solver_post_hooks,
    ):
        shared.clear()
    nn.seed(313)
    np.random.seed(0)
    yield
    nn.clear_parameters()
