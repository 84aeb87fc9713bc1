"""Signals, resizing, and sampling of images."""

from __future__ import annotations

import torch
import torch.nn.functional as TF
from torch import Tensor


def _twice(x: Tensor) -> Tensor:
    return TF.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def stft(x: Tensor) -> tuple[Tensor, ...]:
    y = torch.stft(x, 64, 16, window=torch.hann_window(64), return_complex=True)
    return y.real, y.imag


def istft(r: Tensor, i: Tensor) -> Tensor:
    return torch.istft(torch.complex(r, i), 64, 16, window=torch.hann_window(64))


def warp_by_flow(x: Tensor, flow: Tensor) -> Tensor:
    height, width = x.shape[2:]
    px = 2 * (flow[:, 0] + torch.arange(width)) / (width - 1) - 1
    py = 2 * (flow[:, 1] + torch.arange(height).view(-1, 1)) / (height - 1) - 1
    return TF.grid_sample(x, torch.stack([px, py], dim=-1), padding_mode="border", align_corners=True)


def affine_grid(theta: Tensor) -> Tensor:
    n = len(theta)
    return TF.affine_grid(theta, [n, 1, 4 * n, 4 * n], align_corners=False)


FORMULAS = {
    "fft": lambda x: torch.view_as_real(torch.fft.fft(torch.view_as_complex(x))),
    "ifft": lambda x: torch.view_as_real(torch.fft.ifft(torch.view_as_complex(x))),
    "stft": stft,
    "istft": istft,
    "interpolate": _twice,
    "onnx_resize": _twice,
    "affine_grid": affine_grid,
    "warp_by_grid": lambda x, grid: TF.grid_sample(x, grid, align_corners=False),
    "warp_by_flow": warp_by_flow,
}
