"""Convolution and deconvolution over any number of axes by definition, in float64 NumPy.

With :math:`A_{l, k, i} = 1` where :math:`i = s l + d k - p` and 0 elsewhere, for each spatial axis, a convolution, a
deconvolution, and both gradients of each are the same sum of products, over other indices.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np


class Convolution:
    """A convolution from wide maps ``(B, C, L...)`` to narrow ones ``(B, O, M...)``, or the deconvolution back.

    Args:
        wide, narrow: their spatial sizes.
        kernel, stride, pad, dilation: an entry for each spatial axis.
        group: number of groups of channels; the weight is ``(O, C / group, K...)``.
    """

    def __init__(
        self,
        wide: Sequence[int],
        narrow: Sequence[int],
        kernel: Sequence[int],
        stride: Sequence[int],
        pad: Sequence[int],
        dilation: Sequence[int],
        group: int = 1,
    ) -> None:
        self.group = group
        self.meet = []
        for length, count, size, s, p, d in zip(wide, narrow, kernel, stride, pad, dilation, strict=True):
            i = s * np.arange(count)[:, None] + d * np.arange(size) - p
            self.meet.append((i[..., None] == np.arange(length)).astype(np.float64))
        n = len(self.meet)
        letters = iter(string.ascii_letters)
        b, g, c, o = (next(letters) for _ in range(4))
        i, k, m = ("".join(next(letters) for _ in range(n)) for _ in range(3))
        self.wide_index, self.narrow_index, self.weight_index = b + g + c + i, b + g + o + m, g + o + c + k
        self.meet_index = [a + b + c for a, b, c in zip(m, k, i, strict=True)]

    def _sum(self, result: str, *operands: tuple[str, np.ndarray]) -> np.ndarray:
        indices = [index for index, _ in operands] + self.meet_index
        arrays = [array.astype(np.float64) for _, array in operands] + self.meet
        return np.einsum(",".join(indices) + "->" + result, *arrays, optimize=True)

    def _maps(self, index: str, maps: np.ndarray) -> tuple[str, np.ndarray]:
        return index, maps.reshape(maps.shape[0], self.group, -1, *maps.shape[2:])

    def _weight(self, w: np.ndarray) -> tuple[str, np.ndarray]:
        return self.weight_index, w.reshape(self.group, -1, *w.shape[1:])

    @staticmethod
    def _ungrouped(maps: np.ndarray) -> np.ndarray:
        return maps.reshape(maps.shape[0], -1, *maps.shape[3:])

    def narrowed(self, wide: np.ndarray, w: np.ndarray) -> np.ndarray:
        """The convolution of `wide` with `w`; also the gradient of a deconvolution to its input."""
        return self._ungrouped(self._sum(self.narrow_index, self._maps(self.wide_index, wide), self._weight(w)))

    def widened(self, narrow: np.ndarray, w: np.ndarray) -> np.ndarray:
        """The deconvolution of `narrow` with `w`; also the gradient of a convolution to its input."""
        return self._ungrouped(self._sum(self.wide_index, self._maps(self.narrow_index, narrow), self._weight(w)))

    def weight_gradient(self, wide: np.ndarray, narrow: np.ndarray) -> np.ndarray:
        """The gradient of either to the weight, from its input and the gradient of its output."""
        found = self._sum(self.weight_index, self._maps(self.wide_index, wide), self._maps(self.narrow_index, narrow))
        return found.reshape(-1, *found.shape[2:])
