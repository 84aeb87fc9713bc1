"""Labels: whole numbers that say which entry along an axis is meant."""

from __future__ import annotations

from torch import Tensor

from ..dtypes import NO_INTEGER, spelled
from ..errors import ArgumentError, GraphError, ShapeError
from ..graph.operator import Shape
from ..graph.tracing import assume, is_traced
from .axes import normalized


def labelled_axis(axis: int | None, x: Shape, target: Shape, function: str) -> tuple[int, int, Shape]:
    """The axis of `x` that labels choose from, as the caller counts it and from the front, and their shape.

    Args:
        axis: as given; ``None`` is the last axis.
        x: shape of the values.
        target: shape of the labels: that of `x` with length 1 at `axis`.
        function: for error messages.

    Raises:
        ArgumentError: `axis` is not an axis of `x`.
        ShapeError: `target` has another shape.
    """
    given = len(x) - 1 if axis is None else axis
    found = normalized(given, len(x), function)
    wanted = (*x[:found], 1, *x[found + 1 :])
    if target != wanted:
        raise ShapeError(f"{function}: target must have shape {wanted}: one label along axis {found} of x")
    return given, found, wanted


def check_labels(target: Tensor, count: int, function: str, negative: str | None = None) -> None:
    """Compare labels with the number of entries that they choose from.

    Args:
        target: the labels.
        count: number of entries.
        function: for error messages.
        negative: what becomes of a negative label, ``"is ..."``; ``None`` where there must be none.

    Raises:
        ArgumentError: a label is not below `count`, is below 0 against `negative`, or is no whole number of 64 bits.
    """
    if not target.numel():
        return
    low, high = (int(v) for v in target.aminmax())
    if high >= count or low == NO_INTEGER or (low < 0 and negative is None):
        wrong = high if high >= count else low
        also = "" if negative is None else f"; a negative label {negative}"
        raise ArgumentError(f"{function}: target must be labels in [0, {count}), not {spelled(wrong)}{also}")


def chosen(
    x: Tensor, target: Tensor, axis: int, function: str, negative: str = "is ignored"
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The entries of `x` that labels choose along `axis`; 0 for a negative label, which chooses none.

    Returns:
        The entries, the labels with 0 for negative ones, and where labels are negative (``None`` for nowhere).

    Raises:
        ArgumentError: a label is too large, or no whole number of 64 bits.
    """
    if is_traced():
        assume((target < x.shape[axis]) & (target != NO_INTEGER))
        labels = target.clamp(0, x.shape[axis] - 1)
        return x.gather(axis, labels).masked_fill(target < 0, 0), labels, target < 0
    # On a CPU, gather checks each index anyway, so legal labels cost nothing extra. Elsewhere a bad index
    # would end the whole process.
    if target.is_cpu:
        try:
            return x.gather(axis, target), target, None
        except (RuntimeError, IndexError):
            pass  # A label is negative, or too large: what follows tells.
    check_labels(target, x.shape[axis], function, negative)
    without = target < 0
    labels = target.clamp_min(0)
    return x.gather(axis, labels).masked_fill(without, 0), labels, without


def refuse_label_gradient(need: tuple[bool, ...], function: str) -> None:
    """Refuse a gradient of labels.

    Raises:
        GraphError: the second input, the labels, wants one.
    """
    if need[1]:
        raise GraphError(f"{function}: target holds labels, which have no gradient; set its need_grad to False")
