"""A variational autoencoder that arranges digits in the plane.

An encoder says for each digit of scikit-learn where in the plane it may lie (mean and variance), a decoder draws what
lies at a point. What you learn: random numbers inside a graph (`F.randn`), the loss of two terms, and two ways
of using one set of parameters.

The pixels are taken as probabilities of ink. The result is the bound on the negative log likelihood of digits
that were not trained on, in nats, to be compared with that of one picture for all, the mean of the digits; the exit
status is 1 if it is not better.

Source: Kingma and Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from example_options import example_parser, smoothed, start, updates
from train_digits import Split, split_digits

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.monitor import tile_images

BATCH = 64
LATENT = 2
WIDTH = 128


def encoder(x: nn.Variable) -> tuple[nn.Variable, nn.Variable]:
    """Means and logarithms of variances, ``(B, 2)`` each, for images ``(B, 64)``."""
    with nn.parameter_scope("encoder"):
        h = F.elu(PF.affine(x, WIDTH, name="first"))
        h = F.elu(PF.affine(h, WIDTH, name="second"))
        return PF.affine(h, LATENT, name="mean"), PF.affine(h, LATENT, name="log_variance")


def decoder(z: nn.Variable) -> nn.Variable:
    """Log odds of ink in each pixel, ``(B, 64)``, for points ``(B, 2)``."""
    with nn.parameter_scope("decoder"):
        h = F.elu(PF.affine(z, WIDTH, name="first"))
        h = F.elu(PF.affine(h, WIDTH, name="second"))
        return PF.affine(h, 64, name="pixels")


def bound(x: nn.Variable) -> nn.Variable:
    """Mean over the batch of what the negative log likelihood of images ``(B, 64)`` is at most; a scalar."""
    mean, log_variance = encoder(x)
    z = mean + F.exp(0.5 * log_variance) * F.randn(shape=mean.shape)
    # Written out: F.sigmoid_cross_entropy takes targets that are 0 or 1.
    scores = decoder(z)
    reconstruction = F.sum(F.softplus(scores) - x * scores) / x.shape[0]
    divergence = 0.5 * F.sum(mean**2 + F.exp(log_variance) - log_variance - 1) / x.shape[0]
    return reconstruction + divergence


def bound_of_mean(split: Split) -> float:
    """Negative log likelihood of the test digits where all are drawn as the mean of the training digits, in nats."""
    train, test = (images.reshape(-1, 64) / 16 for images in (split.train_images, split.test_images))
    p = np.clip(train.mean(axis=0), 1e-3, 1 - 1e-3)
    return float(-(test * np.log(p) + (1 - test) * np.log(1 - p)).sum(axis=1).mean())


def save_figure(losses: list[float], points: np.ndarray, labels: np.ndarray, drawn: np.ndarray, path: Path) -> None:
    """Write the loss, where the test digits lie, and what is drawn at a grid of points, into one PNG."""
    figure, panels = plt.subplots(1, 3, figsize=(15, 4.9), layout="constrained")
    panels[0].plot(smoothed(losses), color="#0072B2")
    panels[0].set(xlabel="update", ylabel="nats (mean of 25)", title="Bound on the negative log likelihood")
    shown = panels[1].scatter(*points.T, c=labels, cmap="tab10", s=9, vmin=-0.5, vmax=9.5)
    panels[1].set(title="Test digits in the plane", aspect="equal")
    figure.colorbar(shown, ax=panels[1], ticks=range(10))
    panels[2].imshow(tile_images(drawn.reshape(-1, 1, 8, 8)), cmap="gray_r", vmin=0, vmax=1)
    panels[2].set_title("What the decoder draws in [-2, 2] x [-2, 2]")
    panels[2].axis("off")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(argv: list[str] | None = None) -> dict[str, float | bool]:
    """Run the example; the result holds both bounds, in nats."""
    args = example_parser(__doc__, iterations=4000).parse_args(argv)
    random = start(args)
    split = split_digits(args.seed)
    train = split.train_images.reshape(-1, 64) / 16

    x = nn.Variable((BATCH, 64))
    loss = bound(x)
    solver = S.Adam(1e-3)
    solver.set_parameters(nn.get_parameters())
    losses = []
    with updates(args.iterations, "vae") as progress:
        for iteration in progress:
            x.d = train[random.randint(len(train), size=BATCH)]
            loss.forward(clear_no_need_grad=True)
            solver.zero_grad()
            loss.backward(clear_buffer=True)
            solver.update()
            losses.append(float(loss.d))
            if iteration % 50 == 0:
                progress.set_postfix(nats=f"{np.mean(losses[-50:]):.2f}", refresh=False)

    test = nn.Variable.from_numpy_array(split.test_images.reshape(-1, 64) / 16)
    test_bound = bound(test)
    found = []
    for _ in range(20):  # Each time with other random numbers.
        test_bound.forward(clear_buffer=True)
        found.append(float(test_bound.d))
    points, _ = encoder(test)
    points.forward()
    side = np.linspace(-2, 2, 14)
    grid = np.stack([[column, -row] for row in side for column in side])
    drawn = F.sigmoid(decoder(nn.Variable.from_numpy_array(grid)))
    drawn.forward()
    save_figure(losses, points.d, split.test_labels[:, 0], drawn.d, args.output / "vae.png")
    result = {"nats": float(np.mean(found)), "nats_of_mean": bound_of_mean(split)}
    print(f"result: test digits {result['nats']:.2f} nats, by the mean of all digits {result['nats_of_mean']:.2f}")
    return {**result, "passed": result["nats"] < result["nats_of_mean"]}


if __name__ == "__main__":
    sys.exit(0 if main()["passed"] else 1)
