"""Mixed precision: computing in half precision without losing gradients.

What you learn: what `type_config="half"` does, why losses are scaled, and `DynamicLossScalingUpdater`, which finds the
scale by itself.

1. A small gradient is lost in half precision, and kept where the loss is scaled.
2. The network of the tutorial on convolutions is trained in float32, in half precision with a fixed scale by hand,
and with a
   scale that adapts, from the same weights and minibatches.

On a CPU half precision saves memory, not time: the speed comes from GPUs. `--context cudnn` computes there.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from by_examples_cnn import digit_cnn
from digits import classification_error, load_digits, minibatches, print_progress
from tutorial_options import add_device_options, tutorial_parser

import nnabla as nn
import nnabla.functions as F
import nnabla.solvers as S
from nnabla.experimental.mixed_precision_training import DynamicLossScalingUpdater
from nnabla.ext_utils import get_extension_context

LEARNING_RATE = 1e-1
FIXED_SCALE = 8.0


def gradient_of_a_tiny_loss(scale: float) -> float:
    """Gradient of a value of 1e-9 in half precision with a scaled loss, divided by the scale in float32.

    The smallest positive number of half precision is 6e-8.
    """
    x = nn.Variable.from_numpy_array(np.float32(1).reshape(1, 1), need_grad=True)
    y = F.sum(x * 1e-3) * 1e-3 * 1e-3
    y.forward()
    x.grad.zero()
    y.backward(scale)
    return float(x.g.item()) / scale


def train_by_hand(loss: nn.Variable, solver: S.Solver, feed: object, iterations: int, scale: float) -> list[float]:
    """Steps whose gradients are computed `scale` times too large, and divided before the update."""
    losses = []
    for iteration in range(iterations):
        feed()
        loss.forward(clear_no_need_grad=True)
        solver.zero_grad()
        loss.backward(scale, clear_buffer=True)
        solver.scale_grad(1 / scale)
        solver.update()
        losses.append(float(loss.d))
        print_progress(iteration, iterations, losses[-1])
    return losses


def train_with_updater(updater: DynamicLossScalingUpdater, iterations: int) -> tuple[list[float], list[float]]:
    """Steps with a scale that grows while it may; losses and scales."""
    losses, scales = [], []
    for iteration in range(iterations):
        updater.update()
        losses.append(float(updater.loss.d))
        scales.append(updater.scale)
        print_progress(iteration, iterations, losses[-1])
    return losses, scales


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Run the tutorial; the result holds gradients, losses, training errors (0 to 1) and scales."""
    parser = tutorial_parser(__doc__, iterations=600)
    add_device_options(parser)
    args = parser.parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    contexts = {
        type_config: get_extension_context(args.context, device_id=args.device_id, type_config=type_config)
        for type_config in ("float", "half")
    }
    result: dict[str, float] = {}

    print("1. A gradient of 1e-9")
    with nn.context_scope(contexts["half"]):
        for scale in (1.0, 1024.0):
            result[f"gradient_scaled_by_{scale:.0f}"] = found = gradient_of_a_tiny_loss(scale)
            print(f"  loss scaled by {scale:6g}: {found:.3g}")

    digits = load_digits()
    curves, scales = {}, []
    for number, mode in enumerate(("float", "half, fixed scale", "half, dynamic scale"), start=2):
        print(f"{number}. Training: {mode}")
        nn.clear_parameters()
        nn.seed(args.seed)
        batches = minibatches(digits, seed=args.seed)
        with nn.context_scope(contexts["float" if mode == "float" else "half"]):
            image, label = nn.Variable((64, 1, 8, 8)), nn.Variable((64, 1))
            loss = F.mean(F.softmax_cross_entropy(digit_cnn(image)[0], label))
            solver = S.Sgd(LEARNING_RATE)
            solver.set_parameters(nn.get_parameters())

            def feed(image: nn.Variable = image, label: nn.Variable = label, batches: object = batches) -> None:
                image.d, label.d = batches.next()

            if mode == "half, dynamic scale":
                updater = DynamicLossScalingUpdater(solver, loss, feed, scale=FIXED_SCALE, N=50)
                curves[mode], scales = train_with_updater(updater, args.iterations)
            else:
                scale = 1.0 if mode == "float" else FIXED_SCALE
                curves[mode] = train_by_hand(loss, solver, feed, args.iterations, scale)
            error = classification_error(lambda images: digit_cnn(images, test=True)[0], digits)
        batches.close()
        result[f"{mode} error"] = error
        result[f"{mode} initial_loss"], result[f"{mode} loss"] = curves[mode][0], float(np.mean(curves[mode][-20:]))
        types = {parameter.data.dtype.name for parameter in nn.get_parameters().values()}
        print(f"  error on the training images {error:.2%}; parameters are {', '.join(sorted(types))}")
        result[f"{mode} parameters_in_float32"] = float(types == {"float32"})
    result["largest_scale"] = max(scales)

    figure, panels = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
    for mode, losses in curves.items():
        window = min(25, len(losses))
        panels[0].semilogy(np.convolve(losses, np.full(window, 1 / window), mode="valid"), label=mode, linewidth=1)
    panels[0].set(xlabel="iteration", ylabel="loss", title="The same weights and minibatches")
    panels[0].legend(frameon=False)
    panels[1].semilogy(scales, base=2, color="tab:green")
    panels[1].set(xlabel="iteration", ylabel="scale of the loss", title="The dynamic scale")
    figure.savefig(args.output / "mixed_precision.png", dpi=120)
    plt.close(figure)
    errors = ", ".join(f"{mode} {result[f'{mode} error']:.2%}" for mode in curves)
    print(f"result: error on the training images {errors}")
    return result


if __name__ == "__main__":
    main()
