"""Super resolution: a network that doubles the size of photographs.

It computes what is missing in bicubic interpolation from the small picture, by convolutions; maps become pixels.
It is trained on pieces of two photographs (a temple, and Grace Hopper), and tested on a third, a flower; they come with
scikit-learn and matplotlib. What you learn: a network without a fixed size of images, and reading it on a whole one.

The result is the peak signal to noise ratio, in dB, of the network and of bicubic interpolation. The exit status is
1 if the network is not better.

Source: Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
Network", arXiv:1609.05158.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from example_options import example_parser, smoothed, start, updates
from matplotlib.cbook import get_sample_data
from PIL import Image
from sklearn.datasets import load_sample_image

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S

BATCH, PATCH = 16, 24


def photographs() -> tuple[list[np.ndarray], np.ndarray]:
    """Two to train on and one to test on, uint8 of shape (height, width, 3), sides even."""
    with get_sample_data("grace_hopper.jpg") as file:
        hopper = np.asarray(Image.open(file).convert("RGB"))
    china, flower = load_sample_image("china.jpg"), load_sample_image("flower.jpg")
    even = [image[: len(image) // 2 * 2, : image.shape[1] // 2 * 2] for image in (china, hopper, flower)]
    return even[:2], even[2]


def resized(image: np.ndarray, factor: float) -> np.ndarray:
    """An image with sides that are `factor` times as long, bicubic."""
    size = round(image.shape[1] * factor), round(image.shape[0] * factor)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def as_planes(image: np.ndarray) -> np.ndarray:
    """Values of 0 to 1, shape (3, height, width)."""
    return (image.transpose(2, 0, 1) / 255).astype(np.float32)


def network(small: nn.Variable, bicubic: nn.Variable) -> nn.Variable:
    """Large images ``(B, 3, 2H, 2W)`` for small ones ``(B, 3, H, W)`` and their interpolation."""
    with nn.parameter_scope("super_resolution"):
        h = F.relu(PF.convolution(small - 0.5, 32, (5, 5), pad=(2, 2), name="first"))
        for number in range(2):
            h = h + F.relu(PF.convolution(h, 32, (3, 3), pad=(1, 1), name=f"middle{number}"))
        # What is missing is nothing, at first.
        nothing = nn.initializer.NormalInitializer(1e-3)
        h = PF.convolution(h, 12, (3, 3), pad=(1, 1), w_init=nothing, name="last")
        # Four maps are the four pixels of a block of 2 x 2, for each colour.
        batch, _, height, width = h.shape
        blocks = F.transpose(F.reshape(h, (batch, 3, 2, 2, height, width)), (0, 1, 4, 2, 5, 3))
        return bicubic + F.reshape(blocks, bicubic.shape)


def signal_to_noise(image: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal to noise ratio of values of 0 to 1, dB."""
    return float(-10 * np.log10(np.mean((np.clip(image, 0, 1) - truth) ** 2)))


def save_figure(losses: list[float], pictures: dict[str, np.ndarray], path: Path) -> None:
    """Write a detail of the test picture in all versions, and the loss, into one PNG."""
    figure, panels = plt.subplots(1, 1 + len(pictures), figsize=(16, 4.2), layout="constrained")
    panels[0].semilogy(smoothed(losses), color="#0072B2")
    panels[0].set(xlabel="update", ylabel="mean absolute error (mean of 25)", title="Training")
    for panel, (title, planes) in zip(panels[1:], pictures.items(), strict=True):
        panel.imshow(np.clip(planes, 0, 1).transpose(1, 2, 0), interpolation="nearest")
        panel.set_title(title)
        panel.axis("off")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(argv: list[str] | None = None) -> dict[str, float | bool]:
    """Run the example; the result holds both ratios, dB."""
    args = example_parser(__doc__, iterations=900).parse_args(argv)
    random = start(args)
    training, flower = photographs()
    triples = []
    for image in training:
        below = resized(image, 0.5)
        triples.append((as_planes(below), as_planes(resized(below, 2)), as_planes(image)))

    small, bicubic = nn.Variable((BATCH, 3, PATCH, PATCH)), nn.Variable((BATCH, 3, 2 * PATCH, 2 * PATCH))
    large = nn.Variable(bicubic.shape)
    loss = F.mean(F.abs(network(small, bicubic) - large))
    solver = S.Adam(2e-3)
    solver.set_parameters(nn.get_parameters())
    losses = []
    with updates(args.iterations, "super resolution") as progress:
        for iteration in progress:
            for i in range(BATCH):
                planes = triples[random.randint(len(triples))]
                top, left = (random.randint(planes[0].shape[axis] - PATCH + 1) for axis in (1, 2))
                flip = slice(None, None, random.choice([-1, 1]))
                for variable, image, scale in zip((small, bicubic, large), planes, (1, 2, 2), strict=True):
                    rows, columns = (slice(scale * at, scale * (at + PATCH)) for at in (top, left))
                    variable.d[i] = image[:, rows, columns][:, :, flip]
            solver.set_learning_rate(2e-3 * 0.5 * (1 + np.cos(np.pi * iteration / args.iterations)))
            loss.forward(clear_no_need_grad=True)
            solver.zero_grad()
            loss.backward(clear_buffer=True)
            solver.update()
            losses.append(float(loss.d))
            if iteration % 20 == 0:
                progress.set_postfix(error=f"{np.mean(losses[-20:]):.4f}", refresh=False)

    below = resized(flower, 0.5)
    inputs = [as_planes(below)[np.newaxis], as_planes(resized(below, 2))[np.newaxis]]
    doubled = network(*map(nn.Variable.from_numpy_array, inputs))
    doubled.forward(clear_buffer=True)
    truth = as_planes(flower)
    result = {"network": signal_to_noise(doubled.d[0], truth), "bicubic": signal_to_noise(inputs[1][0], truth)}
    detail = (slice(None), slice(130, 230), slice(220, 320))
    halved = (slice(None), slice(65, 115), slice(110, 160))
    pictures = {
        "half the size": inputs[0][0][halved],
        f"bicubic, {result['bicubic']:.2f} dB": inputs[1][0][detail],
        f"network, {result['network']:.2f} dB": doubled.d[0][detail],
        "truth": truth[detail],
    }
    save_figure(losses, pictures, args.output / "super_resolution.png")
    print(f"result: network {result['network']:.2f} dB, bicubic {result['bicubic']:.2f} dB")
    return {**result, "passed": result["network"] > result["bicubic"]}


if __name__ == "__main__":
    sys.exit(0 if main()["passed"] else 1)
