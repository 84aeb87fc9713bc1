"""Measures of a classifier on labelled data. They have no gradient."""

from __future__ import annotations

from types import MappingProxyType

import torch
from torch import Tensor

from ..errors import ShapeError
from ..graph.argument import Int
from ..graph.operator import Operator, Shape, operator
from .labels import check_labels, chosen, labelled_axis


class Measure(Operator):
    """A function whose result is constant almost everywhere, so there is nothing to differentiate."""

    outputs = ("output",)
    differentiable = False


@operator("TopNError", "top_n_error", 1214)
class TopNError(Measure):
    r"""1 where the score of the label is not among the `n` highest, else 0.

    :math:`y = 1` where at least :math:`n` other classes :math:`j` have :math:`x_j \ge x_t`, with the
    label :math:`t`: among equal scores the label's counts as the lowest.

    Inputs:
        x: scores, shape ``(D_0, ..., D_i, ..., D_N)``.
        target: labels in ``[0, D_i)``, shape ``(D_0, ..., 1, ..., D_N)``; fractions are cut off. A negative label,
            which losses ignore, counts as an error, whatever `n` is.
    Args:
        axis: the axis ``i`` of the classes; default: the last.
        n: how many of the highest scores count as right.
    Returns:
        Shape of `target`.
    Raises:
        ShapeError: `target` has another shape.
        ArgumentError: a label is ``D_i`` or more, NaN or infinite (when it runs).
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([[0.1, 0.7, 0.2], [0.1, 0.7, 0.2]])
        >>> F.top_n_error(x, nn.NdArray.from_numpy_array([[1], [2]])).data
        array([[0.],
               [1.]], dtype=float32)

    Source: NNabla function reference, ``TopNError``. For negative labels NNabla 1.39 reads memory in front of `x`.
    """

    axis = Int(None, "Axis of the classes; default: the last.")
    n = Int(1, "How many of the highest scores count as right.")
    full_precision = True
    indices = ("target",)

    def output_shape(self, x: Shape, target: Shape) -> Shape:
        self.axis, self._axis, shape = labelled_axis(self.axis, x, target, "top_n_error")
        return shape

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        score, _, without = chosen(x, target, self._axis, "top_n_error", "counts as an error")
        # ATen adds up numbers faster than truth values.
        rank = torch.ge(x, score, out=torch.empty_like(x)).sum(self._axis, keepdim=True)
        y = (rank > self.n).to(x.dtype)
        return y if without is None else y.masked_fill_(without, 1)


@operator("BinaryError", "binary_error", 1215)
class BinaryError(Measure):
    r"""1 where `x` and `target` lie on different sides of 0.5, else 0; 0.5 itself belongs to the upper side.

    That is :math:`y = 1` where :math:`[x \ge 0.5] \ne [t \ge 0.5]`.

    Inputs:
        x: probabilities, any shape.
        target: bits or probabilities, shape of `x`.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: the shapes differ.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([0.2, 0.5, 0.9])
        >>> F.binary_error(x, nn.NdArray.from_numpy_array([1, 1, 1])).data
        array([1., 0., 0.], dtype=float32)

    Source: NNabla function reference, ``BinaryError``.
    """

    full_precision = True

    def output_shape(self, x: Shape, target: Shape) -> Shape:
        if x != target:
            raise ShapeError(f"binary_error: target must have the shape of x, {x}, not {target}")
        return x

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        return ((x >= 0.5) != (target >= 0.5)).to(x.dtype)


@operator("ConfusionMatrix", "confusion_matrix", 1216)
class ConfusionMatrix(Measure):
    r"""How often each label was taken for each class: :math:`y_{t, p}` is the number of samples of label
    :math:`t` with :math:`p = \arg\max_i x_i`.

    Inputs:
        x: scores, shape ``(D_0, ..., D_i, ..., D_N)``; the first of the highest is the prediction.
        target: labels in ``[0, D_i)``, shape ``(D_0, ..., 1, ..., D_N)``; fractions are cut off.
    Args:
        axis: the axis ``i`` of the classes; default: the last.
    Returns:
        Counts, shape ``(D_i, D_i)``, 32 bit integers: a row for each label, a column for each prediction.
    Raises:
        ShapeError: `target` has another shape.
        ArgumentError: a label is outside of ``[0, D_i)`` (when it runs).
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
        >>> F.confusion_matrix(x, nn.NdArray.from_numpy_array([[0], [1], [1]])).data
        array([[1, 0],
               [1, 1]], dtype=int32)

    Source: NNabla function reference, ``ConfusionMatrix``.
    """

    axis = Int(None, "Axis of the classes; default: the last.")
    full_precision = True
    indices = ("target",)
    output_types = MappingProxyType({0: torch.int32})

    def output_shape(self, x: Shape, target: Shape) -> Shape:
        self.axis, self._axis, _ = labelled_axis(self.axis, x, target, "confusion_matrix")
        self._count = x[self._axis]
        return (self._count, self._count)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        count = self._count
        check_labels(target, count, "confusion_matrix")
        predicted = x.argmax(self._axis, keepdim=True)
        places = (target * count + predicted).flatten()
        return torch.bincount(places, minlength=count * count).view(count, count).int()
