"""Random changes of images, random choice, and further distributions: what they do, where they differ from sample to
sample, and that their gradient and recomputation follow the last draw."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F

from .test_stochastic import assert_distribution, deviation, forward

# Each sample, row and column can be told from the values.
IMAGES = np.arange(6 * 3 * 5 * 7, dtype=np.float32).reshape(6, 3, 5, 7)
MANY = 4000

CALLS: dict[str, Callable[[Any], Any]] = {
    "crop": lambda x: F.random_crop(x, (3, 4)),
    "flip": lambda x: F.random_flip(x, (2, 3)),
    "shift": lambda x: F.random_shift(x, (2, 3)),
    "shift constant": lambda x: F.random_shift(x, (2, 3), "constant", -1.0),
    "erase": lambda x: F.random_erase(x, 1.0, replacements=(-2.0, -1.0)),
    "erase by channel": lambda x: F.random_erase(x, 0.7, replacements=(-2.0, -1.0), n=3, share=False),
    "augmentation": lambda x: F.image_augmentation(
        x, (3, 4), angle=0.3, flip_lr=True, brightness=1.0, contrast=1.5, noise=0.1, distortion=0.1, aspect_ratio=1.2
    ),
    "choice": lambda x: F.random_choice(x, F.constant(1, x.shape), (4,), False),
}
by_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def images(need_grad: bool = False) -> nn.Variable:
    """The images as a Variable."""
    return nn.Variable.from_numpy_array(IMAGES, need_grad=need_grad)


@by_call
def test_seeds(call: Callable[[Any], Any]) -> None:
    """Every forward draws anew; nn.seed repeats."""
    y = call(images())
    nn.seed(51)
    first, second = forward(y), forward(y)
    assert not np.array_equal(first, second)
    nn.seed(51)
    assert np.array_equal(forward(y), first)


# The same with a seed of their own.
SEEDED: dict[str, Callable[..., Any]] = {
    "crop": lambda x, **seed: F.random_crop(x, (3, 4), **seed),
    "flip": lambda x, **seed: F.random_flip(x, (2, 3), **seed),
    "shift": lambda x, **seed: F.random_shift(x, (2, 3), **seed),
    "erase": lambda x, **seed: F.random_erase(x, 1.0, **seed),
    "augmentation": lambda x, **seed: F.image_augmentation(x, angle=0.3, noise=0.1, **seed),
    "choice": lambda x, **seed: F.random_choice(x, F.constant(1, x.shape), (4,), **seed),
    "beta": lambda x, **seed: F.rand_beta(shape=(100,), **seed),
    "gamma": lambda x, **seed: F.rand_gamma(shape=(100,), **seed),
    "binomial": lambda x, **seed: F.rand_binomial(1000, 0.5, shape=(100,), **seed),
}


@pytest.mark.parametrize("call", SEEDED.values(), ids=SEEDED)
def test_seeds_of_their_own(call: Callable[..., Any]) -> None:
    """They repeat in a new function, whatever nn.seed says; others go on meanwhile, and take nothing away."""
    y = call(images(), seed=5)
    first, second = forward(y), forward(y)
    nn.seed(1)
    again, common = call(images(), seed=5), call(images())
    assert np.array_equal(forward(again), first)
    without = forward(common)
    assert np.array_equal(forward(again), second)
    assert not np.array_equal(first, second)
    assert not np.array_equal(forward(call(images(), seed=6)), first)
    nn.seed(1)
    assert np.array_equal(forward(call(images())), without)


@by_call
def test_recomputation_repeats_the_last_draw(call: Callable[[Any], Any]) -> None:
    """A variable to be recomputed has the same values in backward as in forward, though others drew meanwhile."""
    x = images(need_grad=True)
    w = nn.Variable.from_numpy_array(np.float32(1), need_grad=True)
    with nn.recompute():
        y = call(F.identity(x))
    z = F.sum(F.mul2(F.pow_scalar(y, 2.0), F.reshape(w, (1,) * y.ndim)))
    nn.seed(52)
    z.forward(clear_no_need_grad=True)
    F.rand(shape=(3,)).forward()
    for v in (x, w):
        v.grad.zero()
    z.backward(clear_buffer=True)
    # The derivative by w is the sum of the squares as they were in forward.
    assert w.g == pytest.approx(float(z.d), rel=1e-5)


@pytest.mark.parametrize("name", ["crop", "flip", "shift", "shift constant", "erase", "erase by channel", "choice"])
def test_gradients_follow_the_last_draw(name: str) -> None:
    """Each element of the image receives the gradients of the places that show it."""
    x = images(need_grad=True)
    y = CALLS[name](x)
    shown = forward(y).ravel()
    x.grad.zero()
    dy = np.random.RandomState(53).standard_normal(y.shape).astype(np.float32)
    y.backward(dy)
    wanted = np.zeros(IMAGES.size)
    inside = shown >= 0
    np.add.at(wanted, shown[inside].astype(int), dy.ravel()[inside])
    np.testing.assert_allclose(x.g.ravel(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["crop", "flip", "shift", "shift constant", "choice", "erase", "dropout"])
@pytest.mark.parametrize("clear", [False, True])
def test_grad_follows_the_last_draw(name: str, clear: bool) -> None:
    """nn.grad gives what backward gives for the same forward, and can be differentiated."""
    x = images(need_grad=True)
    y = F.dropout(x, 0.4) if name == "dropout" else CALLS[name](x)
    dy = nn.Variable.from_numpy_array(np.random.RandomState(53).standard_normal(y.shape).astype(np.float32))
    z = F.sum(F.mul2(F.mul2(y, y), dy))
    (dx,) = nn.grad([z], [x])
    total = F.sum(F.mul2(dx, dx))
    dx.persistent = True
    nn.forward_all([z, total], clear_no_need_grad=clear)
    found = np.array(dx.d)
    x.grad.zero()
    total.backward()
    second = np.array(x.g)
    x.grad.zero()
    z.backward()
    np.testing.assert_allclose(found, x.g, rtol=1e-4, atol=1e-2)
    # z is a quadratic form of x without mixed terms, w x^2: its derivative is 2 w x, and that of the square 8 w^2 x.
    np.testing.assert_allclose(second * IMAGES, 2 * found**2, rtol=1e-3, atol=1e-3 * np.abs(found).max() ** 2)


def rows_and_columns(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sample, row and column that each value of a single-channel image of 5 x 7 shows."""
    values = images.astype(int)
    return values // 35, values // 7 % 5, values % 7


def test_crops_lie_anywhere() -> None:
    """Each offset as often as the others, for each sample its own, rows and columns in order."""
    x = nn.Variable.from_numpy_array(np.arange(MANY * 35, dtype=np.float32).reshape(MANY, 5, 7))
    nn.seed(54)
    sample, row, column = rows_and_columns(forward(F.random_crop(x, (3, 4))))
    assert np.array_equal(sample, np.broadcast_to(np.arange(MANY)[:, None, None], sample.shape))
    assert np.array_equal(row - row[:, :1, :1], np.broadcast_to(np.arange(3)[:, None], row.shape))
    assert np.array_equal(column - column[:, :1, :1], np.broadcast_to(np.arange(4), row.shape))
    offsets = row[:, 0, 0] * 4 + column[:, 0, 0]
    shares = np.bincount(offsets, minlength=12) / MANY
    assert len(shares) == 12 and np.max(np.abs(shares - 1 / 12)) <= deviation(MANY)


def test_crop_of_samples_with_several_axes() -> None:
    """base_axis says which axes tell samples apart; all channels of an image are cut alike."""
    nn.seed(55)
    y = forward(F.random_crop(images(), (3, 4)))
    assert np.array_equal(np.diff(y, axis=1), np.full((6, 2, 3, 4), 35))
    apart = forward(F.random_crop(images(), (3, 4), base_axis=2))
    assert not np.array_equal(np.diff(apart, axis=1), np.full((6, 2, 3, 4), 35))


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2), (-1, -2)])
def test_flips_happen_half_of_the_time(axes: tuple[int, ...]) -> None:
    """Along each axis on its own."""
    x = np.arange(MANY * 6, dtype=np.float32).reshape(MANY, 2, 3)
    nn.seed(56)
    y = forward(F.random_flip(nn.Variable.from_numpy_array(x), axes))
    flipped = np.zeros(MANY, int)
    for bits, change in enumerate([(), (1,), (2,), (1, 2)]):
        if set(change) <= {a % 3 for a in axes}:
            flipped[(y == np.flip(x, change)).all((1, 2))] = bits + 10
    shares = np.bincount(flipped)[[b for b in range(10, 14) if (flipped == b).any()]] / MANY
    assert len(shares) == 2 ** len(axes) and np.max(np.abs(shares - shares.mean())) <= 2 * deviation(MANY)
    assert shares.sum() == 1


@pytest.mark.parametrize("border_mode", ["nearest", "reflect", "constant"])
def test_shifts_are_shifts(border_mode: str) -> None:
    """Each sample is what `shift` makes of it for one of the distances, and all distances are as frequent."""
    x = np.arange(MANY * 6, dtype=np.float32).reshape(MANY, 2, 3)
    nn.seed(57)
    y = forward(F.random_shift(nn.Variable.from_numpy_array(x), (1, 2), border_mode, constant_value=-5.0))
    matched = np.zeros(MANY, int)
    for down in (-1, 0, 1):
        for right in (-2, -1, 0, 1, 2):
            if border_mode == "constant":
                padded = np.pad(x, [(0, 0), (1, 1), (2, 2)], constant_values=-5.0)
                wanted = padded[:, 1 - down : 3 - down, 2 - right : 5 - right]
            else:
                wanted = F.shift(nn.NdArray.from_numpy_array(x), (down, right), border_mode).data
            matched[(y == wanted).all((1, 2))] += 1
    assert matched.min() >= 1
    unchanged = (y == x).all((1, 2)).mean()
    assert abs(unchanged - 1 / 15) <= deviation(MANY)


def rectangles(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heights and widths of the rectangles in masks; fails where a mask is none."""
    heights, widths = mask.any(2).sum(1), mask.any(1).sum(1)
    assert np.array_equal(mask.sum((1, 2)), heights * widths)
    return heights, widths


def test_erased_rectangles() -> None:
    """Their area and aspect ratio are in the ranges, up to whole pixels; the noise is uniform."""
    x = nn.Variable((500, 2, 40, 60))
    x.d = -1
    nn.seed(58)
    y = forward(F.random_erase(x, 1.0, area_ratios=(0.1, 0.2), aspect_ratios=(0.5, 2.0), replacements=(3.0, 5.0)))
    mask = y[:, 0] != -1
    assert np.array_equal(mask, y[:, 1] != -1)
    heights, widths = rectangles(mask)
    assert np.all((heights + 1) * (widths + 1) >= 0.1 * 2400) and np.all((heights - 1) * (widths - 1) <= 0.2 * 2400)
    assert np.all((heights + 1) / (widths - 1) >= 0.5) and np.all((heights - 1) / (widths + 1) <= 2.0)
    noise = y[y != -1]
    assert_distribution(noise, lambda v: np.clip((v - 3) / 2, 0, 1))
    # They reach every row and column.
    assert mask.any((0, 1)).all() and mask.any((0, 2)).all()


@pytest.mark.parametrize("area,aspect,height,width", [(16, 1, 4, 4), (21, 1, 4, 4), (16, 2.25, 6, 2), (95, 1, 9, 9)])
def test_erased_pixels(area: float, aspect: float, height: int, width: int) -> None:
    """As observed with NNabla 1.39 on images of 10 x 10: where a rectangle begins is even from 0 to 10 - h, and it has
    h + 1 rows, of which the last may lie outside; so for columns."""
    x = nn.Variable((20000, 1, 10, 10))
    x.d = 0
    settings: dict[str, Any] = {"area_ratios": (area / 100,) * 2, "aspect_ratios": (aspect,) * 2}
    nn.seed(72)
    mask = forward(F.random_erase(x, 1.0, replacements=(1.0, 1.0), **settings))[:, 0] == 1
    lengths = rectangles(mask)
    for axis, expected in ((1, height), (2, width)):
        first = mask.any(3 - axis).argmax(1)
        shares = np.bincount(first) / len(first)
        assert len(shares) == 11 - expected and np.max(np.abs(shares - 1 / len(shares))) <= deviation(len(first))
        assert np.array_equal(lengths[axis - 1], np.minimum(expected + 1, 10 - first))


def test_erasing_with_a_probability() -> None:
    """Of each rectangle; channels share it or not; the layout does not matter."""
    x = nn.Variable((MANY, 2, 4, 6))
    x.d = 0
    nn.seed(59)
    settings: dict[str, Any] = {"area_ratios": (0.2, 0.2), "replacements": (1.0, 1.0)}
    y = forward(F.random_erase(x, 0.3, **settings)).any((2, 3))
    assert abs(y[:, 0].mean() - 0.3) <= deviation(MANY) and np.array_equal(y[:, 0], y[:, 1])
    apart = forward(F.random_erase(x, 0.3, share=False, **settings)).any((2, 3))
    assert abs((apart[:, 0] & apart[:, 1]).mean() - 0.09) <= deviation(MANY)
    several = forward(F.random_erase(x, 0.3, n=2, **settings)).any((1, 2, 3))
    assert abs(several.mean() - (1 - 0.7**2)) <= deviation(MANY)
    last = nn.Variable((MANY, 4, 6, 2))
    last.d = 0
    mask = forward(F.random_erase(last, 0.3, channel_last=True, **settings))
    assert np.array_equal(mask[..., 0], mask[..., 1])
    assert abs(mask.any((1, 2, 3)).mean() - 0.3) <= deviation(MANY)
    assert not forward(F.random_erase(x, 0.0, **settings)).any()


def test_erasing_may_pass_the_gradient() -> None:
    """Unchanged, where asked for."""
    x = images(need_grad=True)
    y = F.random_erase(x, 1.0, ste_fine_grained=False)
    forward(y)
    x.grad.zero()
    y.backward(IMAGES)
    assert np.array_equal(x.g, IMAGES)


# ---- augmentation ------------------------------------------------------------------------------------------------

SIZE = 64
COLUMNS = np.broadcast_to(np.arange(SIZE, dtype=np.float32), (SIZE, SIZE))


def coordinates(count: int, **args: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the results lies in the source: columns and rows, from images that show them."""
    x = nn.Variable((count, 2, SIZE, SIZE))
    x.d = np.stack([COLUMNS, COLUMNS.T])
    y = forward(F.image_augmentation(x, **args))
    return y[:, 0], y[:, 1]


def test_augmentation_without_settings_is_the_identity() -> None:
    """Also for an image without a batch axis."""
    assert np.allclose(forward(F.image_augmentation(images())), IMAGES, rtol=1e-5)
    x = nn.Variable.from_numpy_array(IMAGES[0])
    assert np.allclose(forward(F.image_augmentation(x)), IMAGES[0], rtol=1e-5)


def test_augmentation_cuts_anywhere() -> None:
    """The window of the result lies in the image, uniformly; a border lets it reach beyond."""
    nn.seed(60)
    columns, rows = coordinates(1000, shape=(2, 8, 10))
    np.testing.assert_allclose(np.diff(columns, axis=2), 1, atol=1e-3)
    np.testing.assert_allclose(np.diff(rows, axis=1), 1, atol=1e-3)
    assert_distribution(columns[:, 0, 0], lambda v: np.clip(v / 54, 0, 1))
    assert_distribution(rows[:, 0, 0], lambda v: np.clip(v / 56, 0, 1))
    columns, rows = coordinates(1000, shape=(2, 8, 10), pad=(4, 6))
    middle = columns[:, 0, 9]
    assert_distribution(middle[(middle > 3) & (middle < 60)], lambda v: np.clip((v - 3) / 57, 0, 1))
    assert rows.min() == 0 and rows.max() == pytest.approx(SIZE - 1, rel=1e-6)


@pytest.mark.parametrize(("least", "greatest"), [(0.5, 2.0), (2.0, 0.5)])
def test_augmentation_scales(least: float, greatest: float) -> None:
    """By factors whose logarithm is uniform; the ends may be exchanged."""
    nn.seed(61)
    columns, rows = coordinates(1000, shape=(2, 8, 8), min_scale=least, max_scale=greatest)
    # The window may reach beyond the border: the pixels that do not.
    step = np.max(np.diff(columns, axis=2), (1, 2))
    assert_distribution(np.log(step), lambda v: np.clip((v + math.log(2)) / (2 * math.log(2)), 0, 1))
    np.testing.assert_allclose(step, np.max(np.diff(rows, axis=1), (1, 2)), atol=1e-3)


def test_augmentation_turns() -> None:
    """By uniform angles, around the center of the window, without other changes."""
    nn.seed(62)
    columns, rows = coordinates(1000, shape=(2, 8, 8), angle=0.5)
    across, down = columns[:, 4, 5] - columns[:, 4, 4], rows[:, 4, 5] - rows[:, 4, 4]
    np.testing.assert_allclose(np.hypot(across, down), 1, atol=1e-3)
    assert_distribution(np.arctan2(down, across), lambda v: np.clip(v + 0.5, 0, 1))
    middle = (columns[:, 3, 3] + columns[:, 4, 4]) / 2
    assert middle.min() >= 3.5 - 1e-3 and middle.max() <= 59.5 + 1e-3


@pytest.mark.parametrize("ratio", [2.0, 0.5])
def test_augmentation_changes_the_aspect_ratio(ratio: float) -> None:
    """By factors whose logarithm is uniform; the area stays. A reciprocal means the same."""
    nn.seed(63)
    columns, rows = coordinates(1000, shape=(2, 8, 8), aspect_ratio=ratio)
    wide, high = np.max(np.diff(columns, axis=2), (1, 2)), np.max(np.diff(rows, axis=1), (1, 2))
    np.testing.assert_allclose(wide * high, 1, atol=2e-3)
    assert_distribution(np.log(high / wide), lambda v: np.clip((v + math.log(2)) / (2 * math.log(2)), 0, 1))


def test_augmentation_distorts() -> None:
    """The stretch falls with the square of the distance from pixel (32, 32), and is none at the middle of the edges."""
    nn.seed(64)
    columns, rows = coordinates(200, distortion=0.4)
    distance = np.arange(SIZE) - 32
    np.testing.assert_allclose(columns[:, 32, 32], 32, atol=1e-3)
    np.testing.assert_allclose(rows[:, 32, 32], 32, atol=1e-3)
    np.testing.assert_allclose(columns[:, 32, 0], 0, atol=1e-3)
    ratio = (columns[:, 31, 36:44] - 32) / distance[36:44]
    squares = (2 * distance[36:44] / SIZE) ** 2 + (2 * distance[31] / SIZE) ** 2
    bulge = (ratio - 1) / (1 - squares)
    np.testing.assert_allclose(bulge, np.broadcast_to(bulge[:, :1], bulge.shape), atol=2e-3)
    assert_distribution(np.log1p(bulge[:, 0]), lambda v: np.clip((v + 0.4) / 0.8, 0, 1))


@pytest.mark.parametrize("axis,flag", [(2, "flip_lr"), (1, "flip_ud")])
def test_augmentation_flips(axis: int, flag: str) -> None:
    """Half of the images."""
    nn.seed(65)
    seen = coordinates(500, **{flag: True})[2 - axis]
    first = np.take(seen, 0, axis)[:, 0]
    np.testing.assert_allclose(np.minimum(first, SIZE - 1 - first), 0, atol=1e-3)
    assert abs((first > 1).mean() - 0.5) <= deviation(500)
    np.testing.assert_allclose(np.abs(np.diff(seen, axis=axis)), 1, atol=1e-3)


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("greatest", [2.0, 0.5])
def test_augmentation_changes_brightness_and_contrast(each: bool, greatest: float) -> None:
    """Brightness first, then contrast; for each image, or each channel. A reciprocal means the same."""
    x = nn.Variable((2000, 2, 1, 2))
    x.d = np.array([1.0, 3.0])
    nn.seed(66)
    y = forward(
        F.image_augmentation(
            x, brightness=0.5, brightness_each=each, contrast=greatest, contrast_center=1.5, contrast_each=each
        )
    )
    contrast = (y[:, :, 0, 1] - y[:, :, 0, 0]) / 2
    brightness = (y[:, :, 0, 0] - 1.5) / contrast + 0.5
    assert_distribution(np.log(contrast[:, 0]), lambda v: np.clip((v + math.log(2)) / (2 * math.log(2)), 0, 1))
    assert_distribution(brightness[:, 0], lambda v: np.clip(v + 0.5, 0, 1))
    assert np.allclose(contrast[:, 0], contrast[:, 1], rtol=1e-4) is not each
    assert np.allclose(brightness[:, 0], brightness[:, 1], atol=1e-4) is not each


def test_augmentation_adds_noise() -> None:
    """Normal, with a deviation that is uniform."""
    x = nn.Variable((1000, 1, 40, 40))
    x.d = 0
    nn.seed(67)
    y = forward(F.image_augmentation(x, noise=0.7))
    deviations = y.std((1, 2, 3)) / 0.7
    # The measured deviations are right to about 2 percent, which shifts the distribution by as much.
    ordered = np.sort(deviations)
    assert np.max(np.abs(ordered - (np.arange(1000) + 0.5) / 1000)) <= deviation(1000) + 0.06
    scaled = (y / y.std((1, 2, 3), keepdims=True)).ravel()
    assert abs((np.abs(scaled) < 1).mean() - 0.6827) < 0.01


# ---- choice and distributions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("replace", [True, False])
def test_choice_follows_the_weights(replace: bool) -> None:
    """The first element drawn has the probabilities of the weights, which need not sum to one."""
    weights = np.array([1.0, 0.0, 4.0, 5.0], np.float32)
    x = nn.Variable.from_numpy_array(np.tile(np.arange(4.0), (MANY, 1)))
    w = nn.Variable.from_numpy_array(np.tile(weights, (MANY, 1)))
    nn.seed(68)
    y = forward(F.random_choice(x, w, (2,), replace))
    shares = np.bincount(y[:, 0].astype(int), minlength=4) / MANY
    assert shares[1] == 0 and np.max(np.abs(shares - weights / 10)) <= deviation(MANY)
    twice = (y[:, 0] == y[:, 1]).mean()
    assert twice == 0 if not replace else abs(twice - 0.42) <= deviation(MANY)


def test_choice_has_a_gradient_for_both_inputs() -> None:
    """As in NNabla 1.39, population and weights receive the gradients of the elements drawn."""
    x = nn.Variable.from_numpy_array(np.array([[5.0, 6.0, 7.0]]), need_grad=True)
    w = nn.Variable.from_numpy_array(np.array([[0.0, 2.0, 0.0]]), need_grad=True)
    y = F.random_choice(x, w, (2, 2))
    assert forward(y).tolist() == [[[6, 6], [6, 6]]]
    for v in (x, w):
        v.grad.zero()
    y.backward(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    assert x.g.tolist() == w.g.tolist() == [[0, 10, 0]]


@pytest.mark.parametrize("n,p", [(1, 0.3), (5, 0.5), (200, 0.02)])
def test_rand_binomial(n: int, p: float) -> None:
    """Whole numbers with the binomial probabilities."""
    nn.seed(69)
    sample = forward(F.rand_binomial(n, p, shape=(40000,)))
    assert sample.dtype == np.float32
    shares = np.bincount(sample.astype(int), minlength=n + 1) / sample.size
    wanted = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    assert np.max(np.abs(shares - wanted)) <= deviation(sample.size)


@pytest.mark.parametrize("alpha,beta", [(1, 1), (1, 3), (2, 1), (0.5, 0.5)])
def test_rand_beta(alpha: float, beta: float) -> None:
    """Against the distribution functions that have a closed form."""
    forms: dict[tuple[float, float], Callable[[np.ndarray], np.ndarray]] = {
        (1, 1): lambda x: x,
        (1, 3): lambda x: 1 - (1 - x) ** 3,
        (2, 1): lambda x: x**2,
        (0.5, 0.5): lambda x: 2 / math.pi * np.arcsin(np.sqrt(x)),
    }
    nn.seed(70)
    assert_distribution(forward(F.rand_beta(alpha, beta, shape=(40000,))), forms[alpha, beta])


@pytest.mark.parametrize("k,theta", [(1, 1), (1, 4), (2, 0.5), (0.5, 2)])
def test_rand_gamma(k: float, theta: float) -> None:
    """Against the distribution functions that have a closed form."""
    forms: dict[float, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda x: 1 - np.exp(-x),
        2: lambda x: 1 - np.exp(-x) * (1 + x),
        0.5: lambda x: np.array([math.erf(math.sqrt(v)) for v in x]),
    }
    nn.seed(71)
    assert_distribution(forward(F.rand_gamma(k, theta, shape=(40000,))) / theta, forms[k])


@pytest.mark.parametrize("type_config", ["half", "double"])
def test_types(type_config: str) -> None:
    """Random numbers come in the type of the context, integers with 32 bits."""
    from nnabla.ext_utils import get_extension_context

    with nn.context_scope(get_extension_context("cpu", type_config=type_config)):
        ys = [
            F.rand(shape=(3,)),
            F.randn(shape=(3,)),
            F.rand_beta(shape=(3,)),
            F.rand_gamma(shape=(3,)),
            F.rand_binomial(shape=(3,)),
            F.dropout(images()),
            *[call(images()) for call in CALLS.values()],
        ]
        whole = F.randint(0, 5, shape=(3,))
        nn.forward_all([*ys, whole])
    wanted = np.dtype("float16" if type_config == "half" else "float64")
    assert {y.d.dtype for y in ys} == {wanted}
    assert whole.d.dtype == np.int32


@pytest.mark.parametrize("name", [name for name in CALLS if name != "choice"])
def test_images_of_integers(name: str) -> None:
    """Are taken for the numbers that they hold."""
    call = CALLS[name]
    whole = nn.NdArray.from_numpy_array(IMAGES.astype(np.int32))
    nn.seed(74)
    y = call(whole)
    nn.seed(74)
    assert y.data.dtype == np.float32
    assert np.array_equal(y.data, call(nn.NdArray.from_numpy_array(IMAGES)).data)
