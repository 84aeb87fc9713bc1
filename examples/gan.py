"""A generative adversarial network that draws digits.

A generator makes images of 8 x 8 pixels from 16 random numbers, a discriminator tells them from the 1797 digits of
scikit-learn; each learns from the other. What you learn: two solvers on two groups of parameters, and one graph that is
cut by `get_unlinked_variable` so that each loss reaches its own network only.

How good is it? The distance of each generated image to the nearest digit is compared with that of the digits to each
other, and with that of noise which has the right mean and variance for each pixel. And an ordinary classifier (nearest
neighbours) must find all ten digits among them. The exit status is 1 where they are nearer to noise, or one is missing.

Source: Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", arXiv:1511.06434.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from example_options import example_parser, smoothed, start, updates
from sklearn.datasets import load_digits

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.monitor import tile_images

BATCH = 64
LATENT = 16
JUDGED = 500


def generator(z: nn.Variable, test: bool = False) -> nn.Variable:
    """Images ``(B, 1, 8, 8)`` of -1 to 1 for random numbers ``(B, 16)``."""
    with nn.parameter_scope("generator"):
        h = PF.affine(z, (64, 2, 2), with_bias=False, name="affine")
        h = F.relu(PF.batch_normalization(h, batch_stat=not test, name="bn1"))
        h = PF.deconvolution(h, 32, (4, 4), pad=(1, 1), stride=(2, 2), with_bias=False, name="deconv1")
        h = F.relu(PF.batch_normalization(h, batch_stat=not test, name="bn2"))
        return F.tanh(PF.deconvolution(h, 1, (4, 4), pad=(1, 1), stride=(2, 2), name="deconv2"))


def discriminator(x: nn.Variable) -> nn.Variable:
    """Scores ``(B, 1)``, positive for what seems to be a real image ``(B, 1, 8, 8)``."""
    with nn.parameter_scope("discriminator"):
        h = F.leaky_relu(PF.convolution(x, 32, (4, 4), pad=(1, 1), stride=(2, 2), name="conv1"), 0.2)
        h = PF.convolution(h, 64, (4, 4), pad=(1, 1), stride=(2, 2), with_bias=False, name="conv2")
        h = F.leaky_relu(PF.batch_normalization(h, name="bn2"), 0.2)
        return PF.affine(h, 1, name="affine")


def judged_as(score: nn.Variable, real: bool) -> nn.Variable:
    """Loss of scores for images that are, or should pass for, real or not."""
    return F.mean(F.sigmoid_cross_entropy(score, F.constant(float(real), score.shape)))


def nearest(images: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each image ``(N, 64)`` to its nearest of ``(M, 64)``, and which that is."""
    squared = (images**2).sum(1)[:, np.newaxis] - 2 * images @ known.T + (known**2).sum(1)
    return np.sqrt(np.maximum(squared.min(axis=1), 0)), squared.argmin(axis=1)


def save_figure(losses: np.ndarray, images: np.ndarray, real: np.ndarray, path: Path) -> None:
    """Write generated and real images, and both losses, into one PNG."""
    figure, panels = plt.subplots(1, 3, figsize=(14, 4.6), layout="constrained")
    for panel, shown, title in ((panels[0], images, "generated"), (panels[1], real, "real")):
        panel.imshow(tile_images(shown[:64].reshape(-1, 1, 8, 8)), cmap="gray_r", vmin=-1, vmax=1)
        panel.set_title(title)
        panel.axis("off")
    for values, label, color in zip(losses.T, ("generator", "discriminator"), ("#0072B2", "#D55E00"), strict=True):
        panels[2].plot(smoothed(values, 50), label=label, color=color)
    panels[2].set(xlabel="update", ylabel="loss (mean of 50)", title="Neither wins")
    panels[2].legend(frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(argv: list[str] | None = None) -> dict[str, float | bool]:
    """Run the example; the result holds distances to the nearest digit and how many of the ten digits were drawn."""
    args = example_parser(__doc__, iterations=2000).parse_args(argv)
    random = start(args)
    bunch = load_digits()
    digits = (bunch.images[:, np.newaxis] / 8 - 1).astype(np.float32)

    z, x = nn.Variable((BATCH, LATENT)), nn.Variable((BATCH, 1, 8, 8))
    made = generator(z)
    made.persistent = True  # The discriminator reads it after the generator's turn.
    generator_loss = judged_as(discriminator(made), real=True)
    cut = made.get_unlinked_variable(need_grad=False)
    discriminator_loss = judged_as(discriminator(x), real=True) + judged_as(discriminator(cut), real=False)
    solvers = {}
    for scope in ("generator", "discriminator"):
        solvers[scope] = S.Adam(5e-4, beta1=0.5)
        with nn.parameter_scope(scope):
            solvers[scope].set_parameters(nn.get_parameters())

    losses = []
    with updates(args.iterations, "gan") as progress:
        for iteration in progress:
            z.d = random.standard_normal(z.shape)
            x.d = digits[random.randint(len(digits), size=BATCH)]
            for solver, loss in zip(solvers.values(), (generator_loss, discriminator_loss), strict=True):
                loss.forward(clear_no_need_grad=True)
                solver.zero_grad()
                loss.backward(clear_buffer=True)
                solver.update()
            losses.append((float(generator_loss.d), float(discriminator_loss.d)))
            if iteration % 50 == 0:
                progress.set_postfix(generator=f"{losses[-1][0]:.3f}", discriminator=f"{losses[-1][1]:.3f}")

    z = nn.Variable.from_numpy_array(random.standard_normal((JUDGED, LATENT)).astype(np.float32))
    drawn = generator(z, test=True)
    drawn.forward(clear_buffer=True)
    known, images = digits.reshape(-1, 64), drawn.d.reshape(-1, 64)
    noise = np.clip(known.mean(0) + known.std(0) * random.standard_normal(images.shape), -1, 1)
    distance, which = nearest(images, known)
    noise_distance, _ = nearest(noise, known)
    half = len(known) // 2
    real_distance, _ = nearest(known[:half], known[half:])
    classes = len(np.unique(bunch.target[which]))
    save_figure(np.array(losses), drawn.d, digits, args.output / "gan.png")
    means = {"distance": distance, "real_distance": real_distance, "noise_distance": noise_distance}
    result = {name: float(values.mean()) for name, values in means.items()}
    others = f"of digits {result['real_distance']:.2f}, of noise {result['noise_distance']:.2f}"
    nearer = f"{result['distance']:.2f} from the nearest digit ({others})"
    print(f"result: {nearer}; {classes} of 10 digits among {JUDGED} images")
    halfway = (result["real_distance"] + result["noise_distance"]) / 2
    return {**result, "classes": classes, "passed": result["distance"] < halfway and classes == 10}


if __name__ == "__main__":
    sys.exit(0 if main()["passed"] else 1)
