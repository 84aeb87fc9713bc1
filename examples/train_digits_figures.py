"""What a training of `train_digits.py` measured, and the figures that show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

SMOOTHING = 50


@dataclass(frozen=True)
class Split:
    """Digits to train and to test on: images ``(N, 1, 8, 8)`` float32 of 0 to 16, labels ``(N, 1)`` int32."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


@dataclass
class History:
    """What one run measured.

    Attributes:
        loss: training loss of every iteration.
        error: training error of every iteration, percent of the minibatch.
        checkpoints: numbers of updates after which the test digits were classified.
        test_loss: loss on all test digits at each checkpoint.
        test_error: error on all test digits at each checkpoint, percent.
        scores: scores of the test digits at the last checkpoint, shape ``(N, 10)``.
        seconds: duration of the training without the checkpoints.
    """

    loss: list[float] = field(default_factory=list)
    error: list[float] = field(default_factory=list)
    checkpoints: list[int] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_error: list[float] = field(default_factory=list)
    scores: np.ndarray | None = None
    seconds: float = 0.0


def running_mean(values: list[float], window: int) -> tuple[np.ndarray, np.ndarray]:
    """Means over ``window`` consecutive values and the count of values up to each, fewer if there are few."""
    window = min(window, len(values))
    means = np.convolve(values, np.full(window, 1 / window), mode="valid")
    return np.arange(window, len(values) + 1), means


def save_learning_curves(histories: dict[str, History], path: Path) -> None:
    """Write loss and error over iterations, for training and test digits and both modes, into one PNG."""
    colors = {"training": "#0072B2", "test": "#D55E00"}
    # The modes should coincide: a thin dark line on a broad pale one shows both.
    styles = {
        "static": {"linewidth": 5, "alpha": 0.35, "solid_capstyle": "round"},
        "dynamic": {"linewidth": 1.2, "linestyle": (0, (4, 2))},
    }
    figure, panels = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained")
    for mode, history in histories.items():
        for axes, training, test in (
            (panels[0], history.loss, history.test_loss),
            (panels[1], history.error, history.test_error),
        ):
            label = f"training (mean of {SMOOTHING} minibatches), {mode}"
            axes.plot(*running_mean(training, SMOOTHING), color=colors["training"], label=label, **styles[mode])
            marker = "o" if mode == "dynamic" else None
            label = f"test, {mode}"
            axes.plot(
                history.checkpoints,
                test,
                color=colors["test"],
                marker=marker,
                ms=3,
                label=label,
                **styles[mode],
            )
    loss, error = panels
    loss.set(title="Loss", xlabel="iteration", ylabel="softmax cross entropy", yscale="log")
    final = histories["static"].test_error[-1]
    error.axhline(final, color="0.5", linewidth=0.8, linestyle=":")
    error.annotate(
        f"final test error {final:.2f} %",
        (0.98, final),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right",
        va="bottom",
        color="0.3",
    )
    error.set(
        title="Classification error",
        xlabel="iteration",
        ylabel="percent wrong",
        ylim=(0, max(15, 1.3 * final)),
    )
    for axes in panels:
        axes.grid(alpha=0.25, which="both")
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlim(0, None)
    loss.legend(frameon=False, fontsize=9)
    figure.suptitle("A convolutional network learns handwritten digits: static and dynamic graph")
    figure.savefig(path, dpi=140)
    plt.close(figure)


def save_predictions(split: Split, scores: np.ndarray, seed: int, path: Path, rows: int = 6, columns: int = 12) -> None:
    """Write test digits with their predictions into one PNG: the wrong ones in red, then a random choice.

    Args:
        split: the digits.
        scores: shape ``(N, 10)``, for all test digits.
        seed: seed of the choice among the digits that were recognized.
        path: file to write.
        rows, columns: size of the grid; if more digits are wrong than fit, those with the largest margin.
    """
    predicted, truth = scores.argmax(axis=1), split.test_labels[:, 0]
    margin = scores.max(axis=1) - scores[np.arange(len(truth)), truth]
    wrong = np.flatnonzero(predicted != truth)
    wrong = wrong[np.argsort(-margin[wrong], kind="stable")]
    right = np.random.RandomState(seed).permutation(np.flatnonzero(predicted == truth))
    chosen = np.concatenate([wrong, right])[: rows * columns]

    figure, grid = plt.subplots(rows, columns, figsize=(columns, 1.15 * rows + 0.9), layout="constrained")
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, index in zip(grid.flat, chosen, strict=False):
        missed = predicted[index] != truth[index]
        color = "#C1121F" if missed else "#4A4A4A"
        axes.set_axis_on()
        axes.imshow(split.test_images[index, 0], cmap="gray_r", interpolation="nearest", vmin=0, vmax=16)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color=color, linewidth=2.5 if missed else 0.6)
        title = f"{predicted[index]}, is {truth[index]}" if missed else str(predicted[index])
        axes.set_title(title, color=color, fontsize=11, weight="bold" if missed else "normal", pad=3)
    drawn = min(len(wrong), len(chosen))
    which = f"all {drawn}" if drawn == len(wrong) else f"{drawn} of {len(wrong)}"
    figure.suptitle(
        f"{len(chosen)} of {len(truth)} test digits under their predictions; {which} errors in red",
        fontsize=14,
    )
    figure.get_layout_engine().set(h_pad=0.06)
    figure.savefig(path, dpi=130)
    plt.close(figure)
