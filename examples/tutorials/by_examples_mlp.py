"""Multi-layer perceptron: a network built by a loop.

What you learn: write a network as a Python function, nest parameter scopes so that each layer owns its
weights, keep the hidden layers at hand, and look at what each of them answers to an image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from digits import (
    CLASSES,
    classification_error,
    load_digits,
    minibatches,
    print_progress,
    save_loss_curve,
    save_responses,
)
from tutorial_options import tutorial_parser

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S

LEARNING_RATE = 1e-2
WEIGHT_DECAY = 1e-5


def perceptron(image: nn.Variable, widths: Sequence[int] = (16, 32, 16)) -> tuple[nn.Variable, list[nn.Variable]]:
    """Scores of shape ``(B, 10)`` and the hidden layers, one of shape ``(B, width)`` for each width."""
    layers: list[nn.Variable] = []
    below = image
    with nn.parameter_scope("mlp"):
        for number, width in enumerate(widths, start=1):
            with nn.parameter_scope(f"affine{number}"):
                below = F.tanh(PF.affine(below, width))
            layers.append(below)
        with nn.parameter_scope("classifier"):
            return PF.affine(below, CLASSES), layers


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Run the tutorial; the result holds the losses and the error on the training images (0 to 1)."""
    args = tutorial_parser(__doc__, iterations=1000).parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    nn.clear_parameters()
    nn.seed(args.seed)

    digits = load_digits()
    batches = minibatches(digits, seed=args.seed)
    image = nn.Variable((64, 1, 8, 8))
    label = nn.Variable((64, 1))
    scores, layers = perceptron(image)
    loss = F.mean(F.softmax_cross_entropy(scores, label))

    print("1. Shapes of the graph")
    named = [
        ("image", image),
        *((f"hidden {k}", h) for k, h in enumerate(layers, start=1)),
        ("scores", scores),
    ]
    for name, variable in named:
        print(f"  {name:10s}{variable.shape}")
    print("   Parameters, named by their scopes")
    for name, parameter in nn.get_parameters().items():
        print(f"  {name:26s}{parameter.shape}")

    print("2. Training")
    solver = S.Sgd(LEARNING_RATE)
    solver.set_parameters(nn.get_parameters())
    losses = []
    for iteration in range(args.iterations):
        image.d, label.d = batches.next()
        loss.forward()
        solver.zero_grad()
        loss.backward()
        solver.weight_decay(WEIGHT_DECAY)
        solver.update()
        losses.append(float(loss.d))
        print_progress(iteration, args.iterations, losses[-1])
    save_loss_curve(losses, args.output / "mlp_loss.png", "Multi-layer perceptron")

    print("3. What each layer answers to one digit")
    rows = [("image", image.d[0, 0])]
    rows += [(f"hidden {k}", h.d[0].reshape(-1, 8)) for k, h in enumerate(layers, start=1)]
    rows += [("scores of 0 to 9", scores.d[0].reshape(1, -1))]
    save_responses(rows, args.output / "mlp_responses.png")

    error = classification_error(lambda images: perceptron(images)[0], digits)
    print(f"  figures are in {args.output}")
    print(f"result: error on the training images {error:.2%}")
    return {"initial_loss": losses[0], "final_loss": float(np.mean(losses[-20:])), "error": error}


if __name__ == "__main__":
    main()
