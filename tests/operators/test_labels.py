"""Labels that are out of range or want a gradient, and what a negative label does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.errors import ArgumentError, GraphError

LOSSES = [F.softmax_cross_entropy, F.categorical_cross_entropy]
MEASURES = [F.top_n_error, F.confusion_matrix]


def variables(labels: list[float], classes: int = 3) -> tuple[nn.Variable, nn.Variable]:
    """Scores and labels, one for each sample."""
    x = nn.Variable((len(labels), classes), need_grad=True)
    x.d = np.random.RandomState(5).uniform(0.1, 0.9, x.shape)
    target = nn.Variable((len(labels), 1))
    target.d = np.array(labels).reshape(-1, 1)
    return x, target


@pytest.mark.parametrize("function", LOSSES)
def test_a_loss_refuses_a_label_that_is_too_large(function: Callable[..., Any]) -> None:
    y = function(*variables([0, 3, 1]))
    with pytest.raises(ArgumentError, match=rf"{function.__name__}: target must be labels in \[0, 3\), not 3; a neg"):
        y.forward()


@pytest.mark.parametrize("function", MEASURES)
@pytest.mark.parametrize("label", [3, -1])
def test_a_measure_refuses_a_label_out_of_range(function: Callable[..., Any], label: int) -> None:
    y = function(*variables([0, label, 1]))
    with pytest.raises(ArgumentError, match=rf"{function.__name__}: target must be labels in \[0, 3\), not {label}"):
        y.forward()


@pytest.mark.parametrize("function", LOSSES)
def test_negative_labels_are_ignored(function: Callable[..., Any]) -> None:
    """Loss and gradient are 0 there, and elsewhere what they are without those samples."""
    x, target = variables([2, -1, 0, -7])
    y = function(x, target)
    y.forward()
    x.grad.zero()
    y.backward(np.array([[1.0], [2.0], [3.0], [4.0]]))
    rest, rest_target = variables([2, 0])
    rest.d = x.d[[0, 2]]
    z = function(rest, rest_target)
    z.forward()
    rest.grad.zero()
    z.backward(np.array([[1.0], [3.0]]))
    np.testing.assert_array_equal(y.d[[1, 3]], 0)
    np.testing.assert_array_equal(x.g[[1, 3]], 0)
    np.testing.assert_allclose(y.d[[0, 2]], z.d, rtol=1e-6)
    np.testing.assert_allclose(x.g[[0, 2]], rest.g, rtol=1e-6)


@pytest.mark.parametrize("function", [*LOSSES, F.sigmoid_cross_entropy])
def test_labels_have_no_gradient(function: Callable[..., Any]) -> None:
    x, target = variables([0, 1])
    if function is F.sigmoid_cross_entropy:
        target = nn.Variable(x.shape)
        target.d = 1
    target.need_grad = True
    y = function(x, target)
    y.forward()
    with pytest.raises(GraphError, match=f"{function.__name__}: target holds labels, which have no gradient"):
        y.backward()


def test_no_samples() -> None:
    """An empty batch has an empty loss."""
    y = F.softmax_cross_entropy(nn.Variable((0, 3)), nn.Variable((0, 1)))
    y.forward()
    assert y.d.shape == (0, 1)


def test_few_classes_and_many_samples() -> None:
    """The way around ATen's slow kernel for few classes gives the same as the ordinary one."""
    rng = np.random.RandomState(7)
    scores, labels = rng.standard_normal((100, 10)) * 4, rng.randint(0, 10, (100, 1))
    dy = rng.standard_normal((100, 1))
    found = []
    for part in (slice(0, 100), slice(0, 50), slice(50, 100)):
        x = nn.Variable(scores[part].shape, need_grad=True)
        x.d = scores[part]
        target = nn.Variable.from_numpy_array(labels[part])
        y = F.softmax_cross_entropy(x, target)
        y.forward()
        x.grad.zero()
        y.backward(dy[part])
        found.append((y.d.copy(), x.g.copy()))
    whole, first, second = found
    for a, b, c in zip(whole, first, second, strict=True):
        np.testing.assert_allclose(a, np.concatenate([b, c]), rtol=2e-6, atol=2e-6)
