"""Convolutions of 3 x 3 with fixed weights by Winograd's minimal filtering: for each 4 x 4 outputs 36 products of a
channel with a weight in the place of 144.

Results are those of the usual way to rounding: on 128 channels of 28 x 28 the largest error is 2.8e-6 of the largest
value, in the place of 1.1e-6. Only numbers that are none would spread to all outputs of a tile; where there are such,
the usual way is taken.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (arXiv:1509.09308), F(4 x 4, 3 x 3), at other
points: Barabasz et al., Error Analysis and Improving the Accuracy of Winograd Convolution (arXiv:1803.10986), show how
much these matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..graph.tracing import refuse_tracing
from .convolution_kernels import ConvolutionKernels, Geometry

# Outputs of a tile along each axis, elements of the kernel, and elements of x that both see.
_OUT, _KERNEL = 4, 3
_IN = _OUT + _KERNEL - 1

# Measured on AVX2, one core, 3 x 3 of as many maps as channels, against oneDNN's kernels (milliseconds):
#
#     batch 8:  64 channels at 56 x 56: 22.2 for 18.8      batch 1:  64 channels at 56 x 56: 2.1 for 2.4
#              128          at 28 x 28: 12.9 for 18.9               128          at 28 x 28: 1.6 for 2.4
#              256          at 14 x 14: 12.8 for 19.3               256          at 14 x 14: 2.3 for 2.5
#              512          at 7 x 7:   12.9 for 19.0               512          at 7 x 7:   6.9 for 2.8
#
# So channels must be many, and tiles, too. The matrices take 4 times the memory of the weight, which sets a limit.
_LEAST_CHANNELS, _LEAST_TILES = 128, 32
_MOST_ELEMENTS = 1 << 22

# Elements of what x is transformed into at a time: it should stay in the cache.
_AT_A_TIME = 1 << 21

# Where the polynomials are evaluated; the last point is at infinity. With 0, 1, -1, 2, -2, the usual ones, the error
# above is 6.7e-6, with 0, 1, -1, 1/2, -1/2 9.0e-6.
_POINTS = (0.0, -1.0, 1.0, 0.5, -2.0)


def _polynomial(roots: list[float]) -> list[float]:
    """Coefficients of the product of all x - root, lowest first."""
    found = [1.0]
    for root in roots:
        found = [a - root * b for a, b in zip([0.0, *found], [*found, 0.0], strict=True)]
    return found


def _matrices() -> tuple[Tensor, Tensor, Tensor]:
    """Of one axis: what is done to x ``(6, 6)``, to the weight ``(6, 3)``, and to their products ``(4, 6)``."""
    of_x, of_weight, of_y = [], [], []
    for i, point in enumerate(_POINTS):
        others = [p for j, p in enumerate(_POINTS) if j != i]
        scale = 1.0
        for p in others:
            scale *= point - p
        of_x.append([*_polynomial(others), 0.0])
        of_weight.append([point**k / scale for k in range(_KERNEL)])
        of_y.append([point**k for k in range(_OUT)])
    of_x.append(_polynomial(list(_POINTS)))
    of_weight.append([0.0] * (_KERNEL - 1) + [1.0])
    of_y.append([0.0] * (_OUT - 1) + [1.0])
    x, weight, y = [torch.tensor(rows, dtype=torch.float64) for rows in (of_x, of_weight, of_y)]
    return x, weight, y.t()


def elements_of_matrices(g: Geometry) -> int:
    """Size of what is kept of the weight."""
    return _IN * _IN * g.weight[0] * g.weight[1]


def winograd_pays(g: Geometry) -> bool:
    """Whether `winograd` computes a convolution, and faster than oneDNN does."""
    return (
        g.kernel == (_KERNEL, _KERNEL)
        and g.group == 1
        and g.stride == g.dilation == (1, 1)
        and min(g.weight[:2]) >= _LEAST_CHANNELS
        and g.x[0] * math.prod(_tiles(g)) >= _LEAST_TILES
        and elements_of_matrices(g) <= _MOST_ELEMENTS
        and torch.backends.cpu.get_cpu_capability() == "AVX2"
    )


def _tiles(g: Geometry) -> list[int]:
    """How many there are along each axis."""
    return [-(-n // _OUT) for n in g.y[2:]]


def winograd(
    g: Geometry, kernels: ConvolutionKernels, weight: Tensor, bias: Tensor | None
) -> Callable[[Tensor], Tensor]:
    """The forward of a convolution: a function of x, channels last, whose result lies channels last.

    Args:
        g: windows of 3 x 3 with neither stride nor dilation nor groups.
        kernels: the usual way.
        weight: ``(C', C, 3, 3)``.
        bias: one number for each output map.
    """
    channels, *lengths = g.x[1:]
    maps, *sizes = g.y[1:]
    of_x, of_weight, of_y = _matrices()
    x_matrix, y_matrix = torch.kron(of_x, of_x).float(), torch.kron(of_y, of_y).float()
    transformed = torch.einsum("ik,jl,ockl->ijco", of_weight, of_weight, weight.double())
    matrices = transformed.reshape(_IN * _IN, channels, maps).float()
    tiles = _tiles(g)
    # Zeros before, and behind up to the end of the last tile: last axis first.
    behind = [_OUT * t + _KERNEL - 1 - n - p for t, n, p in zip(tiles, lengths, g.pad, strict=True)]
    pads = [0, 0, g.pad[1], behind[1], g.pad[0], behind[0]]
    rows, columns = [n + p + more for n, p, more in zip(lengths, g.pad, behind, strict=True)]
    line = columns * channels
    strides = (line, channels, rows * line, _OUT * line, _OUT * channels, 1)
    # Of tiles, in one image or in several.
    lines = max(1, _AT_A_TIME // (_IN * _IN * tiles[1] * channels))
    images = max(1, lines // tiles[0])

    def some(padded: Tensor, lines: int) -> Tensor:
        """``(B, 4 lines, L_2', C')``, of the first lines of tiles of several images."""
        size = (len(padded), lines, tiles[1])
        points = padded.as_strided((_IN, _IN, *size, channels), strides).reshape(_IN * _IN, -1)
        products = torch.bmm((x_matrix @ points).view(_IN * _IN, -1, channels), matrices)
        y = (y_matrix @ products.view(_IN * _IN, -1)).view(_OUT, _OUT, *size, maps)
        y = y.permute(2, 3, 0, 4, 1, 5).reshape(len(padded), _OUT * lines, _OUT * tiles[1], maps)
        return y[:, :, : sizes[1]]

    def convolve(x: Tensor) -> Tensor:
        refuse_tracing("looks at the values")
        y = x.new_empty(len(x), *sizes, maps)
        for part, result in zip(x.split(images), y.split(images), strict=True):
            padded = torch.constant_pad_nd(part.permute(0, 2, 3, 1), pads)
            for first in range(0, tiles[0], lines):
                found = some(padded[:, _OUT * first :], min(lines, tiles[0] - first))
                into = result[:, _OUT * first : _OUT * (first + lines)]
                found = found[:, : into.shape[1]]
                into.copy_(found) if bias is None else torch.add(found, bias, out=into)
        # The sum is finite where all are, unless they are enormous.
        return y.permute(0, 3, 1, 2) if math.isfinite(float(y.sum())) else kernels.forward(x, weight, bias)

    return convolve
