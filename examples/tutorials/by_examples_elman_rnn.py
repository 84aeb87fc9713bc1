"""Elman network: one set of weights used at every time step.

What you learn: unroll a recurrent network by a Python loop, and share parameters by entering the same scope
again. The sequence is artificial: the four quarters of a digit, read one after another.

Source of the network: J. L. Elman, "Finding Structure in Time", Cognitive Science 14, 1990.
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

LEARNING_RATE = 1e-1
WEIGHT_DECAY = 1e-5
HIDDEN = 32


def quarters(images: np.ndarray | nn.Variable) -> list:
    """Split ``(B, 1, 8, 8)`` into four ``(B, 1, 4, 4)``: top left, top right, bottom left, bottom right."""
    halves = (slice(None, 4), slice(4, None))
    return [images[..., rows, columns] for rows in halves for columns in halves]


def elman(steps: Sequence[nn.Variable], start: nn.Variable) -> tuple[nn.Variable, list[nn.Variable]]:
    """Scores after the last step and the state after every step.

    Args:
        steps: inputs in the order of time, each of shape ``(B, ...)``.
        start: state before the first step, shape ``(B, H)``.
    Returns:
        Scores ``(B, 10)``; states ``(B, H)``, as many as ``steps``.
    """
    states: list[nn.Variable] = []
    state = start
    width = start.shape[1]
    with nn.parameter_scope("rnn"):
        for step in steps:
            # The first pass creates the weights of a scope, the later ones find and reuse them.
            with nn.parameter_scope("x2h"):
                from_input = PF.affine(step, width, with_bias=False)
            with nn.parameter_scope("h2h"):
                from_state = PF.affine(state, width)
            state = F.tanh(from_input + from_state)
            states.append(state)
        with nn.parameter_scope("classifier"):
            return PF.affine(state, CLASSES), states


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Run the tutorial; the result holds losses, training error (0 to 1) and the number of parameters."""
    args = tutorial_parser(__doc__, iterations=1000).parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    nn.clear_parameters()
    nn.seed(args.seed)

    digits = load_digits()
    batches = minibatches(digits, seed=args.seed)
    images, labels = batches.next()
    steps = [nn.Variable(quarter.shape) for quarter in quarters(images)]
    start = nn.Variable((len(images), HIDDEN))
    label = nn.Variable(labels.shape)
    scores, states = elman(steps, start)
    loss = F.mean(F.softmax_cross_entropy(scores, label))

    print(f"1. {len(steps)} time steps share these parameters")
    parameters = nn.get_parameters()
    for name, parameter in parameters.items():
        print(f"  {name:26s}{parameter.shape}")

    print("2. Training: the gradient of a shared weight is the sum over the time steps")
    solver = S.Sgd(LEARNING_RATE)
    solver.set_parameters(parameters)
    losses = []
    for iteration in range(args.iterations):
        images, label.d = batches.next()
        start.d = 0
        for step, quarter in zip(steps, quarters(images), strict=True):
            step.d = quarter
        loss.forward()
        solver.zero_grad()
        loss.backward()
        solver.weight_decay(WEIGHT_DECAY)
        solver.update()
        losses.append(float(loss.d))
        print_progress(iteration, args.iterations, losses[-1])
    save_loss_curve(losses, args.output / "elman_rnn_loss.png", "Elman network")

    print("3. How the state grows while the digit is read")
    rows = []
    for number, (step, state) in enumerate(zip(steps, states, strict=True), start=1):
        rows += [(f"input {number}", step.d[0, 0]), (f"state {number}", state.d[0].reshape(-1, 8))]
    save_responses([*rows, ("scores of 0 to 9", scores.d[0].reshape(1, -1))], args.output / "elman_rnn_responses.png")

    def read(all_images: nn.Variable) -> nn.Variable:
        # A Variable is sliced as an array is: the slices become functions of the graph.
        return elman(quarters(all_images), F.constant(0, (len(digits), HIDDEN)))[0]

    error = classification_error(read, digits)
    print(f"  figures are in {args.output}")
    print(f"result: error on the training images {error:.2%}")
    return {
        "initial_loss": losses[0],
        "final_loss": float(np.mean(losses[-20:])),
        "error": error,
        "parameters": len(parameters),
    }


if __name__ == "__main__":
    main()
