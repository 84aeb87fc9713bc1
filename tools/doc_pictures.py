"""Draws the pictures of the reference, where they say more than words: curves, windows, axes of statistics, images.

All are computed by the package itself. Curves and schemes are SVG, images PNG.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

import nnabla as nn
import nnabla.functions as F
import nnabla.utils.learning_rate_scheduler as L
from nnabla.graph.argument import REQUIRED
from nnabla.graph.operator import registry

BLUE, ORANGE, GREY, LIGHT = "#0072B2", "#D55E00", "#888888", "#e6e6e6"
WIDTH, HEIGHT, EDGE = 340, 230, 34
ACTIVATIONS = ("activations", "rectifiers")
PLACES = 321


def target(value: float) -> Any:
    """What a loss compares with, for every place of a curve."""
    return F.constant(value, (PLACES, 1))


# Losses by a function of the score that the curve is drawn over.
LOSSES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "squared_error": ("x1 = 0", lambda x: F.squared_error(x, target(0))),
    "absolute_error": ("x1 = 0", lambda x: F.absolute_error(x, target(0))),
    "huber_loss": ("x1 = 0, delta = 1", lambda x: F.huber_loss(x, target(0))),
    "epsilon_insensitive_loss": ("x1 = 0, epsilon = 1", lambda x: F.epsilon_insensitive_loss(x, target(0), 1.0)),
    "sigmoid_cross_entropy": ("target 1", lambda x: F.sigmoid_cross_entropy(x, target(1))),
}
SCHEDULERS = {
    "PolynomialScheduler": lambda: L.PolynomialScheduler(1.0, 100, power=2),
    "CosineScheduler": lambda: L.CosineScheduler(1.0, 100),
    "StepScheduler": lambda: L.StepScheduler(1.0, 0.3, [30, 60, 80]),
    "ExponentialScheduler": lambda: L.ExponentialScheduler(1.0, 0.8, iter_interval=10),
    "LinearWarmupScheduler": lambda: L.LinearWarmupScheduler(L.CosineScheduler(1.0, 100), 20),
}
# Which axes of (batch, channels, places) share a mean and a variance.
STATISTICS = {
    "batch_normalization": (0, 2),
    "sync_batch_normalization": (0, 2),
    "layer_normalization": (1, 2),
    "instance_normalization": (2,),
    "group_normalization": "groups",
}
# Layers that move a window: length of the input, kernel, pad, stride, dilation of the picture.
WINDOWS = {
    "convolution": [(7, 3, 0, 1, 1), (7, 3, 1, 2, 1), (7, 3, 0, 1, 2)],
    "max_pooling": [(6, 2, 0, 2, 1), (7, 3, 1, 2, 1)],
    "average_pooling": [(6, 2, 0, 2, 1), (7, 3, 1, 2, 1)],
}


class Drawing:
    """A picture in SVG, on white, so that it is readable on dark pages as well."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.parts = [f'<rect width="{width:g}" height="{height:g}" fill="white"/>']

    def line(self, points: Sequence[tuple[float, float]], color: str, width: float = 1.5, dash: str = "") -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width:g}"{dashed}/>')

    def box(self, x: float, y: float, width: float, height: float, fill: str, dash: str = "") -> None:
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" '
            f'stroke="{GREY}" stroke-width="0.8"{dashed}/>'
        )

    def text(self, x: float, y: float, text: str, color: str = "black", anchor: str = "start") -> None:
        shown = text.replace("&", "&amp;").replace("<", "&lt;")
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-family="sans-serif" font-size="11" fill="{color}" '
            f'text-anchor="{anchor}">{shown}</text>'
        )

    def save(self, path: Path) -> None:
        head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:g}" height="{self.height:g}">'
        path.write_text("\n".join([head, *self.parts, "</svg>\n"]), encoding="utf-8")


def curves(x: np.ndarray, named: dict[str, np.ndarray], path: Path, note: str = "") -> None:
    """Curves over one axis, each with its name in its color."""
    drawing = Drawing(WIDTH, HEIGHT)
    values = np.concatenate(list(named.values()))
    low, high = float(np.min(values)), float(np.max(values))
    margin = 0.06 * (high - low or 1)
    low, high = low - margin, high + margin

    def across(value: float) -> float:
        return EDGE + (value - x[0]) / (x[-1] - x[0]) * (WIDTH - EDGE - 12)

    def up(value: float) -> float:
        return 12 + (high - value) / (high - low) * (HEIGHT - 12 - EDGE)

    for value in ticks(float(x[0]), float(x[-1])):
        drawing.line([(across(value), 12), (across(value), HEIGHT - EDGE)], LIGHT, 1)
        drawing.text(across(value), HEIGHT - EDGE + 14, f"{value:g}", GREY, "middle")
    for value in ticks(low, high):
        drawing.line([(EDGE, up(value)), (WIDTH - 12, up(value))], LIGHT, 1)
        drawing.text(EDGE - 5, up(value) + 4, f"{value:g}", GREY, "end")
    place = EDGE
    for (name, y), color in zip(named.items(), (BLUE, ORANGE), strict=False):
        drawing.line([(across(float(a)), up(float(b))) for a, b in zip(x, y, strict=True)], color)
        drawing.text(place, HEIGHT - 4, name, color)
        place += 7 * len(name) + 14
    drawing.text(WIDTH - 12, HEIGHT - 4, note, GREY, "end")
    drawing.save(path)


def ticks(low: float, high: float) -> list[float]:
    """Some five round numbers between two."""
    step = 10 ** np.floor(np.log10(high - low)) / 2
    while (high - low) / step > 7:
        step *= 2
    return [float(round(i * step, 10)) for i in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def value_and_slope(function: Callable[[Any], Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places, what a function of one array gives there, and its gradient."""
    places = np.linspace(-4, 4, PLACES)
    x = nn.Variable.from_numpy_array(places.reshape(-1, 1), need_grad=True)
    y = function(x)
    x.grad.zero()
    y.forward()
    y.backward()
    return places, y.d.ravel().copy(), x.g.ravel().copy()


def draw_functions(folder: Path) -> list[str]:
    """Activations that work number by number, and losses, with their slopes."""
    done = []
    for cls in registry.values():
        name = cls.declaration.name
        module = cls.__module__.rpartition(".")[2]
        lone = len(cls.declaration.inputs) == 1 and all(a.default is not REQUIRED for a in cls.declaration.arguments)
        if module in ACTIVATIONS and lone and "softmax" not in name:
            x, y, slope = value_and_slope(getattr(F, name))
            if y.size != x.size:
                continue
            curves(x, {name: y, "slope": slope}, folder / f"{name}.svg")
            done.append(name)
    for name, (note, function) in LOSSES.items():
        x, y, slope = value_and_slope(function)
        curves(x, {name: y, "slope": slope}, folder / f"{name}.svg", note)
        done.append(name)
    return done


def draw_schedulers(folder: Path) -> list[str]:
    """Learning rates over 100 updates."""
    steps = np.arange(101)
    for name, make in SCHEDULERS.items():
        scheduler = make()
        rates = np.array([scheduler.get_learning_rate(int(i)) for i in steps])
        curves(steps, {"learning rate": rates}, folder / f"{name}.svg", "over updates")
    return list(SCHEDULERS)


def draw_statistics(folder: Path) -> list[str]:
    """Cells of a batch of two samples, four channels and five places; one color where they share mean and variance."""
    for name, axes in STATISTICS.items():
        drawing = Drawing(2 * 150 + 30, 132)
        for sample in range(2):
            drawing.text(20 + 150 * sample, 14, f"sample {sample + 1}")
            for channel in range(4):
                for place in range(5):
                    shares = (
                        channel < 2 and sample == 0
                        if axes == "groups"
                        else all(axis in axes or index == 0 for axis, index in enumerate((sample, channel, place)))
                    )
                    drawing.box(20 + 150 * sample + 22 * place, 22 + 22 * channel, 22, 22, BLUE if shares else "white")
        drawing.text(20, 124, "channels down, places across; blue: one mean, one variance", GREY)
        drawing.save(folder / f"{name}.svg")
    return list(STATISTICS)


def draw_windows(folder: Path) -> list[str]:
    """The windows of a layer over one row, with the places that it adds."""
    cell = 22
    for name, cases in WINDOWS.items():
        drawing = Drawing(520, 12 + sum(48 + 18 * outputs(*case) for case in cases))
        top = 12.0
        for length, kernel, pad, stride, dilation in cases:
            count = outputs(length, kernel, pad, stride, dilation)
            what = f"kernel {kernel}, pad {pad}, stride {stride}"
            drawing.text(20, top + 8, what + (f", dilation {dilation}" if name == "convolution" else ""))
            drawing.text(300, top + 8, f"{length} places in, {count} out", GREY)
            for i in range(-pad, length + pad):
                added = not 0 <= i < length
                drawing.box(70 + cell * i, top + 14, cell, cell, "white" if added else LIGHT, "3" if added else "")
            for output in range(count):
                for k in range(kernel):
                    x = 70 + cell * (output * stride - pad + k * dilation)
                    drawing.box(x + 3, top + 42 + 18 * output, cell - 6, 12, BLUE if output % 2 else ORANGE)
            top += 48 + 18 * count
        drawing.save(folder / f"{name}.svg")
    return list(WINDOWS)


def outputs(length: int, kernel: int, pad: int, stride: int, dilation: int) -> int:
    """How many places a window has over a row, as `F.convolution` says."""
    x = nn.Variable((1, 1, length))
    weight = nn.Variable((1, 1, kernel))
    return int(F.convolution(x, weight, pad=(pad,), stride=(stride,), dilation=(dilation,)).shape[2])


def scene(size: int = 64) -> np.ndarray:
    """A picture in which one sees what became of it: a house, shape (3, size, size), values of 0 to 1."""
    image = Image.new("RGB", (size, size), (135, 190, 235))
    draw = ImageDraw.Draw(image)
    unit = size / 64
    draw.rectangle([0, 44 * unit, size, size], fill=(90, 160, 80))
    draw.rectangle([16 * unit, 28 * unit, 46 * unit, 54 * unit], fill=(225, 215, 190))
    draw.polygon([(10 * unit, 28 * unit), (31 * unit, 10 * unit), (52 * unit, 28 * unit)], fill=(180, 70, 50))
    draw.rectangle([34 * unit, 38 * unit, 42 * unit, 54 * unit], fill=(110, 70, 40))
    draw.rectangle([20 * unit, 34 * unit, 29 * unit, 42 * unit], fill=(90, 130, 170))
    draw.ellipse([51 * unit, 5 * unit, 61 * unit, 15 * unit], fill=(250, 220, 80))
    return (np.asarray(image, np.float32) / 255).transpose(2, 0, 1)


def turned(x: Any, degrees: float, scale: float) -> Any:
    """Images turned and made smaller by a grid."""
    angle = np.deg2rad(degrees)
    theta = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]]) / scale
    grid = F.affine_grid(nn.Variable.from_numpy_array(theta[np.newaxis]), size=x.shape[2:])
    return F.warp_by_grid(x, grid)


IMAGES: dict[str, list[Callable[[Any], Any]]] = {
    "random_crop": [lambda x, seed=s: F.random_crop(x, shape=(3, 40, 40), seed=seed) for s in range(5)],
    "random_flip": [lambda x, seed=s: F.random_flip(x, axes=(2, 3), seed=seed) for s in range(5)],
    "random_shift": [lambda x, seed=s: F.random_shift(x, shifts=(0, 16, 16), seed=seed) for s in range(5)],
    "random_erase": [lambda x, seed=s: F.random_erase(x, prob=1.0, seed=seed) for s in range(5)],
    "image_augmentation": [
        lambda x, seed=s: F.image_augmentation(
            x, shape=(3, 64, 64), min_scale=0.8, max_scale=1.3, angle=0.4, aspect_ratio=1.2, distortion=0.2,
            flip_lr=True, brightness=0.15, contrast=1.4, noise=0.04, seed=seed,
        )
        for s in range(5)
    ],
    "interpolate": [
        lambda x, mode=m: F.interpolate(F.interpolate(x, output_size=(16, 16), mode="linear"), (4, 4), mode=mode)
        for m in ("nearest", "linear")
    ],
    "warp_by_grid": [lambda x, d=d: turned(x, d, 0.8) for d in (15, 30, 45, 90)],
}  # fmt: skip


def draw_images(folder: Path) -> list[str]:
    """An image, and what becomes of it."""
    original = scene()
    for name, calls in IMAGES.items():
        shown = [original]
        for call in calls:
            y = call(nn.Variable.from_numpy_array(original[np.newaxis]))
            y.forward()
            shown.append(y.d[0].copy())
        row = Image.new("RGB", (136 * len(shown) - 8, 128), "white")
        for i, picture in enumerate(shown):
            pixels = (picture.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
            tile = Image.fromarray(pixels).resize((2 * pixels.shape[1], 2 * pixels.shape[0]), Image.Resampling.NEAREST)
            row.paste(tile, (136 * i, 0))
        row.save(folder / f"{name}.png")
    return list(IMAGES)


def draw_all(folder: Path) -> dict[str, str]:
    """Draw every picture into a folder; returns their files by the full names of what they show."""
    folder.mkdir(parents=True, exist_ok=True)
    nn.clear_parameters()
    found = {}
    for draw in (draw_functions, draw_statistics, draw_windows, draw_images):
        for name in draw(folder):
            suffix = "png" if draw is draw_images else "svg"
            for module in ("functions", "parametric_functions"):
                if hasattr(__import__(f"nnabla.{module}", fromlist=[name]), name):
                    found[f"nnabla.{module}.{name}"] = f"{name}.{suffix}"
    for name in draw_schedulers(folder):
        found[f"nnabla.utils.learning_rate_scheduler.{name}"] = f"{name}.svg"
    return found
