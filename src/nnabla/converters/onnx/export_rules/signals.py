"""Fourier transforms, of whole signals and of their frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ...obstacles import Unsupported
from ..graph_writer import GraphWriter
from .registry import Call, export

_LONGEST = 1024
"""Length of an axis whose Fourier transform is written as a matrix, which has four times its square of numbers."""


@export("FFT", "IFFT")
def fourier(g: GraphWriter, f: Call, x: str) -> str:
    inverse = int(f.declaration.type_name == "IFFT")
    shape, rank, count = g.shape(x), g.rank(x), 1
    for axis in range(rank - 1 - f.signal_ndim, rank - 1):
        count *= shape[axis]
        if g.opset < 17:
            x = _by_matrix(g, x, shape, axis, inverse)
        elif g.opset >= 20:
            x = g("DFT", x, None, g.constant(axis, np.int64), inverse=inverse)
        else:
            x = g("DFT", x, axis=axis, inverse=inverse)
    if not f.normalized:
        return x
    if count < 0:
        raise Unsupported("with an open batch size, the batch is not transformed")
    return g.mul(x, count**0.5 if inverse else count**-0.5)


def _by_matrix(g: GraphWriter, x: str, shape: Sequence[int], axis: int, inverse: int) -> str:
    """A transform along an axis, as a product with a matrix; the operator for it is there from opset 17 on."""
    length, rank = shape[axis], len(shape)
    if not 1 <= length <= _LONGEST:
        raise Unsupported(f"the operator DFT is there from opset 17 on, and axes of at most {_LONGEST} elements before")
    angles = 2 * np.pi * (np.outer(np.arange(length), np.arange(length)) % length) / length
    turned = np.array([[0, 1], [-1, 0]]) * (1 if inverse else -1)
    # Rows are real and imaginary parts of the signal, columns those of its transform.
    matrix = np.kron(np.cos(angles), np.eye(2)) + np.kron(np.sin(angles), turned)
    order = [*(i for i in range(rank - 1) if i != axis), axis, rank - 1]
    parts = g.reshape(g.transpose(x, order), [*(shape[i] for i in order[:-2]), 2 * length])
    product = g("MatMul", parts, g.constant(matrix / length if inverse else matrix))
    return g.transpose(g.reshape(product, [shape[i] for i in order]), [order.index(i) for i in range(rank)])


@export("STFT")
def stft(g: GraphWriter, f: Call, x: str) -> list[str]:
    # Frames, windows and waves are a convolution.
    if f.as_istft_backward:
        raise Unsupported("as_istft_backward is not written")
    frames = f._transform
    waves = _waves(frames.size, frames.bins) * frames.window(torch.empty(0, dtype=torch.float64)).numpy()
    pads = [0, 0] if frames.reflects else [frames.pad, frames.pad]
    if frames.reflects:
        x = g("Gather", x, g.ints(frames._reflected(torch.device("cpu")).tolist()), axis=1)
    y = g("Conv", g.unsqueeze(x, [1]), g.constant(waves[:, None]), strides=[frames.stride], pads=pads)
    bins = frames.bins
    return [g.slice(y, [first], [first + bins], [1], [1]) for first in (0, bins)]


@export("ISTFT")
def istft(g: GraphWriter, f: Call, real: str, imaginary: str) -> str:
    if f.as_stft_backward:
        raise Unsupported("as_stft_backward is not written")
    frames = f._transform
    one = torch.ones(1, dtype=torch.float64)
    # A real signal has each frequency twice, but the first and the middle one.
    share = np.tile(frames._bin_weights(one).numpy(), 2)[:, None] / frames.size
    waves = _waves(frames.size, frames.bins) * share * frames.window(one).numpy()
    spectra = g("Concat", real, imaginary, axis=1)
    y = g("ConvTranspose", spectra, g.constant(waves[:, None]), strides=[frames.stride])
    y = g.squeeze(g.slice(y, [frames.pad], [frames.pad + frames.length], [2], [1]), [1])
    return str(g("Div", y, g.constant(frames._weight.numpy())))


def _waves(size: int, bins: int) -> np.ndarray:
    """Real and then imaginary parts of the waves of a transform, a row for each: ``(2 bins, size)``."""
    angles = 2 * np.pi * (np.outer(np.arange(bins), np.arange(size)) % size) / size
    return np.concatenate([np.cos(angles), -np.sin(angles)])
