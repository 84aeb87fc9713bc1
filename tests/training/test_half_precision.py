"""bfloat16 without any scaling of losses, and half with it, learn the digits as well as single precision does."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.experimental.mixed_precision_training import DynamicLossScalingUpdater
from nnabla.ext_utils import get_extension_context

datasets = pytest.importorskip("sklearn.datasets")


def network(x, test):
    h = PF.convolution(x, 16, (3, 3), pad=(1, 1), with_bias=False, name="conv")
    h = F.max_pooling(F.relu(PF.batch_normalization(h, batch_stat=not test, name="norm")), (2, 2))
    return PF.affine(F.relu(PF.affine(h, 64, name="hidden")), 10, name="scores")


def error_after(type_config, seed, steps):
    """Share of errors on a fifth of the digits, after training on the others."""
    digits = datasets.load_digits()
    images, labels = digits.images[:, None].astype(np.float32) / 16, digits.target[:, None]
    is_test = np.arange(len(images)) % 5 == seed % 5
    nn.clear_parameters()
    nn.seed(seed)
    rng = np.random.RandomState(seed)
    with nn.context_scope(get_extension_context("cpu", type_config=type_config)):
        x, t = nn.Variable((64, 1, 8, 8)), nn.Variable((64, 1))
        loss = F.mean(F.softmax_cross_entropy(network(x, test=False), t))
        solver = S.Adam(2e-3)
        solver.set_parameters(nn.get_parameters())

        def feed():
            chosen = rng.choice(np.flatnonzero(~is_test), 64, replace=False)
            x.d, t.d = images[chosen], labels[chosen]

        updater = DynamicLossScalingUpdater(solver, loss, feed, N=100)
        for _ in range(steps):
            if type_config == "half":
                updater.update()
                continue
            feed()
            loss.forward(clear_no_need_grad=True)
            solver.zero_grad()
            loss.backward(clear_buffer=True)
            solver.update()
        scores = network(nn.Variable.from_numpy_array(images[is_test]), test=True)
        scores.forward()
    # The weights that are updated stay in single precision, and so do the statistics.
    assert {v.data.dtype for v in nn.get_parameters(grad_only=False).values()} == {np.dtype(np.float32)}
    return float(np.mean(scores.d.argmax(1) != labels[is_test, 0]))


@pytest.mark.parametrize("type_config", ["bfloat16", "half"])
def test_a_short_training(type_config):
    errors = [error_after(kind, 0, 100) for kind in ("float", type_config)]
    # Of 360 digits; 90 % of them are wrong before.
    assert max(errors) < 0.1 and abs(errors[0] - errors[1]) < 0.03, errors


@pytest.mark.heavy
def test_accuracy_is_within_half_a_percent():
    """The mean over five trainings, whose test sets are all digits together."""
    kinds = ("float", "bfloat16", "half")
    errors = {kind: [error_after(kind, seed, 600) for seed in range(5)] for kind in kinds}
    means = {kind: float(np.mean(each)) for kind, each in errors.items()}
    print(means)
    for kind in kinds:
        assert abs(means[kind] - means["float"]) <= 0.005, errors
