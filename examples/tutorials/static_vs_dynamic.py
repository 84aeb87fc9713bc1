"""Static and dynamic graphs: the same deep network both ways, timed.

A static graph is declared once and executed again and again. A dynamic graph is built anew in every
iteration, while it is executed, so that it may depend on the data or on chance. What you learn: how to write
both, and what the freedom costs.

By default the network sees 64 random images, 30 iterations in each mode, which is enough to measure its
speed. `--data digits --iterations 3370` trains 30 epochs on real digits; that is slow without a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from digits import CLASSES, Digits, load_digits, minibatches
from tqdm import tqdm
from tutorial_options import add_device_options, positive_int, tutorial_parser

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.ext_utils import get_extension_context

# The first iteration creates parameters and reserves memory, which a long training does not notice.
WARM_UP = 1


def deep_cnn(image: nn.Variable) -> nn.Variable:
    """Scores ``(B, 10)`` for images ``(B, 1, 8, 8)``: 12 convolutions, far more than the task needs."""

    def block(maps_below: nn.Variable, maps: int, scope: str) -> nn.Variable:
        with nn.parameter_scope(scope):
            return F.tanh(PF.batch_normalization(PF.convolution(maps_below, maps, (3, 3), pad=(1, 1))))

    with nn.parameter_scope("cnn"):
        hidden = block(image, 64, "conv1")
        for number in range(2, 12):
            hidden = block(hidden, 128, f"conv{number}")
        hidden = F.average_pooling(block(hidden, 512, "conv_last"), (2, 2))
        with nn.parameter_scope("fc"):
            hidden = F.tanh(PF.affine(hidden, 1024))
        with nn.parameter_scope("classifier"):
            return PF.affine(hidden, CLASSES)


def batch_loss(image: nn.Variable, label: nn.Variable) -> nn.Variable:
    """Scalar: mean softmax cross entropy of the deep network."""
    return F.mean(F.softmax_cross_entropy(deep_cnn(image), label))


def static_step(image: nn.Variable, label: nn.Variable) -> Callable[[], float]:
    """Training step on a graph that is declared here, once."""
    loss = batch_loss(image, label)
    solver = S.Adam(alpha=1e-3)
    solver.set_parameters(nn.get_parameters())

    def step() -> float:
        loss.forward(clear_no_need_grad=True)
        solver.zero_grad()
        loss.backward(clear_buffer=True)
        solver.update()
        return float(loss.d)

    return step


def dynamic_step(image: nn.Variable, label: nn.Variable) -> Callable[[], float]:
    """Training step that builds its graph each time, so a condition inside `deep_cnn` could change it."""
    solver = S.Adam(alpha=1e-3)

    def step() -> float:
        with nn.auto_forward():
            loss = batch_loss(image, label)
        # Parameters may be new in any iteration; the moments of those known before are kept.
        solver.set_parameters(nn.get_parameters(), reset=False, retain_state=True)
        solver.zero_grad()
        loss.backward(clear_buffer=True)
        solver.update()
        return float(loss.d)

    return step


def train(
    name: str,
    step: Callable[[], float],
    image: nn.Variable,
    label: nn.Variable,
    batches: Any,
    iterations: int,
) -> tuple[list[float], list[float]]:
    """Losses and seconds of all iterations; reading the loss waits until the device has finished."""
    losses, seconds = [], []
    with tqdm(range(iterations), desc=f"{name:8s}", unit="step") as progress:
        for _ in progress:
            image.d, label.d = batches.next()
            start = time.perf_counter()
            losses.append(step())
            seconds.append(time.perf_counter() - start)
            progress.set_postfix(loss=f"{losses[-1]:.4f}")
    return losses, seconds


def random_digits(count: int, seed: int) -> Digits:
    """Noise in place of digits, same shapes and types, with labels drawn evenly."""
    random = np.random.RandomState(seed)
    images = random.standard_normal((count, 1, 8, 8)).astype(np.float32)
    return Digits(images, random.randint(CLASSES, size=(count, 1)).astype(np.int32))


def save_comparison(milliseconds: dict[str, np.ndarray], losses: dict[str, list[float]], path: Path) -> None:
    """Write the time of every step and both loss curves into one PNG."""
    figure, (times, curves) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    styles = {"static": {"linewidth": 4, "alpha": 0.4}, "dynamic": {"linewidth": 1.2, "linestyle": "--"}}
    for mode, values in milliseconds.items():
        times.plot(values, ".-", linewidth=0.8, label=mode)
        curves.plot(losses[mode], label=mode, **styles[mode])
    times.set(title="Time of a training step", xlabel="iteration", ylabel="milliseconds", ylim=(0, None))
    curves.set(title="Loss", xlabel="iteration", ylabel="softmax cross entropy")
    for axes in (times, curves):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Run the tutorial; the result holds the median milliseconds of a step and the losses in both modes."""
    parser = tutorial_parser(__doc__, iterations=30)
    parser.add_argument("--data", choices=("random", "digits"), default="random", help="default: %(default)s")
    parser.add_argument(
        "--batch-size",
        type=positive_int,
        default=16,
        metavar="B",
        help="images in a minibatch (default: %(default)s)",
    )
    add_device_options(parser)
    args = parser.parse_args(argv)
    if args.iterations <= WARM_UP:
        parser.error(f"--iterations must be above {WARM_UP}, the first is not timed")
    args.output.mkdir(parents=True, exist_ok=True)
    context = get_extension_context(args.context, device_id=args.device_id)
    digits = load_digits() if args.data == "digits" else random_digits(64, args.seed)

    losses: dict[str, list[float]] = {}
    milliseconds: dict[str, np.ndarray] = {}
    with nn.context_scope(context):
        for mode, make_step in (("static", static_step), ("dynamic", dynamic_step)):
            # The same weights and the same minibatches in both modes.
            nn.clear_parameters()
            nn.seed(args.seed)
            batches = minibatches(digits, args.batch_size, seed=args.seed)
            image = nn.Variable((args.batch_size, 1, 8, 8))
            label = nn.Variable((args.batch_size, 1))

            step = make_step(image, label)
            losses[mode], seconds = train(mode, step, image, label, batches, args.iterations)
            milliseconds[mode] = 1000 * np.asarray(seconds[WARM_UP:])
            batches.close()

    save_comparison(milliseconds, losses, args.output / "static_vs_dynamic.png")
    print(f"{'':10s}{'median ms':>12s}{'total s':>12s}{'first loss':>12s}{'last loss':>12s}")
    for mode, values in milliseconds.items():
        print(
            f"{mode:10s}{np.median(values):12.1f}{values.sum() / 1000:12.2f}"
            f"{losses[mode][0]:12.4f}{losses[mode][-1]:12.4f}"
        )
    ratio = float(np.median(milliseconds["dynamic"]) / np.median(milliseconds["static"]))
    print(f"result: a dynamic step takes {ratio:.2f} times as long as a static one")
    return {
        "static_ms": float(np.median(milliseconds["static"])),
        "dynamic_ms": float(np.median(milliseconds["dynamic"])),
        "static_initial_loss": losses["static"][0],
        "static_final_loss": losses["static"][-1],
        "dynamic_initial_loss": losses["dynamic"][0],
        "dynamic_final_loss": losses["dynamic"][-1],
    }


if __name__ == "__main__":
    main()
