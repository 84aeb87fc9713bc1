"""A radiance field: a network that has seen a scene in 24 pictures and draws it from elsewhere.

The network says for each point of space how dense and of which colour it is; a picture is the integral along the
rays of its pixels. A script makes the scene, three soft balls above a chequered floor, and its pictures of 32 x 32
pixels by the same integral with many more points. What you learn: coordinates as sines and cosines, `F.cumsum` for
what is visible, and a loss behind several hundred evaluations of one network.

The result is the peak signal to noise ratio of four views that were not trained on, in dB, and that of the mean
colour of each pixel over all training views. The exit status is 1 if the first is not 6 dB above the second.

Source: Mildenhall et al., "NeRF: Representing Scenes as Neural Radiance Fields for View Synthesis", arXiv:2003.08934.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from example_options import example_parser, smoothed, start, updates

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S

SIZE = 32
VIEWS, TEST_VIEWS = 24, 4
NEAR, FAR = 1.5, 4.5
RAYS, POINTS = 256, 32
FREQUENCIES = 5
WIDTH = 64
BALLS = (  # centre, radius, colour
    ((0.0, 0.0, 0.1), 0.5, (0.9, 0.2, 0.2)),
    ((0.7, 0.4, -0.1), 0.3, (0.2, 0.7, 0.3)),
    ((-0.5, -0.6, -0.1), 0.35, (0.2, 0.35, 0.9)),
)


def scene(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Density ``(...)`` and colour ``(..., 3)`` at points ``(..., 3)``; the third coordinate points up."""
    x, y, z = np.moveaxis(points, -1, 0)
    floor = (abs(z + 0.5) < 0.08) & (np.hypot(x, y) < 1.2)
    chequered = np.where((np.floor(2.5 * x) + np.floor(2.5 * y)) % 2 == 0, 0.9, 0.25)
    density = np.where(floor, 20.0, 0.0)
    colour = np.repeat(chequered[..., np.newaxis], 3, axis=-1)
    for centre, radius, paint in BALLS:
        inside = np.linalg.norm(points - np.array(centre), axis=-1) < radius
        density = np.where(inside, 20.0, density)
        colour = np.where(inside[..., np.newaxis], paint, colour)
    return density, colour


def rays(angle: float, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Origins and directions, ``(1024, 3)`` each, of the pixels of a camera that looks at the middle of the scene."""
    eye = 3 * np.array([np.cos(angle) * np.cos(height), np.sin(angle) * np.cos(height), np.sin(height)])
    forward = -eye / 3
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    u, v = np.meshgrid(np.linspace(-0.5, 0.5, SIZE), np.linspace(0.5, -0.5, SIZE))
    directions = forward + u[..., np.newaxis] * right + v[..., np.newaxis] * up
    directions = (directions / np.linalg.norm(directions, axis=-1, keepdims=True)).reshape(-1, 3)
    return np.broadcast_to(eye, directions.shape), directions


def picture(origins: np.ndarray, directions: np.ndarray, points: int = 300) -> np.ndarray:
    """Colours ``(N, 3)`` of rays through the true scene, in front of black."""
    t = np.linspace(NEAR, FAR, points)
    density, colour = scene(origins[:, np.newaxis] + t[:, np.newaxis] * directions[:, np.newaxis])
    thickness = density * (FAR - NEAR) / points
    visible = np.exp(-(np.cumsum(thickness, axis=1) - thickness))
    return ((visible * (1 - np.exp(-thickness)))[..., np.newaxis] * colour).sum(axis=1)


def waves(points: nn.Variable) -> nn.Variable:
    """Coordinates ``(B, 3)`` with their sines and cosines, ``(B, 33)``."""
    scaled = [points * (np.pi * 2**k) for k in range(FREQUENCIES)]
    return F.concatenate(points, *map(F.sin, scaled), *map(F.cos, scaled), axis=1)


def field(points: nn.Variable) -> tuple[nn.Variable, nn.Variable]:
    """Density ``(B, 1)`` and colour ``(B, 3)`` at points ``(B, 3)``."""
    with nn.parameter_scope("field"):
        features = waves(points * 0.5)
        h = F.relu(PF.affine(features, WIDTH, name="first"))
        h = F.relu(PF.affine(h, WIDTH, name="second"))
        h = F.relu(PF.affine(F.concatenate(h, features, axis=1), WIDTH, name="third"))
        return F.softplus(PF.affine(h, 1, name="density")), F.sigmoid(PF.affine(h, 3, name="colour"))


def drawn(points: nn.Variable, steps: nn.Variable) -> tuple[nn.Variable, nn.Variable]:
    """Colours ``(N, 3)`` and depths ``(N, 1)`` of rays.

    Args:
        points: along each ray, shape ``(N, P, 3)``.
        steps: distance of each point to the next, shape ``(N, P)``.
    """
    n, p, _ = points.shape
    density, colour = field(F.reshape(points, (n * p, 3)))
    thickness = F.reshape(density, (n, p)) * steps
    visible = F.exp(-F.cumsum(thickness, axis=1, exclusive=True))
    weights = F.reshape(visible * (1 - F.exp(-thickness)), (n, p, 1))
    distance = F.cumsum(steps, axis=1) + NEAR
    depth = F.sum(weights * F.reshape(distance, (n, p, 1)), axis=1)
    return F.sum(weights * F.reshape(colour, (n, p, 3)), axis=1), depth


def along(
    origins: np.ndarray, directions: np.ndarray, random: np.random.RandomState | None
) -> tuple[np.ndarray, np.ndarray]:
    """Points ``(N, P, 3)`` and their distances ``(N, P)``; at random in equal pieces of a ray, or in their middle."""
    edges = np.linspace(NEAR, FAR, POINTS + 1)[:-1]
    offsets = random.rand(len(origins), POINTS) if random else np.full((len(origins), POINTS), 0.5)
    t = edges + offsets * (FAR - NEAR) / POINTS
    return origins[:, np.newaxis] + t[..., np.newaxis] * directions[:, np.newaxis], np.diff(t, axis=1, append=FAR)


def render(views: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Pictures ``(V, 32, 32, 3)`` and depths ``(V, 32, 32)`` of the network for the rays of some views."""
    points, steps = nn.Variable((SIZE * SIZE, POINTS, 3)), nn.Variable((SIZE * SIZE, POINTS))
    colours, depths = drawn(points, steps)
    found = []
    for origins, directions in views:
        points.d, steps.d = along(origins, directions, None)
        nn.forward_all([colours, depths], clear_buffer=True)
        found.append((colours.d.reshape(SIZE, SIZE, 3), depths.d.reshape(SIZE, SIZE)))
    return np.stack([colour for colour, _ in found]), np.stack([depth for _, depth in found])


def signal_to_noise(images: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal to noise ratio of values of 0 to 1, dB."""
    return float(-10 * np.log10(np.mean((images - truth) ** 2)))


def save_figure(losses: list[float], truth: np.ndarray, images: np.ndarray, depths: np.ndarray, path: Path) -> None:
    """Write unseen views, true and drawn, with depths and the loss, into one PNG."""
    figure = plt.figure(figsize=(13, 7), layout="constrained")
    grid = figure.add_gridspec(3, TEST_VIEWS + 2)
    curve = figure.add_subplot(grid[:, :2])
    curve.semilogy(smoothed(losses), color="#0072B2")
    curve.set(xlabel="update", ylabel="squared error of a ray (mean of 25)", title="Training")
    for row, (title, rows) in enumerate((("truth", truth), ("drawn", images), ("depth", depths))):
        for column, image in enumerate(rows):
            panel = figure.add_subplot(grid[row, 2 + column])
            panel.imshow(np.clip(image, 0, 1) if image.ndim == 3 else image, cmap="viridis")
            panel.set_title(title)
            panel.axis("off")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(argv: list[str] | None = None) -> dict[str, float | bool]:
    """Run the example; the result holds both ratios, dB, and losses."""
    args = example_parser(__doc__, iterations=1200).parse_args(argv)
    random = start(args)
    angles = np.linspace(0, 2 * np.pi, VIEWS, endpoint=False)
    heights = np.where(np.arange(VIEWS) % 2, 0.7, 0.35)
    views = [rays(angle, height) for angle, height in zip(angles, heights, strict=True)]
    test_angles = np.linspace(0, 2 * np.pi, TEST_VIEWS, endpoint=False) + 0.4
    test_views = [rays(angle, 0.5) for angle in test_angles]
    pictures = np.stack([picture(*view) for view in views])
    truth = np.stack([picture(*view) for view in test_views])
    origins, directions = (np.concatenate(parts) for parts in zip(*views, strict=True))
    colours = pictures.reshape(-1, 3)

    points, steps = nn.Variable((RAYS, POINTS, 3)), nn.Variable((RAYS, POINTS))
    target = nn.Variable((RAYS, 3))
    loss = F.mean((drawn(points, steps)[0] - target) ** 2)
    solver = S.Adam(5e-3)
    solver.set_parameters(nn.get_parameters())
    losses = []
    with updates(args.iterations, "radiance field") as progress:
        for iteration in progress:
            chosen = random.randint(len(origins), size=RAYS)
            points.d, steps.d = along(origins[chosen], directions[chosen], random)
            target.d = colours[chosen]
            solver.set_learning_rate(5e-3 * 0.05 ** (iteration / args.iterations))
            loss.forward(clear_no_need_grad=True)
            solver.zero_grad()
            loss.backward(clear_buffer=True)
            solver.update()
            losses.append(float(loss.d))
            if iteration % 20 == 0:
                progress.set_postfix(error=f"{np.mean(losses[-20:]):.4f}", refresh=False)

    images, depths = render(test_views)
    truth = truth.reshape(images.shape)
    mean = pictures.mean(axis=0).reshape(SIZE, SIZE, 3)
    result = {"network": signal_to_noise(images, truth), "mean_view": signal_to_noise(mean, truth)}
    result |= {"initial_loss": losses[0], "final_loss": float(np.mean(losses[-10:]))}
    save_figure(losses, truth, images, depths, args.output / "coordinate_network.png")
    print(f"result: unseen views drawn with {result['network']:.2f} dB, by their mean {result['mean_view']:.2f} dB")
    return {**result, "passed": result["network"] > result["mean_view"] + 6}


if __name__ == "__main__":
    sys.exit(0 if main()["passed"] else 1)
