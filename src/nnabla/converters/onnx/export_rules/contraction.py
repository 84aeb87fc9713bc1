"""Sums over products of arrays, as ``einsum`` has them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from ..graph_writer import GraphWriter, Shape, total
from .registry import Call, export


@export("Einsum")
def einsum(g: GraphWriter, f: Call, *x: str) -> str:
    if g.opset >= 12:
        return str(g("Einsum", *x, equation=f.equation))
    left, _, right = f._equation.partition("->")
    operands = [_diagonal(g, _labelled(g, word, name)) for word, name in zip(left.split(","), x, strict=True)]
    further = max(operand.further for operand in operands)
    result = _letters(right, further)
    if f._summed:
        result = [each for each in result if not each.startswith("...")]
    y = _summed(g, operands[0], {*result, *[each for o in operands[1:] for each in o.letters]})
    for i, operand in enumerate(operands[1:], 1):
        later = {each for o in operands[i + 1 :] for each in o.letters}
        y = _product(g, y, operand, {*result, *later})
    y = _summed(g, y, result)
    return g.transpose(y.name, [y.letters.index(each) for each in result])


class _Operand(NamedTuple):
    """An array, a letter for each of its axes, their lengths, and how many of them stand for dots."""

    name: str
    letters: list[str]
    shape: Shape
    further: int = 0


def _letters(word: str, further: int) -> list[str]:
    """A letter for each axis; those of dots are counted from the last."""
    front, dots, back = word.partition("...")
    between = [f"...{i}" for i in reversed(range(further))] if dots else []
    return [*front, *between, *back]


def _labelled(g: GraphWriter, word: str, name: str) -> _Operand:
    shape = g.shape(name)
    further = len(shape) - len(word.replace("...", ""))
    return _Operand(name, _letters(word, further), shape, further)


def _diagonal(g: GraphWriter, x: _Operand) -> _Operand:
    """An array with each letter once: where one stands twice, elements off the diagonal are left out."""
    for letter in x.letters:
        while x.letters.count(letter) > 1:
            first = x.letters.index(letter)
            second = x.letters.index(letter, first + 1)
            length = x.shape[first]
            each = [length if axis in (first, second) else 1 for axis in range(len(x.shape))]
            inside = g.constant(np.eye(length, dtype=np.bool_).reshape(each), np.bool_)
            name = g.reduce("ReduceSum", g("Where", inside, x.name, g.constant(0.0)), [second], False)
            x = _without(x, name, [second])
    return x


def _without(x: _Operand, name: str, axes: Collection[int]) -> _Operand:
    kept = [axis for axis in range(len(x.shape)) if axis not in axes]
    return _Operand(name, [x.letters[a] for a in kept], tuple([x.shape[a] for a in kept]), x.further)


def _summed(g: GraphWriter, x: _Operand, kept: Collection[str]) -> _Operand:
    """An array summed over axes that nothing else has."""
    axes = [axis for axis, letter in enumerate(x.letters) if letter not in kept]
    return _without(x, g.reduce("ReduceSum", x.name, axes, False), axes)


def _product(g: GraphWriter, a: _Operand, b: _Operand, kept: Collection[str]) -> _Operand:
    """The product of two arrays, summed over the letters of both that are not kept, as one of matrices."""
    a, b = _summed(g, a, {*kept, *b.letters}), _summed(g, b, {*kept, *a.letters})
    # Axes of dots broadcast, so they are never taken together with others.
    shared = [each for each in a.letters if (each in b.letters and each in kept) or each.startswith("...")]
    shared += [each for each in b.letters if each.startswith("...") and each not in shared]
    inner = [each for each in a.letters if each in b.letters and each not in shared]
    rows = [each for each in a.letters if each not in (*shared, *inner)]
    columns = [each for each in b.letters if each not in (*shared, *inner)]
    left, batch_a, rows_shape = _matrices(g, a, shared, rows, inner)
    right, batch_b, columns_shape = _matrices(g, b, shared, inner, columns, last=True)
    batch = tuple([n if m == 1 else m for m, n in zip(batch_a, batch_b, strict=True)])
    shape = (*batch, *rows_shape, *columns_shape)
    return _Operand(g.reshape(g("MatMul", left, right), shape), [*shared, *rows, *columns], shape)


def _matrices(
    g: GraphWriter, x: _Operand, shared: Sequence[str], first: Sequence[str], second: Sequence[str], last: bool = False
) -> tuple[str, Shape, Shape]:
    """An array as matrices, the lengths of the shared axes, and of the rows, or with `last` of the columns."""
    present = [each for each in shared if each in x.letters]
    order = [x.letters.index(each) for each in (*present, *first, *second)]
    name = g.transpose(x.name, order)
    batch = tuple([x.shape[x.letters.index(each)] if each in x.letters else 1 for each in shared])
    rows, columns = (tuple([x.shape[x.letters.index(each)] for each in side]) for side in (first, second))
    return g.reshape(name, [*batch, total(rows), total(columns)]), batch, columns if last else rows
