"""Layers with weights, and pooling."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as TF
from torch import Tensor


def fused_convolution(
    x: Tensor, w: Tensor, beta: Tensor, gamma: Tensor, mean: Tensor, variance: Tensor, z: Tensor
) -> Tensor:
    mean, variance, gamma, beta = mean.view(-1), variance.view(-1), gamma.view(-1), beta.view(-1)
    y = TF.batch_norm(TF.conv2d(x, w, padding=1), mean, variance, gamma, beta, training=True)
    return TF.relu(y + z)


def depthwise_convolution(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return TF.conv2d(x, w.unsqueeze(1), b, padding=1, groups=len(w))


def depthwise_deconvolution(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return TF.conv_transpose2d(x, w.unsqueeze(1), b, padding=1, groups=len(w))


def deformable_convolution(x: Tensor, w: Tensor, offset: Tensor, mask: Tensor, b: Tensor) -> Tensor:
    n, c, height, width = x.shape
    k = w.shape[2]
    padded = TF.pad(x, (1, 1, 1, 1))
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    taps = torch.arange(k * k).view(-1, 1, 1)
    dy, dx = offset.view(n, k * k, 2, height, width).unbind(2)
    place_x = 2 * (dx + (columns + taps % k)) / (width + 1) - 1
    place_y = 2 * (dy + (rows + taps // k)) / (height + 1) - 1
    grid = torch.stack([place_x, place_y], dim=-1).view(n, k * k * height, width, 2)
    sampled = TF.grid_sample(padded, grid, align_corners=True).view(n, c, k * k, height * width)
    windows = (sampled * mask.view(n, 1, k * k, height * width)).view(n, c * k * k, height * width)
    return torch.baddbmm(b.view(1, -1, 1), w.view(1, len(w), -1).expand(n, -1, -1), windows).view(n, -1, height, width)


def adaptive_separable_convolution(x: Tensor, v: Tensor, u: Tensor) -> Tensor:
    windows = x.unfold(2, v.shape[1], 1).unfold(3, u.shape[1], 1)
    return torch.einsum("bchwji,bjhw,bihw->bchw", windows, v, u)


def max_pooling_backward(dy: Tensor, x: Tensor) -> Tensor:
    _, places = TF.max_pool2d(x, 2, return_indices=True)
    return TF.max_unpool2d(dy, places, 2, output_size=x.shape)


def roi_align(x: Tensor, boxes: Tensor) -> Tensor:
    """Seven cells of two points along each side; a box reads its image, so the images are taken one by one."""
    height, width = x.shape[2:]
    steps = (torch.arange(14) + 0.5) / 14
    xs = boxes[:, 1:2] + (boxes[:, 3:4] - boxes[:, 1:2]) * steps
    ys = boxes[:, 2:3] + (boxes[:, 4:5] - boxes[:, 2:3]) * steps
    grid = torch.stack(
        [(2 * xs / width - 1).unsqueeze(1).expand(-1, 14, -1), (2 * ys / height - 1).unsqueeze(2).expand(-1, -1, 14)],
        dim=-1,
    )
    y = x.new_empty(len(boxes), x.shape[1], 7, 7)
    for i in range(len(x)):
        of_image = boxes[:, 0] == i
        chosen = grid[of_image].view(1, -1, 14, 2)
        points = TF.grid_sample(x[i : i + 1], chosen, padding_mode="border", align_corners=False)
        cells = TF.avg_pool2d(points, 2).view(x.shape[1], -1, 7, 7).transpose(0, 1)
        y = y.index_put((of_image,), cells)
    return y


def _recurrent(cell: Callable, states: int, bias_of: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Callable:
    """PyTorch's layer, whose weights for inputs and states lie apart."""

    def call(*inputs: Tensor) -> tuple[Tensor, ...]:
        x, *h = inputs[: 1 + states]
        w, b = inputs[1 + states], inputs[2 + states]
        features = x.shape[2]
        matrix = w.view(-1, w.shape[-1])
        weights = [matrix[:, :features], matrix[:, features:], *bias_of(b[0, 0])]
        start = [one[0] for one in h]
        y, *last = cell(x, tuple(start) if states > 1 else start[0], weights, True, 1, 0.0, True, False, False)
        return (y, *[one.unsqueeze(0) for one in last])

    return call


def _one_bias(b: Tensor) -> tuple[Tensor, Tensor]:
    b = b.reshape(-1)
    return b, torch.zeros_like(b)


def _gru_bias(b: Tensor) -> tuple[Tensor, Tensor]:
    zeros = torch.zeros_like(b[:2])
    return b[:3].reshape(-1), torch.cat([zeros, b[3:]]).view(-1)


def patch_correlation(a: Tensor, b: Tensor) -> Tensor:
    """Shifts of up to 2 places; what is shifted in is zero."""
    a = TF.pad(a, (0, 0, 2, 2, 2, 2))
    windows = TF.pad(b, (0, 0, 4, 4, 4, 4)).unfold(1, 5, 1).unfold(2, 5, 1)
    return torch.einsum("nhwc,nhwcst->nhwst", a, windows)


FORMULAS = {
    "affine": lambda x, w, b: torch.addmm(b, x, w),
    "convolution": lambda x, w, b: TF.conv2d(x, w, b, padding=1),
    "fused_convolution": fused_convolution,
    "depthwise_convolution": depthwise_convolution,
    "deconvolution": lambda x, w, b: TF.conv_transpose2d(x, w, b, stride=2, padding=1),
    "depthwise_deconvolution": depthwise_deconvolution,
    "deformable_convolution": deformable_convolution,
    "adaptive_separable_convolution": adaptive_separable_convolution,
    "max_pooling": lambda x: TF.max_pool2d(x, 2),
    "average_pooling": lambda x: TF.avg_pool2d(x, 2),
    "sum_pooling": lambda x: TF.avg_pool2d(x, 2, divisor_override=1),
    "global_average_pooling": lambda x: TF.adaptive_avg_pool2d(x, 1),
    "unpooling": lambda x: TF.interpolate(x, scale_factor=2),
    "max_pooling_backward": max_pooling_backward,
    "embed": TF.embedding,
    "roi_align": roi_align,
    "rnn": _recurrent(torch.rnn_tanh, 1, _one_bias),
    "lstm": _recurrent(torch.lstm, 2, _one_bias),
    "gru": _recurrent(torch.gru, 1, _gru_bias),
    "patch_correlation": patch_correlation,
}
