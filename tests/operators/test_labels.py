"""Labels and indices that are out of range, no numbers, or want a gradient, and what a negative label does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.dtypes
import nnabla.functions as F
from nnabla.dtypes import NO_INTEGER, whole_numbers
from nnabla.errors import ArgumentError, GraphError
from nnabla.ext_utils import get_extension_context

LOSSES = [F.softmax_cross_entropy, F.categorical_cross_entropy]


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


@pytest.mark.parametrize(("function", "label"), [(F.top_n_error, 3), (F.confusion_matrix, 3), (F.confusion_matrix, -1)])
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


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_negative_labels_are_errors(n: int) -> None:
    """However many of the highest scores count; the other samples are what they are without those."""
    x, target = variables([2, -1, 0, -7])
    y = F.top_n_error(x, target, n=n)
    y.forward()
    rest, rest_target = variables([2, 0])
    rest.d = x.d[[0, 2]]
    z = F.top_n_error(rest, rest_target, n=n)
    z.forward()
    np.testing.assert_array_equal(y.d[[1, 3]], 1)
    np.testing.assert_array_equal(y.d[[0, 2]], z.d)


def images(boxes: nn.Variable) -> nn.Variable:
    """Samples of the images that the first column of boxes names."""
    return F.roi_align(nn.Variable((4, 1, 3, 3)), F.concatenate(boxes, F.constant(1, (4, 4)), axis=1), (1, 1))


# By what refuses it and how, functions of four labels or indices in a column.
INDEXED = {
    "softmax_cross_entropy: target must be labels": lambda t: F.softmax_cross_entropy(nn.Variable((4, 3)), t),
    "categorical_cross_entropy: target must be labels": lambda t: F.categorical_cross_entropy(nn.Variable((4, 3)), t),
    "top_n_error: target must be labels": lambda t: F.top_n_error(nn.Variable((4, 3)), t),
    "confusion_matrix: target must be labels": lambda t: F.confusion_matrix(nn.Variable((4, 3)), t),
    "embed: x0 must be in": lambda t: F.embed(t, nn.Variable((3, 2))),
    "gather: Indices must be in": lambda t: F.gather(nn.Variable((3,)), t),
    "gather_nd: indices of axis 0 must be in": lambda t: F.gather_nd(nn.Variable((3,)), F.reshape(t, (1, 4))),
    "scatter_nd: indices of axis 0 must be in": lambda t: F.scatter_nd(
        nn.Variable((4,)), F.reshape(t, (1, 4)), shape=(3,)
    ),
    "scatter_add: indices must be in": lambda t: F.scatter_add(nn.Variable((3, 1)), t, nn.Variable((4, 1))),
    "one_hot: x must hold integers": lambda t: F.one_hot(t, (3,)),
    "one_hot: x must hold integers, ": lambda t: F.one_hot(F.reshape(t, (2, 2)), (3, 3)),
    "pack_padded_sequence: lengths must fall": lambda t: F.pack_padded_sequence(
        nn.Variable((3, 4)), F.reshape(t, (4,))
    )[0],
    "pad_packed_sequence: batch_sizes must be in": lambda t: F.pad_packed_sequence(
        nn.Variable((9,)), F.reshape(t, (4,))
    )[0],
    "roi_align: boxes\\[:, 0\\] must be in": images,
}


@pytest.mark.parametrize("config", ["float", "double"])
@pytest.mark.parametrize("label", [float("nan"), float("inf"), -float("inf"), 1e30, -1e30])
@pytest.mark.parametrize("start", INDEXED)
def test_what_is_no_integer_is_refused_by_name(start: str, label: float, config: str) -> None:
    """In a graph from variables and from what a function computed, and at once; nothing is taken for a label."""
    values = np.array([[1.0], [1.0], [label], [0.0]])
    words = rf"^{start}.*not .*NaN, an infinity or a number beyond 64 bits"
    with nn.context_scope(get_extension_context("cpu", type_config=config)):
        target = nn.Variable.from_numpy_array(values)
        with pytest.raises(ArgumentError, match=words):
            INDEXED[start](target).forward()
        with pytest.raises(ArgumentError, match=words):
            INDEXED[start](F.mul_scalar(target, 1.0)).forward()
        with nn.auto_forward(), pytest.raises(ArgumentError, match=words):
            INDEXED[start](target)


def test_a_plan_looks_at_labels_each_time() -> None:
    x, target = variables([0, 2, 1])
    y = F.softmax_cross_entropy(x, target)
    y.forward()
    target.d = np.array([[0.0], [np.nan], [1.0]])
    with pytest.raises(ArgumentError, match="target must be labels in .*not NaN, an infinity"):
        y.forward()
    target.d = np.array([[0.0], [1.0], [1.0]])
    y.forward()
    assert np.isfinite(y.d).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_conversion_to_integers(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    """What is no number of 64 bits becomes the least one, whatever the processor makes of it."""
    inf = float("inf")
    given = torch.tensor([1.75, -1.75, float("nan"), inf, -inf, 3e4, -3e4], dtype=dtype)
    expected = [1, -1, NO_INTEGER, NO_INTEGER, NO_INTEGER, int(given[5]), int(given[6])]
    assert whole_numbers(given).tolist() == expected
    monkeypatch.setattr(nnabla.dtypes, "_CONVERTS_SO", False)
    assert whole_numbers(given).tolist() == expected
    assert whole_numbers(torch.tensor([1e19, -1e30, -(2.0**62)])).tolist() == [NO_INTEGER, NO_INTEGER, -(2**62)]


def test_an_index_in_brackets_must_be_an_integer() -> None:
    x = nn.Variable.from_numpy_array(np.arange(6.0))
    with pytest.raises(IndexError, match="an index must be a whole number of 64 bits, not nan"):
        x[np.array([0.0, np.nan])]
    with pytest.raises(ArgumentError, match="gather_nd: indices of axis 0 must be in .*not NaN, an infinity"):
        x[nn.Variable.from_numpy_array([0.0, np.inf])].forward()


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
