"""Sums of products by Einstein's convention: einsum."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Str
from ..graph.operator import Operator, Shape, operator

_EQUATION = re.compile(r"([a-zA-Z]|\.\.\.)*(,([a-zA-Z]|\.\.\.)*)*(->([a-zA-Z]|\.\.\.)*)?")


@operator("Einsum", "einsum", 1228)
class Einsum(Operator):
    r"""Products of elements whose indices agree, summed over indices that the result does not have.

    So ``"ij,jk->ik"`` means :math:`y_{ik} = \sum_j x^0_{ij} x^1_{jk}`.

    Inputs:
        x: one or more arrays, of any shapes that `equation` describes.
    Args:
        equation: for each input a word with a letter for each axis, separated by commas; then ``->`` and the
            letters of the result. Axes with the same letter have the same length, and the same index. ``...``
            stands for any number of further axes, broadcast against each other. Without ``->`` the result has
            ``...`` and all letters that occur once, in alphabetical order.
    Returns:
        An axis for each letter of the result.
    Raises:
        ArgumentError: `equation` has other characters, another number of words than there are inputs, or a
            letter in the result that no input has or that stands there twice.
        ShapeError: lengths differ, or an input has another number of axes than letters.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.einsum(nn.Variable((5, 2, 3)), nn.Variable((3, 4)), equation="bij,jk->bik").shape
        (5, 2, 4)
    """

    equation = Str(doc="The letters of the axes.")

    def output_shape(self, *x: Shape) -> Shape:
        equation = self.equation.replace(" ", "")
        if not _EQUATION.fullmatch(equation):
            raise ArgumentError(
                f"einsum: equation must consist of letters, commas, '...' and '->', not {self.equation!r}"
            )
        left, arrow, result = equation.partition("->")
        words = left.split(",")
        if len(words) != len(x):
            raise ArgumentError(f"einsum: equation names {len(words)} inputs, {len(x)} are given")
        if any(word.count("...") > 1 for word in (*words, result)):
            raise ArgumentError("einsum: equation must have '...' at most once for each array")
        lengths: dict[str, int] = {}
        further: Shape = ()
        for i, (word, shape) in enumerate(zip(words, x, strict=True)):
            front, dots, back = word.partition("...")
            count = len(shape) - len(front) - len(back)
            if count < 0 or (count and not dots):
                raise ShapeError(f"einsum: x{i} must have an axis for each letter of {word!r}, not shape {shape}")
            for letter, length in zip(front + back, shape[: len(front)] + shape[len(front) + count :], strict=True):
                if lengths.setdefault(letter, length) != length:
                    raise ShapeError(f"einsum: axis {letter!r} has length {lengths[letter]}, but {length} in x{i}")
            try:
                # torch's own function imports SymPy, which takes a second.
                further = np.broadcast_shapes(further, shape[len(front) : len(front) + count])
            except ValueError:
                raise ShapeError(f"einsum: the axes of x{i} for '...' do not broadcast to those before") from None
        if not arrow:
            once = sorted(letter for letter in lengths if left.count(letter) == 1)
            result = ("..." if "..." in left else "") + "".join(once)
        unknown = set(result.replace("...", "")) - set(lengths)
        if unknown:
            raise ArgumentError(f"einsum: no input has the letters {sorted(unknown)} of the result")
        letters = result.replace("...", "")
        if len(set(letters)) != len(letters):
            raise ArgumentError(f"einsum: the result must have each letter once, not {result!r}")
        self._equation = f"{left}->{result}"
        # Axes for '...' that the result lacks are summed over, which torch wants to be told.
        self._summed = "..." in left and "..." not in result
        if self._summed:
            self._equation = f"{left}->...{result}"
            self._further = tuple(range(len(further)))
        # Of one array it may only rearrange the axes.
        self.view = len(x) == 1
        self._of_gradients = _gradient_equations(words, result)
        if self._of_gradients is None:
            self.derive_grad()
        front, dots, back = result.partition("...")
        return (
            *[lengths[letter] for letter in front],
            *(further if dots else ()),
            *[lengths[letter] for letter in back],
        )

    def forward(self, *x: Tensor) -> Any:
        y = torch.einsum(self._equation, *x)
        return y.sum(self._further) if self._summed and self._further else y

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: tuple[Tensor, ...]) -> list[Tensor | None]:
        assert self._of_gradients is not None
        others = zip(need, self._of_gradients, reversed(x), strict=True)
        return [torch.einsum(equation, dy, other) if wanted else None for wanted, equation, other in others]


def _gradient_equations(words: list[str], result: str) -> list[str] | None:
    """For each of two arrays, its gradient from that of the result and the other array.

    None where it is more than a product: with diagonals, sums over an array alone, broadcasting, or more arrays.
    """
    if len(words) != 2 or any("..." in word or len(set(word)) < len(word) for word in (*words, result)):
        return None
    first, second = words
    if set(first) - set(second + result) or set(second) - set(first + result):
        return None
    return [f"{result},{second}->{first}", f"{result},{first}->{second}"]
