"""Random numbers and random changes."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as TF
from torch import Tensor


def random_choice(x: Tensor, w: Tensor) -> Tensor:
    """Gradients reach both, as NNabla has it."""
    places = torch.multinomial(w.detach(), 16, replacement=True)
    drawn = w.gather(1, places)
    return x.gather(1, places) + (drawn - drawn.detach())


def random_crop(x: Tensor) -> Tensor:
    tops = torch.randint(x.shape[2] - 11, (len(x),)).tolist()
    lefts = torch.randint(x.shape[3] - 11, (len(x),)).tolist()
    return torch.stack([x[i, :, t : t + 12, j : j + 12] for i, (t, j) in enumerate(zip(tops, lefts, strict=True))])


def random_flip(x: Tensor) -> Tensor:
    return torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)


def random_shift(x: Tensor) -> Tensor:
    n, _, height, width = x.shape
    rows = (torch.arange(height) - torch.randint(-2, 3, (n, 1))).clamp(0, height - 1)
    columns = (torch.arange(width) - torch.randint(-2, 3, (n, 1))).clamp(0, width - 1)
    return x[torch.arange(n).view(-1, 1, 1), :, rows.unsqueeze(2), columns.unsqueeze(1)].permute(0, 3, 1, 2)


def random_erase(x: Tensor) -> Tensor:
    n, _, height, width = x.shape
    u = torch.rand(5, n, 1, 1, 1)
    area = (0.02 + 0.38 * u[0]) * height * width
    aspect = 0.3 + 3.0333 * u[1]
    h, w = (area * aspect).sqrt().clamp(max=height), (area / aspect).sqrt().clamp(max=width)
    top, left = u[2] * (height - h), u[3] * (width - w)
    rows, columns = torch.arange(height).view(-1, 1), torch.arange(width)
    inside = (rows >= top) & (rows < top + h) & (columns >= left) & (columns < left + w) & (u[4] < 0.5)
    return torch.where(inside, torch.rand_like(x) * 255, x)


def image_augmentation(x: Tensor) -> Tensor:
    n = len(x)
    angle = (torch.rand(n) * 2 - 1) * 0.3
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros(n)
    mirror = torch.randint(2, (n,)) * 2.0 - 1
    theta = torch.stack([cosine * mirror, -sine, zero, sine * mirror, cosine, zero], dim=1).view(n, 2, 3)
    grid = TF.affine_grid(theta, list(x.shape), align_corners=False)
    y = TF.grid_sample(x, grid, padding_mode="border", align_corners=False)
    brightness = (torch.rand(n, 1, 1, 1) * 2 - 1) * 0.1
    contrast = ((torch.rand(n, 1, 1, 1) * 2 - 1) * math.log(1.2)).exp()
    return (y + brightness) * contrast


def vat_noise(x: Tensor, w: Tensor) -> Tensor:
    return x / (x.square().sum(1, keepdim=True) + 1e-8).sqrt()


FORMULAS = {
    "rand": torch.rand,
    "randint": lambda shape: torch.randint(0, 9, shape).float(),
    "randn": torch.randn,
    "rand_binomial": lambda shape: torch.binomial(torch.full(shape, 4.0), torch.full(shape, 0.5)),
    "rand_beta": torch.distributions.Beta(2.0, 3.0).sample,
    "rand_gamma": torch.distributions.Gamma(2.0, 1.0).sample,
    "dropout": TF.dropout,
    "random_choice": random_choice,
    "random_crop": random_crop,
    "random_flip": random_flip,
    "random_shift": random_shift,
    "random_erase": random_erase,
    "image_augmentation": image_augmentation,
    "vat_noise": vat_noise,
}
