"""What the C runtime has no kernel for, composed of others: against NumPy and by hand, in the interpreter and in C."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.converters.nnb import run, to_nnb

from ..csrc import compiled

INF = np.inf


def written(compute, x):
    """What is written for a function of one array."""
    given = nn.Variable.from_numpy_array(np.asarray(x, np.float32))
    found = compute(given)
    ys = found if isinstance(found, (list, tuple)) else [found]
    names = {"x": given} | {f"y{i}": y for i, y in enumerate(ys)}
    network = nn.graph_def.create_graph_from_variable("net", ys, names=names)["net"]
    return to_nnb(network, outputs=[f"y{i}" for i in range(len(ys))])


def check(compute, x, expected, folder):
    model, given = written(compute, x), [np.asarray(x, np.float32)]
    results = [run(model, given)]
    if compiled.GCC is not None:
        results.append(compiled.run(compiled.library([model], folder), model, given))
    for found in results:
        for y, wanted in zip(found, expected, strict=True):
            assert y.shape == np.shape(wanted)
            np.testing.assert_allclose(y, wanted, rtol=1e-6)


TIES = np.array([[3, 7, 7, 1], [INF, 2, INF, 0], [-INF] * 4, [-2, -5, -5, -2], [INF] * 4, [1, -INF, 0, -INF]])


@pytest.mark.parametrize("which", ["max", "min"])
def test_the_first_of_equal_elements_is_named(tmp_path, which):
    expected = [getattr(TIES, which)(1), getattr(TIES, f"arg{which}")(1)]
    check(lambda x: getattr(F, which)(x, axis=1, with_index=True), TIES, expected, tmp_path)


def test_places_are_counted_over_all_axes_that_are_reduced(tmp_path):
    x = np.random.RandomState(0).permutation(24).reshape(2, 3, 4)
    flat = x.transpose(1, 0, 2).reshape(3, 8)
    check(
        lambda v: F.max(v, axis=(0, 2), keepdims=True, only_index=True), x, [flat.argmax(1).reshape(1, 3, 1)], tmp_path
    )


@pytest.mark.parametrize(
    ("shape", "widths"),
    [((2, 4), ((1, 9), (11, 2))), ((1, 3), ((2, 1), (8, 7))), ((3, 2, 1), ((0, 0), (5, 1), (0, 3)))],
)
def test_borders_wider_than_the_array_are_reflected_again(tmp_path, shape, widths):
    x = np.random.RandomState(0).permutation(np.prod(shape)).reshape(shape)
    flat = [w for pair in widths for w in pair]
    check(lambda v: F.pad(v, flat, mode="reflect"), x, [np.pad(x, widths, mode="reflect")], tmp_path)


HALVES = np.array([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
"""What becomes of two pixels that are made four."""


@pytest.mark.parametrize(
    ("options", "x", "expected"),
    [
        ({"output_size": (5,), "align_corners": True}, [1, 3], [1, 1.5, 2, 2.5, 3]),
        ({"output_size": (4,), "align_corners": False, "half_pixel": True}, [[1, 3]], [[1, 1.5, 2.5, 3]]),
        ({"output_size": (3,), "mode": "nearest", "align_corners": False}, [1, 3], [1, 1, 3]),
        (
            {"output_size": (4, 4), "align_corners": False, "half_pixel": True, "channel_last": True},
            np.arange(8).reshape(1, 2, 2, 2),
            np.einsum("ij,kl,njlc->nikc", HALVES, HALVES, np.arange(8).reshape(1, 2, 2, 2)),
        ),
    ],
)
def test_between_elements(tmp_path, options, x, expected):
    check(lambda v: F.interpolate(v, **options), x, [expected], tmp_path)


@pytest.mark.parametrize("shape", [(2, 3, 2, 3, 2), (2, 3, 4), (2, 3)])
def test_the_mean_of_all_places(tmp_path, shape):
    x = np.random.RandomState(0).randn(*shape).astype(np.float32)
    check(F.global_average_pooling, x, [x.reshape(2, 3, -1).mean(2).reshape(2, 3, 1, 1)], tmp_path)
