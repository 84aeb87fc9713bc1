"""Siamese network: digits in the plane, on top of a pretrained network.

What you learn: load saved parameters and build on them, use one network twice with shared weights, write a
loss from elementary functions, train only some of the parameters, and lower the learning rate on the way.

Source of the loss: R. Hadsell, S. Chopra, Y. LeCun, "Dimensionality Reduction by Learning an Invariant
Mapping", CVPR 2006, equation 4 (without its factors 1/2).
"""

from __future__ import annotations

from pathlib import Path

import by_examples_cnn
import matplotlib.pyplot as plt
import numpy as np
from by_examples_cnn import convolution_block
from digits import CLASSES, load_digits, minibatches, print_progress, save_loss_curve, siamese_pairs
from tutorial_options import positive_int, tutorial_parser

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S

LEARNING_RATE = 1e-2
WEIGHT_DECAY = 1e-5
SHOWN = 512


def embed(image: nn.Variable, test: bool = False) -> nn.Variable:
    """Points of shape ``(B, 2)`` for images of shape ``(B, 1, 8, 8)``.

    The scopes are those of the CNN tutorial, so its saved weights fit; only ``embed2d`` is new.
    """
    with nn.parameter_scope("cnn"):
        with nn.parameter_scope("conv1"):
            first = convolution_block(image, 4, test, stride=(2, 2))
        with nn.parameter_scope("conv2"):
            second = F.average_pooling(convolution_block(first, 8, test), (2, 2))
    with nn.parameter_scope("embed2d"):
        return PF.affine(second, 2)


def contrastive_loss(
    left: nn.Variable, right: nn.Variable, same: nn.Variable, margin: float = 1.0, epsilon: float = 1e-4
) -> nn.Variable:
    """Pull matching pairs together, push the others apart until they are ``margin`` away.

    Args:
        left, right: points of shape ``(B, 2)``.
        same: shape ``(B,)``, 1 for a match and 0 otherwise.
        margin: distance beyond which a pair without match costs nothing.
        epsilon: added to the squared distance, whose root has no finite gradient at 0.
    Returns:
        Scalar, the mean over the batch.
    """
    squared = F.sum(F.squared_error(left, right), axis=1)
    too_close = F.maximum_scalar(margin - (squared + epsilon) ** 0.5, 0)
    return F.mean(same * squared + (1 - same) * too_close**2)


def class_separation(points: np.ndarray, labels: np.ndarray) -> float:
    """Mean distance between points of different classes, over that within a class (1 means no order)."""
    distances = np.linalg.norm(points[:, np.newaxis] - points, axis=2)
    match = labels[:, np.newaxis] == labels
    other = ~np.eye(len(labels), dtype=bool)
    return float(distances[~match].mean() / distances[match & other].mean())


def save_map(points: np.ndarray, labels: np.ndarray, path: Path) -> None:
    """Write a scatter plot of ``(N, 2)`` points, one colour for each digit."""
    figure, axes = plt.subplots(figsize=(8, 5.5), layout="constrained")
    for digit in range(CLASSES):
        of_class = points[labels == digit]
        axes.plot(*of_class.T, ".", color=plt.cm.tab10(digit), label=str(digit))
        if len(of_class):
            middle = np.median(of_class, axis=0)
            axes.annotate(
                str(digit),
                middle,
                fontsize=15,
                weight="bold",
                ha="center",
                va="center",
                bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": plt.cm.tab10(digit)},
            )
    axes.set(title=f"{len(points)} digits in the plane", xlabel="first coordinate", ylabel="second coordinate")
    axes.grid(alpha=0.3)
    axes.legend(title="digit", ncols=2)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Run the tutorial; the result holds losses, class separation and how far frozen weights moved."""
    parser = tutorial_parser(__doc__, iterations=2000)
    parser.add_argument(
        "--pretrained",
        type=Path,
        metavar="FILE",
        help="parameters of the CNN tutorial (default: those in the output directory, trained if missing)",
    )
    parser.add_argument(
        "--pretraining-iterations",
        type=positive_int,
        default=1000,
        metavar="N",
        help="updates of the CNN where it must be trained first (default: %(default)s)",
    )
    args = parser.parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)

    print("1. Pretrained parameters")
    pretrained = args.pretrained or args.output / by_examples_cnn.PARAMETER_FILE
    if args.pretrained is None and not pretrained.exists():
        by_examples_cnn.main(
            [
                "--output",
                str(args.output),
                "--seed",
                str(args.seed),
                "--iterations",
                str(args.pretraining_iterations),
            ]
        )
    nn.clear_parameters()
    nn.seed(args.seed)
    nn.load_parameters(str(pretrained))
    for name, parameter in nn.get_parameters().items():
        print(f"  {name:28s}{parameter.shape}")

    print("2. Two towers with the same weights")
    digits = load_digits()
    pairs = siamese_pairs(minibatches(digits, seed=args.seed))
    left_image, right_image = nn.Variable((64, 1, 8, 8)), nn.Variable((64, 1, 8, 8))
    same = nn.Variable((64,))
    loss = contrastive_loss(embed(left_image), embed(right_image), same)

    shown = nn.Variable.from_numpy_array(digits.images[:SHOWN])
    shown_labels = digits.labels[:SHOWN, 0]
    with nn.auto_forward():
        untrained = embed(shown, test=True).d.copy()

    print("3. Training the new layer alone, then again at a tenth of the learning rate")
    with nn.parameter_scope("cnn"):
        frozen = {name: parameter.d.copy() for name, parameter in nn.get_parameters().items()}
    solver = S.Sgd(LEARNING_RATE)
    with nn.parameter_scope("embed2d"):
        solver.set_parameters(nn.get_parameters())
    losses = []
    for phase in range(2):
        if phase == 1:
            solver.set_learning_rate(solver.learning_rate() * 0.1)
        print(f"  learning rate {solver.learning_rate():g}")
        for iteration in range(args.iterations):
            left_image.d, right_image.d, same.d = next(pairs)
            loss.forward()
            solver.zero_grad()
            loss.backward()
            solver.weight_decay(WEIGHT_DECAY)
            solver.update()
            losses.append(float(loss.d))
            print_progress(iteration, args.iterations, losses[-1])
    save_loss_curve(losses, args.output / "siamese_loss.png", "Contrastive loss")
    with nn.parameter_scope("cnn"):
        moved = max(np.abs(p.d - frozen[name]).max() for name, p in nn.get_parameters().items())

    print("4. Where the digits went")
    with nn.auto_forward():
        points = embed(shown, test=True).d.copy()
    save_map(points, shown_labels, args.output / "siamese_embedding.png")
    before, after = class_separation(untrained, shown_labels), class_separation(points, shown_labels)
    print(f"result: distance between classes over distance within {before:.2f} before, {after:.2f} after training")
    return {
        "initial_loss": float(np.mean(losses[:20])),
        "final_loss": float(np.mean(losses[-20:])),
        "separation_before": before,
        "separation_after": after,
        "frozen_weights_moved": float(moved),
    }


if __name__ == "__main__":
    main()
