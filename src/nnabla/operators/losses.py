"""Losses, element by element or along an axis; none of them averages over the batch."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .._private_torch import huber_loss, mse_loss
from ..errors import ShapeError
from ..graph.argument import Int, Single, not_negative
from ..graph.operator import Operator, Shape, operator
from .axes import normalized
from .kernels import aten
from .labels import chosen, labelled_axis, refuse_label_gradient
from .shapes import Binary

# Bound to its only overload, which saves the choice among overloads in every call.
mse_loss_backward = aten.mse_loss_backward
huber_loss_backward = aten.huber_loss_backward
leaky_relu_backward = aten.leaky_relu_backward
_NONE = 0  # ATen's number for a loss that is not reduced

Pair = tuple[Tensor | None, Tensor | None]


def differentiated(x: Tensor) -> bool:
    """Whether autograd is recording what is computed from `x`: for gradients of gradients."""
    return x.requires_grad and torch.is_grad_enabled()


def opposite(need: tuple[bool, ...], dx0: Tensor) -> Pair:
    """Gradients of both inputs of a function of their difference, from that of the first."""
    return (dx0 if need[0] else None), (-dx0 if need[1] else None)


# ---- classification ----------------------------------------------------------------------------------------


@operator("SoftmaxCrossEntropy", "softmax_cross_entropy", 1190)
class SoftmaxCrossEntropy(Operator):
    r"""Cross entropy between labels and the softmax of scores, :math:`y = -\log \mathrm{softmax}(x)_t`.

    Inputs:
        x: scores, shape ``(D_0, ..., D_i, ..., D_N)``.
        target: labels in ``[0, D_i)``, shape ``(D_0, ..., 1, ..., D_N)``; fractions are cut off. Where a
            label is negative, loss and gradient are 0.
    Args:
        axis: the axis ``i`` of the classes; default: the last.
    Returns:
        Shape of `target`.
    Raises:
        ShapeError: `target` has another shape.
        ArgumentError: a label is ``D_i`` or more, NaN or infinite (when it runs).
        GraphError: a gradient of `target` is asked for (in backward).
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([[0.0, 0.0], [0.0, 100.0]])
        >>> F.softmax_cross_entropy(x, nn.NdArray.from_numpy_array([[0], [0]])).data
        array([[  0.6931472],
               [100.       ]], dtype=float32)

    Source: NNabla function reference, ``SoftmaxCrossEntropy``.
    """

    axis = Int(None, "Axis of the classes; default: the last.")
    full_precision = True
    indices = ("target",)
    keeps = True
    held = ("target",)
    checks_indices = True

    def output_shape(self, x: Shape, target: Shape) -> Shape:
        self.axis, self._axis, shape = labelled_axis(self.axis, x, target, "softmax_cross_entropy")
        # ATen goes through fewer than 16 classes one number at a time, but along another axis it does not:
        # with 100 samples of 10 classes the detour takes a third of the time.
        few = len(x) == 2 and self._axis == 1 and x[1] < 16 and x[0] >= 64
        self._turned = few and self.device.type == "cpu"
        return shape

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        if self._turned:
            log_p = torch.log_softmax(x.t().contiguous(), 0).t()
        else:
            log_p = torch.log_softmax(x, self._axis)
        y, labels, ignored = chosen(log_p, target, self._axis, "softmax_cross_entropy")
        self.kept = log_p, labels, ignored
        return y.neg()

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: Tensor) -> tuple[Tensor, None]:
        refuse_label_gradient(need, "softmax_cross_entropy")
        log_p, labels, ignored = self.kept
        if ignored is not None:
            dy = dy.masked_fill(ignored, 0)
        if differentiated(x) or differentiated(dy):
            return (torch.softmax(x, self._axis) * dy).scatter_add(self._axis, labels, -dy), None
        return log_p.exp().mul_(dy).scatter_add_(self._axis, labels, -dy), None


@operator("CategoricalCrossEntropy", "categorical_cross_entropy", 1191)
class CategoricalCrossEntropy(Operator):
    r"""Cross entropy between labels and probabilities, :math:`y = -\log x_t`.

    A probability below the smallest normal number of the type (1.2e-38 in float32) counts as that number.

    Inputs:
        x: probabilities, shape ``(D_0, ..., D_i, ..., D_N)``.
        target: labels in ``[0, D_i)``, shape ``(D_0, ..., 1, ..., D_N)``; fractions are cut off. Where a
            label is negative, loss and gradient are 0.
    Args:
        axis: the axis ``i`` of the classes; default: the last.
    Returns:
        Shape of `target`.
    Raises:
        ShapeError: `target` has another shape.
        ArgumentError: a label is ``D_i`` or more, NaN or infinite (when it runs).
        GraphError: a gradient of `target` is asked for (in backward).
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([[0.5, 0.5], [0.0, 1.0]])
        >>> F.categorical_cross_entropy(x, nn.NdArray.from_numpy_array([[0], [0]])).data
        array([[ 0.6931472],
               [87.33655  ]], dtype=float32)

    Source: NNabla function reference, ``CategoricalCrossEntropy``.
    """

    axis = Int(None, "Axis of the classes; default: the last.")
    full_precision = True
    indices = ("target",)
    keeps = True
    held = ("target",)
    checks_indices = True

    def output_shape(self, x: Shape, target: Shape) -> Shape:
        self.axis, self._axis, shape = labelled_axis(self.axis, x, target, "categorical_cross_entropy")
        return shape

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        p, labels, ignored = chosen(x, target, self._axis, "categorical_cross_entropy")
        self.kept = labels, ignored
        y = p.clamp_min(torch.finfo(x.dtype).tiny).log().neg()
        return y if ignored is None else y.masked_fill(ignored, 0)

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: Tensor) -> tuple[Tensor, None]:
        refuse_label_gradient(need, "categorical_cross_entropy")
        labels, ignored = self.kept
        if ignored is not None:
            dy = dy.masked_fill(ignored, 0)
        p = x.gather(self._axis, labels).clamp_min(torch.finfo(x.dtype).tiny)
        return torch.zeros_like(x).scatter_(self._axis, labels, -dy / p), None


class SameShape(Operator):
    """A loss of two arrays of one shape."""

    def output_shape(self, x: Shape, target: Shape) -> Shape:
        if x != target:
            raise ShapeError(f"{self.declaration.name}: target must have the shape of x, {x}, not {target}")
        return x


@operator("SigmoidCrossEntropy", "sigmoid_cross_entropy", 1188)
class SigmoidCrossEntropy(SameShape):
    r"""Cross entropy between bits and the sigmoid of scores.

    .. math:: y = -t \log \sigma(x) - (1 - t) \log(1 - \sigma(x)) = \max(x, 0) - x t + \log(1 + e^{-|x|})

    The last form neither overflows nor loses digits, however large the score.

    Inputs:
        x: scores, any shape.
        target: whole numbers, 0 or 1, shape of `x`; fractions are cut off.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: the shapes differ.
        GraphError: a gradient of `target` is asked for (in backward).
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([0.0, 100.0])
        >>> F.sigmoid_cross_entropy(x, nn.NdArray.from_numpy_array([1, 0])).data
        array([  0.6931472, 100.       ], dtype=float32)

    Source: NNabla function reference, ``SigmoidCrossEntropy``.
    """

    full_precision = True

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        # log(1 + e^x); beyond 40 that is x, to the last digit of a double.
        return torch.nn.functional.softplus(x, 1, 40).addcmul_(x, self._bits(target), value=-1)

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, target: Tensor) -> tuple[Tensor, None]:
        refuse_label_gradient(need, "sigmoid_cross_entropy")
        difference = self._bits(target).neg_().add_(torch.sigmoid(x))
        return difference * dy if differentiated(x) or differentiated(dy) else difference.mul_(dy), None

    def _bits(self, target: Tensor) -> Tensor:
        # ATen has no vectorized `trunc`: 17 times as slow for 4 million numbers.
        return target.div(1, rounding_mode="trunc")


@operator("BinaryCrossEntropy", "binary_cross_entropy", 1189)
class BinaryCrossEntropy(SameShape):
    r"""Cross entropy between two probabilities of a bit, :math:`y = -t \log x - (1 - t) \log(1 - x)`.

    Arguments of the logarithm, and the divisor :math:`x (1 - x)` of the gradient, are at least the smallest
    normal number of the type (1.2e-38 in float32).

    Inputs:
        x: probabilities, any shape.
        target: probabilities, shape of `x`.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: the shapes differ.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([0.5, 0.0])
        >>> F.binary_cross_entropy(x, nn.NdArray.from_numpy_array([1, 1])).data
        array([ 0.6931472, 87.33655  ], dtype=float32)

    Source: NNabla function reference, ``BinaryCrossEntropy``.
    """

    full_precision = True

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        one, zero = _log_pair(x)
        return torch.lerp(zero, one, target).neg_()

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, target: Tensor) -> Pair:
        dx = dt = None
        if need[0]:
            dx = dy * (x - target) / (x * (1 - x)).clamp_min(torch.finfo(x.dtype).tiny)
        if need[1]:
            one, zero = _log_pair(x)
            dt = dy * (zero - one)
        return dx, dt


def _log_pair(x: Tensor) -> tuple[Tensor, Tensor]:
    """Logarithms of `x` and of ``1 - x``, both finite."""
    tiny = torch.finfo(x.dtype).tiny
    return x.clamp_min(tiny).log(), (1 - x).clamp_min(tiny).log()


# ---- distances ---------------------------------------------------------------------------------------------


@operator("SquaredError", "squared_error", 1192)
class SquaredError(Binary):
    r"""Squared difference, :math:`y = (x_0 - x_1)^2`.

    Inputs:
        x0: any shape.
        x1: a shape with as many axes; an axis of length 1 is broadcast.
    Returns:
        The shape that both broadcast to.
    Raises:
        ShapeError: the shapes do not fit together.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([1.0, 2.0]), nn.NdArray.from_numpy_array([3.0, 2.0])
        >>> F.squared_error(a, b).data
        array([4., 0.], dtype=float32)

    Source: NNabla function reference, ``SquaredError``.
    """

    full_precision = True

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        return mse_loss(x0, x1, _NONE)

    def grad(self, need: tuple[bool, ...], dy: Tensor, x0: Tensor, x1: Tensor) -> Pair:
        if x0.shape != x1.shape:
            x0, x1 = torch.broadcast_tensors(x0, x1)
        if not need[0]:
            return None, mse_loss_backward(dy, x1, x0, _NONE)
        return opposite(need, mse_loss_backward(dy, x0, x1, _NONE))


@operator("AbsoluteError", "absolute_error", 1193)
class AbsoluteError(Binary):
    r"""Absolute difference, :math:`y = |x_0 - x_1|`.

    Inputs:
        x0: any shape.
        x1: a shape with as many axes; an axis of length 1 is broadcast.
    Returns:
        The shape that both broadcast to. Where both are equal, the gradient of `x0` is ``-dy``.
    Raises:
        ShapeError: the shapes do not fit together.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([1.0, 2.0]), nn.NdArray.from_numpy_array([3.0, 2.0])
        >>> F.absolute_error(a, b).data
        array([2., 0.], dtype=float32)

    Source: NNabla function reference, ``AbsoluteError``.
    """

    full_precision = True

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        return (x0 - x1).abs_()

    def grad(self, need: tuple[bool, ...], dy: Tensor, x0: Tensor, x1: Tensor) -> Pair:
        # dy where the difference is above 0, else -dy.
        return opposite(need, leaky_relu_backward(dy, x0 - x1, -1.0, False))


@operator("HuberLoss", "huber_loss", 1194)
class HuberLoss(Binary):
    r"""Huber loss: squared near zero, linear beyond `delta`; with :math:`d = x_0 - x_1`

    .. math:: y = d^2 \text{ if } |d| < \delta, \text{ else } \delta (2 |d| - \delta).

    This is twice the definition that halves the square.

    Inputs:
        x0: any shape.
        x1: a shape with as many axes; an axis of length 1 is broadcast.
    Args:
        delta: where the loss becomes linear; at least 0.
    Returns:
        The shape that both broadcast to.
    Raises:
        ShapeError: the shapes do not fit together.
        ArgumentError: `delta` is negative.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([0.5, 3.0]), nn.NdArray.from_numpy_array([0.0, 0.0])
        >>> F.huber_loss(a, b).data
        array([0.25, 5.  ], dtype=float32)

    Source: NNabla function reference, ``HuberLoss``; P. J. Huber, "Robust Estimation of a Location
    Parameter", Annals of Mathematical Statistics 35 (1964).
    """

    delta = Single(1.0, "Where the loss becomes linear.", check=not_negative)
    full_precision = True

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        if not self.delta:
            return torch.zeros_like(x0 - x1)
        if x0.shape != x1.shape:
            x0, x1 = torch.broadcast_tensors(x0, x1)
        return huber_loss(x0, x1, _NONE, self.delta).mul_(2)

    def grad(self, need: tuple[bool, ...], dy: Tensor, x0: Tensor, x1: Tensor) -> Pair:
        if x0.shape != x1.shape:
            x0, x1 = torch.broadcast_tensors(x0, x1)
        return opposite(need, huber_loss_backward(dy, x0, x1, _NONE, self.delta) * 2)


@operator("EpsilonInsensitiveLoss", "epsilon_insensitive_loss", 1195)
class EpsilonInsensitiveLoss(Binary):
    r"""Distance beyond a tolerance, :math:`y = \max(0, |x_0 - x_1| - \epsilon)`.

    Inputs:
        x0: any shape.
        x1: a shape with as many axes; an axis of length 1 is broadcast.
    Args:
        epsilon: the tolerance; at least 0.
    Returns:
        The shape that both broadcast to. Up to the tolerance, and at it, the gradient is 0.
    Raises:
        ShapeError: the shapes do not fit together.
        ArgumentError: `epsilon` is negative.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([0.5, 3.0]), nn.NdArray.from_numpy_array([0.0, 0.0])
        >>> F.epsilon_insensitive_loss(a, b, epsilon=1.0).data
        array([0., 2.], dtype=float32)

    Source: NNabla function reference, ``EpsilonInsensitiveLoss``.
    """

    epsilon = Single(doc="The tolerance.", check=not_negative)
    full_precision = True

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        return self._beyond(x0 - x1).abs_()

    def grad(self, need: tuple[bool, ...], dy: Tensor, x0: Tensor, x1: Tensor) -> Pair:
        return opposite(need, self._beyond(x0 - x1).sign() * dy)

    def _beyond(self, difference: Tensor) -> Tensor:
        # An infinite tolerance is too much for the kernel.
        return torch.nn.functional.softshrink(difference, min(self.epsilon, torch.finfo(difference.dtype).max))


# ---- distributions -----------------------------------------------------------------------------------------


@operator("KLMultinomial", "kl_multinomial", 1196)
class KLMultinomial(Operator):
    r"""Kullback-Leibler divergence of multinomial distributions.

    .. math:: D = \sum_i p_i \left(\log(p_i + 10^{-8}) - \log(q_i + 10^{-8})\right)

    The gradient is that without the constant: :math:`\log(p_i + 10^{-8}) - \log(q_i + 10^{-8}) + 1` for `p`
    and :math:`-p_i / q_i` for `q`, as NNabla 1.x has it.

    Inputs:
        p: probabilities, shape ``(M_1, ..., M_B, D_1, ..., D_N)`` with ``B = base_axis``.
        q: probabilities, shape of `p`.
    Args:
        base_axis: first of the axes that are summed over; a negative value counts from the end.
    Returns:
        Shape ``(M_1, ..., M_B, 1)``.
    Raises:
        ShapeError: the shapes differ.
        ArgumentError: `base_axis` is not an axis of `p`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> p, q = nn.NdArray.from_numpy_array([[1.0, 0.0]]), nn.NdArray.from_numpy_array([[0.5, 0.5]])
        >>> F.kl_multinomial(p, q).data
        array([[0.6931472]], dtype=float32)

    Source: NNabla function reference, ``KLMultinomial``.
    """

    base_axis = Int(1, "First of the axes that are summed over.")
    full_precision = True
    keeps = True
    outputs = ("D",)

    _SMALL = 1e-8

    def output_shape(self, p: Shape, q: Shape) -> Shape:
        if p != q:
            raise ShapeError(f"kl_multinomial: q must have the shape of p, {p}, not {q}")
        axis = normalized(self.base_axis, len(p), "kl_multinomial", "base_axis")
        self._matrix = (math.prod(p[:axis]), math.prod(p[axis:]))
        self._gradient = p[:axis] + (1,) * (len(p) - axis)
        self._divergence = (*p[:axis], 1)
        return self._divergence

    def forward(self, p: Tensor, q: Tensor) -> Tensor:
        self.kept = difference = self._difference(p, q)
        return self._summed(difference * p)

    def infer(self, p: Tensor, q: Tensor) -> Tensor:
        return self._summed(self._difference(p, q).mul_(p))

    def _summed(self, terms: Tensor) -> Tensor:
        return terms.reshape(self._matrix).sum(1).view(self._divergence)

    def grad(self, need: tuple[bool, ...], dD: Tensor, p: Tensor, q: Tensor) -> Any:
        dy = dD.reshape(self._gradient)
        dp = (self.kept + 1).mul_(dy) if need[0] else None
        dq = p / q * -dy if need[1] else None
        return dp, dq

    def _difference(self, p: Tensor, q: Tensor) -> Tensor:
        return (p + self._SMALL).log_().sub_((q + self._SMALL).log_())
