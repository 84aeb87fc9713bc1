"""Logistic regression: the smallest network, from graph to prediction.

What you learn: declare a static graph on `nn.Variable`, let a parametric function create parameters in a
scope, run `forward` and `backward`, look at gradients, train with a solver, and run the same network
dynamically.
"""

from __future__ import annotations

import numpy as np
from digits import (
    CLASSES,
    classification_error,
    load_digits,
    minibatches,
    print_progress,
    save_loss_curve,
    save_tiles,
)
from tutorial_options import tutorial_parser

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S

LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-5


def class_scores(image: nn.Variable) -> nn.Variable:
    """Map images of shape ``(B, 1, 8, 8)`` linearly to scores of shape ``(B, 10)``."""
    with nn.parameter_scope("affine1"):
        return PF.affine(image, CLASSES)


def cross_entropy(scores: nn.Variable, label: nn.Variable) -> nn.Variable:
    """Scalar: softmax cross entropy of ``(B, 10)`` scores and ``(B, 1)`` labels, averaged over the batch."""
    return F.mean(F.softmax_cross_entropy(scores, label))


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Run the tutorial; the result holds the losses and the error on the training images (0 to 1)."""
    args = tutorial_parser(__doc__, iterations=1000).parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    nn.clear_parameters()
    nn.seed(args.seed)

    print("1. The data")
    digits = load_digits()
    batches = minibatches(digits, seed=args.seed)
    first_images, first_labels = (array.copy() for array in batches.next())
    print(f"  {len(digits)} digits; a minibatch: images {first_images.shape}, labels {first_labels.shape}")
    print(f"  how often each class occurs: {np.bincount(digits.labels.ravel()).tolist()}")
    save_tiles(first_images, args.output / "logistic_regression_batch.png", "A minibatch of digits")

    print("2. The graph: nothing is computed yet, but every shape is known")
    image = nn.Variable(first_images.shape)
    label = nn.Variable(first_labels.shape)
    scores = class_scores(image)
    loss = cross_entropy(scores, label)
    for name, variable in (("image", image), ("scores", scores), ("label", label), ("loss", loss)):
        print(f"  {name:7s}{variable.shape}")

    print("3. Forward: fill the inputs, execute up to the loss")
    image.d = first_images
    label.d = first_labels
    loss.forward()
    initial_loss = float(loss.d)
    print(f"  loss {initial_loss:.4f}; scores of the first image {np.round(scores.d[0], 2).tolist()}")

    print("4. Backward: gradients add up, so they start from zero")
    parameters = nn.get_parameters()
    for parameter in parameters.values():
        parameter.grad.zero()
    loss.backward()
    for name, parameter in parameters.items():
        print(f"  {name:18s}{parameter.shape!s:10s} |gradient| up to {np.abs(parameter.g).max():.4f}")

    print("5. Training with stochastic gradient descent")
    solver = S.Sgd(LEARNING_RATE)
    solver.set_parameters(parameters)
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
    save_loss_curve(losses, args.output / "logistic_regression_loss.png", "Logistic regression")

    print("6. Prediction: execute only the part of the graph that leads to the scores")
    image.d, label.d = batches.next()
    scores.forward()
    print(scores.d.argmax(axis=1).reshape(8, 8))
    save_tiles(image.d, args.output / "logistic_regression_predicted.png", "The digits predicted")
    error = classification_error(class_scores, digits)
    print(f"  error on the training images {error:.2%}")

    print("7. The same network as a dynamic graph: each function runs when it is called")
    image, label = nn.Variable(first_images.shape), nn.Variable(first_labels.shape)
    image.d, label.d = batches.next()
    with nn.auto_forward():
        dynamic_scores = class_scores(image)
        dynamic_loss = cross_entropy(dynamic_scores, label)
    solver.zero_grad()
    dynamic_loss.backward()
    gradient_norm = float(np.sqrt(sum(np.sum(p.g**2) for p in parameters.values())))
    print(f"  loss {float(dynamic_loss.d):.4f}, norm of all gradients {gradient_norm:.4f}")
    print(f"result: error on the training images {error:.2%}")
    return {
        "initial_loss": initial_loss,
        "final_loss": float(np.mean(losses[-20:])),
        "error": error,
        "dynamic_loss": float(dynamic_loss.d),
        "dynamic_gradient_norm": gradient_norm,
    }


if __name__ == "__main__":
    main()
