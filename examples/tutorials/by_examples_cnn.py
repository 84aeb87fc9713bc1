"""Convolutional network with batch normalization, on the CPU or on a GPU.

What you learn: compose convolution, batch normalization and pooling, choose the device of a graph by a
context, evaluate with the statistics gathered in training (`batch_stat=False`), and save the parameters.
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
    save_responses,
)
from tutorial_options import add_device_options, tutorial_parser

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.ext_utils import get_extension_context
from nnabla.monitor import tile_images

LEARNING_RATE = 1e-1
WEIGHT_DECAY = 1e-5
PARAMETER_FILE = "cnn_parameters.h5"


def convolution_block(image: nn.Variable, maps: int, test: bool, **options: tuple[int, int]) -> nn.Variable:
    """3 x 3 convolution, batch normalization, tanh."""
    mixed = PF.convolution(image, maps, (3, 3), pad=(1, 1), **options)
    return F.tanh(PF.batch_normalization(mixed, batch_stat=not test))


def digit_cnn(image: nn.Variable, test: bool = False) -> tuple[nn.Variable, list[nn.Variable]]:
    """Scores and hidden layers of a small CNN.

    Args:
        image: shape ``(B, 1, 8, 8)``.
        test: normalize with the running statistics instead of those of the batch.
    Returns:
        Scores ``(B, 10)``; layers ``(B, 4, 4, 4)``, ``(B, 8, 2, 2)`` and ``(B, 32)``.
    """
    with nn.parameter_scope("cnn"):
        with nn.parameter_scope("conv1"):
            first = convolution_block(image, 4, test, stride=(2, 2))
        with nn.parameter_scope("conv2"):
            second = F.average_pooling(convolution_block(first, 8, test), (2, 2))
        with nn.parameter_scope("fc3"):
            dense = F.tanh(PF.affine(second, 32))
        with nn.parameter_scope("classifier"):
            return PF.affine(dense, CLASSES), [first, second, dense]


def main(argv: list[str] | None = None) -> dict[str, float | str]:
    """Run the tutorial; the result holds losses, training error (0 to 1) and the path of the parameters."""
    parser = tutorial_parser(__doc__, iterations=1000)
    add_device_options(parser)
    args = parser.parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    nn.clear_parameters()
    nn.seed(args.seed)

    print("1. Where to compute: functions and solvers made from here on follow the default context")
    context = get_extension_context(args.context, device_id=args.device_id)
    nn.set_default_context(context)
    print(f"  {context}")

    digits = load_digits()
    batches = minibatches(digits, seed=args.seed)
    image = nn.Variable((64, 1, 8, 8))
    label = nn.Variable((64, 1))
    scores, layers = digit_cnn(image)
    loss = F.mean(F.softmax_cross_entropy(scores, label))

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
    save_loss_curve(losses, args.output / "cnn_loss.png", "Convolutional network")

    print("3. What each layer answers to one digit")
    first, second, dense = (layer.d[0] for layer in layers)
    rows = [
        ("image", image.d[0, 0]),
        ("4 maps of conv1", tile_images(first[:, np.newaxis], padval=-1)),
        ("8 maps of conv2", tile_images(second[:, np.newaxis], padval=-1)),
        ("fc3", dense.reshape(-1, 8)),
        ("scores of 0 to 9", scores.d[0].reshape(1, -1)),
    ]
    save_responses(rows, args.output / "cnn_responses.png")

    print("4. Saving, for the siamese tutorial to build on")
    parameter_path = args.output / PARAMETER_FILE
    nn.save_parameters(str(parameter_path))
    error = classification_error(lambda images: digit_cnn(images, test=True)[0], digits)
    print(f"  parameters are in {parameter_path}")
    print(f"result: error on the training images {error:.2%}")
    return {
        "initial_loss": losses[0],
        "final_loss": float(np.mean(losses[-20:])),
        "error": error,
        "parameters": str(parameter_path),
    }


if __name__ == "__main__":
    main()
