"""Handwritten digits for the tutorials: loading, batching, pairing and drawing.

scikit-learn ships 1797 grey images of 8 x 8 pixels (classes 0 to 9, pixel values 0 to 16) from the UCI
"Optical Recognition of Handwritten Digits" data set. They are small enough to train on in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import sklearn.datasets

import nnabla as nn
from nnabla.monitor import tile_images
from nnabla.utils.data_iterator import data_iterator_simple

CLASSES = 10


@dataclass(frozen=True)
class Digits:
    """Images with their labels.

    Attributes:
        images: shape ``(N, 1, 8, 8)``, float32, values 0 (paper) to 16 (ink).
        labels: shape ``(N, 1)``, int32, values 0 to 9.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def load_digits() -> Digits:
    """All 1797 digits of scikit-learn, in the order in which they are stored."""
    bunch = sklearn.datasets.load_digits(n_class=CLASSES)
    images = bunch.images[:, np.newaxis].astype(np.float32)
    return Digits(images, bunch.target[:, np.newaxis].astype(np.int32))


def minibatches(digits: Digits, batch_size: int = 64, shuffle: bool = True, seed: int = 0) -> Any:
    """NNabla data iterator whose ``next()`` returns ``(images, labels)`` and never ends.

    Args:
        digits: what to draw from.
        batch_size: images in each minibatch.
        shuffle: visit the images in a new random order in every epoch.
        seed: seed of that order.
    """

    def load(index: int) -> tuple[np.ndarray, np.ndarray]:
        return digits.images[index], digits.labels[index]

    order = np.random.RandomState(seed)
    return data_iterator_simple(load, len(digits), batch_size, shuffle=shuffle, rng=order)


def siamese_pairs(batches: Any) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Endless ``(left, right, same)`` from two consecutive minibatches of an iterator of `minibatches`.

    ``left`` and ``right`` are images of shape ``(B, 1, 8, 8)``; ``same`` has shape ``(B,)`` and is 1 where
    both show the same digit, else 0. Partners are random, so about one pair in ten is a match.
    """
    while True:
        # Copies, because an iterator may refill the arrays that it handed out.
        left, left_label = (array.copy() for array in batches.next())
        right, right_label = batches.next()
        yield left, right, (left_label == right_label).astype(np.float32).ravel()


def classification_error(network: Callable[[nn.Variable], nn.Variable], digits: Digits) -> float:
    """Share of ``digits`` (0 to 1) for which the highest score of ``network`` is not the label's."""
    images = nn.Variable.from_numpy_array(digits.images)
    with nn.auto_forward():
        scores = network(images)
    return float(np.mean(scores.d.argmax(axis=1) != digits.labels.ravel()))


def print_progress(iteration: int, total: int, loss: float) -> None:
    """Print the loss in every hundredth iteration and in the last."""
    if iteration % 100 == 0 or iteration == total - 1:
        print(f"  iteration {iteration:5d}   loss {loss:.4f}")


def save_tiles(images: np.ndarray, path: Path, title: str) -> None:
    """Write images of shape ``(N, 1, H, W)`` side by side into one PNG."""
    figure, axes = plt.subplots(figsize=(5, 5.3))
    axes.imshow(tile_images(images), cmap="gray", interpolation="nearest")
    axes.set_title(title)
    axes.axis("off")
    figure.savefig(path, dpi=120, bbox_inches="tight")
    plt.close(figure)


def save_responses(rows: list[tuple[str, np.ndarray]], path: Path) -> None:
    """Write what the layers of a network answer to one image: a labelled picture for each row.

    Args:
        rows: title and 2-D array of each picture, from input to output; each is scaled to its own range.
        path: PNG to write.
    """
    heights = [max(0.35, array.shape[0] / array.shape[1]) for _, array in rows]
    figure, axes = plt.subplots(
        len(rows),
        figsize=(3, 2.2 * sum(heights) + 0.4 * len(rows)),
        gridspec_kw={"height_ratios": heights},
        layout="constrained",
    )
    for panel, (title, array) in zip(axes, rows, strict=True):
        panel.imshow(array, cmap="gray", interpolation="nearest")
        panel.set_title(title, fontsize=9)
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_color("silver")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def save_loss_curve(losses: list[float], path: Path, title: str, window: int = 25) -> None:
    """Write a PNG with the loss of every iteration and its mean over the last ``window`` iterations."""
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axes.plot(losses, linewidth=0.7, color="tab:blue", alpha=0.35, label="minibatch")
    if len(losses) > window:
        mean = np.convolve(losses, np.full(window, 1 / window), mode="valid")
        axes.plot(np.arange(window - 1, len(losses)), mean, color="tab:blue", label=f"mean of {window}")
    axes.set(title=title, xlabel="iteration", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)
