"""Division by a norm: of arrays, of weights, of gradients; and the subtraction of a running mean."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .._nd_array import NdArray
from .._private_torch import weight_norm_interface_backward
from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Check, Int, Ints, Single
from ..graph.call import invoke, public
from ..graph.operator import Operator, Shape, operator
from ..graph.variable import Variable
from .arithmetic import Div2, Mul2, MulScalar, PowScalar
from .axes import Axes, normalized, normalized_all
from .constants import Array
from .extrema import Maximum2, MaximumScalar
from .losses import differentiated
from .reductions import Sum, listed
from .shapes import Elementwise, broadcast_shape, refuse_empty

weight_norm_backward = weight_norm_interface_backward

at_least_one: Check = (lambda value: value >= 1, "at least 1")


@operator("NormNormalization", "norm_normalization", 1046)
class NormNormalization(Operator):
    r"""Division by the p-norm, :math:`y = x / (\sum_i |x_i|^p)^{1/p}`.

    Inputs:
        x: any shape.
    Args:
        p: order of the norm, at least 1; default: 2.
        axes: the axes that the norm is taken over; default: all.
        eps: accepted for compatibility; NNabla 1.39 does not use it.
    Returns:
        Shape of `x`; 0 where the norm is 0.
    Raises:
        ArgumentError: `p` is below 1, or an axis is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.norm_normalization(nn.NdArray.from_numpy_array([[3.0, 4.0], [0.0, 0.0]]), axes=[1]).data
        array([[0.6, 0.8],
               [0. , 0. ]], dtype=float32)

    Source: NNabla function reference, ``NormNormalization``.
    """

    p = Single(None, "Order of the norm; default: 2.", check=at_least_one)
    axes = Ints(None, "Axes that the norm is taken over; default: all.")
    eps = Single(1e-12, "Accepted for compatibility.")

    def output_shape(self, x: Shape) -> Shape:
        self.p = 2.0 if self.p is None else self.p
        self.axes = tuple(range(len(x))) if self.axes is None else self.axes
        self._axes = tuple(sorted({normalized(a, len(x), "norm_normalization", "axes") for a in self.axes}))
        return x

    def forward(self, x: Tensor) -> Tensor:
        return x * self._inverse(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        inverse = self._inverse(x)
        y = x * inverse
        # The derivative of the norm by x is sign(y) |y|^(p - 1); at 0 the sign is 1.
        slope = y if self.p == 2 else torch.where(y < 0, -1.0, 1.0).to(y.dtype) * y.abs() ** (self.p - 1)
        along = (dy * y).sum(self._axes, keepdim=True) if self._axes else dy * y
        return inverse * (dy - slope * along)

    def _inverse(self, x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(x, self.p, self._axes, keepdim=True) if self._axes else x.abs()
        return torch.where(norm > 0, 1 / norm, 0)


@public
def norm_normalization(x: Array, p: float | None = None, axes: Axes = None, eps: float = 1e-12) -> Any:
    r"""Division by the p-norm, :math:`y = x / (\sum_i |x_i|^p)^{1/p}`.

    Inputs:
        x: any shape.
    Args:
        p: order of the norm, at least 1; default: 2.
        axes: axis, or axes, that the norm is taken over; default: all.
        eps: accepted for compatibility; NNabla 1.39 does not use it.
    Returns:
        Shape of `x`; 0 where the norm is 0.
    Raises:
        ArgumentError: `p` is below 1, or an axis is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.norm_normalization(nn.NdArray.from_numpy_array([[3.0, 4.0], [0.0, 0.0]]), axes=1).data
        array([[0.6, 0.8],
               [0. , 0. ]], dtype=float32)

    Source: NNabla function reference, ``norm_normalization``.
    """
    return invoke(NormNormalization, (p, listed(axes), eps), (x,))


@operator("WeightNormalization", "weight_normalization", 1049)
class WeightNormalization(Operator):
    r"""Weights of given lengths, :math:`y = g\, w / \sqrt{\|w\|^2 + \epsilon}` for each output channel.

    Inputs:
        w: directions, any shape.
        g: lengths, shape ``(w.shape[dim],)``.
    Args:
        dim: the axis of the output channels; a negative value counts from the end.
        eps: added to the squared norm, against division by zero.
    Returns:
        Shape of `w`.
    Raises:
        ShapeError: `g` has another shape.
        ArgumentError: `dim` is not an axis of `w`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> w, g = nn.NdArray.from_numpy_array([[3.0, 4.0]]), nn.NdArray.from_numpy_array([10.0])
        >>> F.weight_normalization(w, g).data
        array([[6., 8.]], dtype=float32)

    Source: T. Salimans and D. P. Kingma, "Weight Normalization", arXiv:1602.07868, equation 2.
    """

    dim = Int(0, "Axis of the output channels.")
    eps = Single(1e-12, "Added to the squared norm.")
    outputs = ("w_wn",)
    keeps = grad_is_differentiable = True

    def output_shape(self, w: Shape, g: Shape) -> Shape:
        dim = normalized(self.dim, len(w), "weight_normalization", "dim")
        if g != (w[dim],):
            raise ShapeError(f"weight_normalization: g must have shape ({w[dim]},), the length of axis {dim} of w")
        self._wide = (1,) * dim + g + (1,) * (len(w) - dim - 1)
        self._others = tuple([a for a in range(len(w)) if a != dim])
        # ATen has a kernel for the first and the last axis.
        self._dim = dim
        self._fused = len(w) > 1 and dim in (0, len(w) - 1) and 0 not in w
        return w

    def forward(self, w: Tensor, g: Tensor) -> Tensor:
        self.kept = inverse = self._inverse(w)
        return (w * (inverse * g.view(self._wide))).to(w.dtype)

    def grad(self, need: tuple[bool, ...], dw_wn: Tensor, w: Tensor, g: Tensor) -> tuple[Tensor | None, Tensor | None]:
        wide = g.view(self._wide)
        if self._fused and not (differentiated(w) or differentiated(g) or differentiated(dw_wn)):
            # The kernel wants all of them contiguous. Of `g` one axis has a length, any stride of the others will do.
            lengths = self.kept.reciprocal().contiguous()
            dw, dg = weight_norm_backward(dw_wn.contiguous(), w.contiguous(), wide.contiguous(), lengths, self._dim)
            return (dw if need[0] else None), (dg.view(g.shape) if need[1] else None)
        inverse = self._inverse(w)
        unit = w * inverse
        along = (dw_wn * unit).sum_to_size(self._wide)
        dw = ((dw_wn - unit * along) * (inverse * wide)).to(w.dtype) if need[0] else None
        return dw, (along.reshape(g.shape).to(g.dtype) if need[1] else None)

    def _inverse(self, w: Tensor) -> Tensor:
        """One over the lengths, in single precision at least: a square is soon too large for half precision."""
        wide = w.float() if w.dtype in (torch.float16, torch.bfloat16) else w
        return (self._square(wide) + self.eps).rsqrt()

    def _square(self, w: Tensor) -> Tensor:
        if differentiated(w) or not self._fused:
            return (w * w).sum_to_size(self._wide)
        return torch.linalg.vector_norm(w, dim=self._others, keepdim=True).square_()


@operator("SpectralNorm", "spectral_norm", 1051)
class SpectralNorm(Operator):
    r"""Division of a weight by its largest singular value, found by power iteration.

    With the weight as a matrix :math:`W` whose rows are the output channels, each iteration takes
    :math:`v = W^T u / \sqrt{\|W^T u\|^2 + \epsilon}` and :math:`u = W v / \sqrt{\|W v\|^2 + \epsilon}`; then
    :math:`y = W / (u^T W v)`. The gradient takes :math:`u` and :math:`v` for constants.

    Inputs:
        w: weight, any shape.
        u: left singular vector, ``w.shape[dim]`` elements; updated in place, unless `test`.
    Args:
        dim: the axis of the output channels.
        itr: number of iterations.
        eps: added to squared norms, against division by zero.
        test: whether to leave `u` as it is.
        output_u: whether to return `u` as it was before, too.
    Returns:
        Shape of `w`; with `output_u` a tuple of that and of the shape ``(w.shape[dim],)``.
    Raises:
        ShapeError: `u` has another number of elements.
        ArgumentError: `dim` is not in ``[0, w.ndim)``, or `itr` is not positive.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> w = nn.NdArray.from_numpy_array([[2.0, 0.0], [0.0, 1.0]])
        >>> u = nn.NdArray.from_numpy_array([1.0, 0.0])
        >>> F.spectral_norm(w, u).data
        array([[1. , 0. ],
               [0. , 0.5]], dtype=float32)

    Source: T. Miyato, T. Kataoka, M. Koyama and Y. Yoshida, "Spectral Normalization for Generative
    Adversarial Networks", arXiv:1802.05957, algorithm 1.
    """

    dim = Int(0, "Axis of the output channels.")
    itr = Int(1, "Number of iterations.", check=(lambda n: 0 < n <= 100_000, "in [1, 100000]"))
    eps = Single(1e-12, "Added to squared norms.")
    test = Bool(False, "Whether to leave u as it is.")
    output_u = Bool(False, "Whether to return u as it was before, too.")
    outputs = ("w_sn", "u_before")
    constants = ("u",)
    updated = ("u",)
    keeps = True
    held = ("u", "w_sn")

    def output_shape(self, w: Shape, u: Shape) -> Any:
        refuse_empty(w, "spectral_norm", "w")
        if not 0 <= self.dim < len(w):
            raise ArgumentError(f"spectral_norm: dim must be in [0, {len(w)}), not {self.dim}")
        if math.prod(u) != w[self.dim]:
            raise ShapeError(f"spectral_norm: u must have {w[self.dim]} elements, as w has on axis {self.dim}")
        return [w, (w[self.dim],)] if self.output_u else w

    def forward(self, w: Tensor, u: Tensor) -> Any:
        before = u.reshape(-1).clone()
        matrix = self._matrix(w).to(u.dtype)
        left = before
        for _ in range(self.itr):
            right = self._unit(matrix.t() @ left)
            left = self._unit(matrix @ right)
        self.kept = before.to(w.dtype), left, right
        if not self.test:
            u.copy_(left.view(u.shape))
        return self._outputs(w)

    def recompute(self, w: Tensor, u: Tensor) -> Any:
        return self._outputs(w)

    def _outputs(self, w: Tensor) -> Any:
        y = w / self._sigma(w)
        return (y, self.kept[0]) if self.output_u else y

    def grad(self, dw_sn: Tensor, w: Tensor) -> tuple[Tensor, None]:
        _, left, right = self.kept
        sigma = self._sigma(w)
        shape = [w.shape[self.dim], *w.shape[: self.dim], *w.shape[self.dim + 1 :]]
        direction = torch.outer(left, right).view(shape).movedim(0, self.dim).to(w.dtype)
        return (dw_sn - direction * ((dw_sn * w).sum() / sigma)) / sigma, None

    def _matrix(self, w: Tensor) -> Tensor:
        return w.movedim(self.dim, 0).reshape(w.shape[self.dim], -1)

    def _unit(self, vector: Tensor) -> Tensor:
        return vector * (vector.dot(vector) + self.eps).rsqrt()

    def _sigma(self, w: Tensor) -> Tensor:
        _, left, right = self.kept
        return left.dot(self._matrix(w).to(left.dtype) @ right).to(w.dtype)


@public
def spectral_norm(
    w: Array, u: Array, dim: int = 0, itr: int = 1, eps: float = 1e-12, test: bool = False, output_u: bool = False
) -> Any:
    return invoke(SpectralNorm, (dim, itr, eps, test, output_u), (w, u))


spectral_norm.__doc__ = SpectralNorm.__doc__


@operator("MeanSubtraction", "mean_subtraction", 1052)
class MeanSubtraction(Operator):
    r"""Subtraction of a running mean, which forward brings up to date before.

    With :math:`\mu` the mean of the batch: ``rmean += (mu - rmean) / (t + 1)``, ``t += 1``,
    :math:`y = x - m` with the new mean :math:`m`. The gradient takes only the latest batch into account:
    :math:`(1 - 1 / (B t))\, dy` for a batch of :math:`B` samples.

    Inputs:
        x: shape ``(M_1, ..., M_B, D_1, ..., D_N)`` with ``B = base_axis``.
        rmean: running mean, shape ``(D_1, ..., D_N)``; updated in place.
        t: number of batches that it was taken over, one element; updated in place.
    Args:
        base_axis: number of axes that the mean is taken over; a negative value counts from the end.
        update_running_mean: whether to bring `rmean` up to date; else the gradient is `dy`.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: `rmean` has another shape, or `t` more than one element.
        ArgumentError: `base_axis` is not an axis of `x`.

    Source: NNabla function reference, ``MeanSubtraction``.
    """

    base_axis = Int(1, "Number of axes that the mean is taken over.")
    update_running_mean = Bool(True, "Whether to bring the running mean up to date.")
    constants = ("rmean", "t")
    updated = ("rmean", "t")
    keeps = True
    grad_aliases = True

    def output_shape(self, x: Shape, rmean: Shape, t: Shape) -> Shape:
        axis = normalized(self.base_axis, len(x), "mean_subtraction", "base_axis")
        if rmean != x[axis:]:
            raise ShapeError(f"mean_subtraction: rmean must have shape {x[axis:]}, x from axis {axis}")
        if math.prod(t) != 1:
            raise ShapeError(f"mean_subtraction: t must have one element, not shape {t}")
        self._batch = math.prod(x[:axis])
        self._samples = (self._batch, *x[axis:])
        return x

    def forward(self, x: Tensor, rmean: Tensor, t: Tensor) -> Tensor:
        if self.update_running_mean:
            t.add_(1)
            mean = x.reshape(self._samples).mean(0).to(rmean.dtype)
            rmean.add_((mean - rmean) / t.reshape(()))
            self.kept = 1 - 1 / (self._batch * t.reshape(()))
        return self.recompute(x, rmean, t)

    def recompute(self, x: Tensor, rmean: Tensor, t: Tensor) -> Tensor:
        return x - rmean.to(x.dtype)

    def grad(self, dy: Tensor) -> tuple[Tensor, None, None]:
        return (dy * self.kept.to(dy.dtype) if self.update_running_mean else dy), None, None


@public
def mean_subtraction(x: Array, mean: Array, t: Array, base_axis: int = 1, update_running_mean: bool = True) -> Any:
    r"""Subtraction of a running mean, which forward brings up to date before.

    With :math:`\mu` the mean of the batch: ``mean += (mu - mean) / (t + 1)``, ``t += 1``,
    :math:`y = x - m` with the new mean :math:`m`. The gradient takes only the latest batch into account:
    :math:`(1 - 1 / (B t))\, dy` for a batch of :math:`B` samples.

    Inputs:
        x: shape ``(M_1, ..., M_B, D_1, ..., D_N)`` with ``B = base_axis``.
        mean: running mean, shape ``(D_1, ..., D_N)``; updated in place.
        t: number of batches that it was taken over, one element; updated in place.
    Args:
        base_axis: number of axes that the mean is taken over; a negative value counts from the end.
        update_running_mean: whether to bring `mean` up to date; else the gradient is `dy`.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: `mean` has another shape, or `t` more than one element.
        ArgumentError: `base_axis` is not an axis of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> mean, t = nn.NdArray.from_numpy_array([0.0]), nn.NdArray.from_numpy_array([0.0])
        >>> F.mean_subtraction(nn.NdArray.from_numpy_array([[1.0], [3.0]]), mean, t).data
        array([[-1.],
               [ 1.]], dtype=float32)
        >>> mean.data, t.data
        (array([2.], dtype=float32), array([1.], dtype=float32))

    Source: NNabla function reference, ``mean_subtraction``.
    """
    return invoke(MeanSubtraction, (base_axis, update_running_mean), (x, mean, t))


# ---- clipping ----------------------------------------------------------------------------------------------


@public
def clip_by_norm(x: Array, clip_norm: float | Array, axis: Axes = None) -> Any:
    r"""Division by the 2-norm where that is larger than a bound, :math:`y = N x / \max(\|x\|_2, N)`.

    Inputs:
        x: any shape.
    Args:
        clip_norm: the bound :math:`N`: a positive number, or a Variable or NdArray that broadcasts to the
            norm.
        axis: axis, or axes, that the norm is taken over; default: all.
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: `clip_norm` is a number that is not positive, or an axis is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.clip_by_norm(nn.NdArray.from_numpy_array([[3.0, 4.0], [0.3, 0.4]]), 1.0, axis=1).data
        array([[0.6, 0.8],
               [0.3, 0.4]], dtype=float32)

    Source: NNabla function reference, ``clip_by_norm``.
    """
    if isinstance(clip_norm, (Variable, NdArray)):
        scaled = invoke(Mul2, (), (x, clip_norm))
    elif clip_norm > 0:
        scaled = invoke(MulScalar, (clip_norm,), (x,))
    else:
        raise ArgumentError(f"clip_by_norm: clip_norm must be positive, not {clip_norm!r}")
    norm = invoke(PowScalar, (0.5,), (invoke(Sum, (listed(axis), True), (invoke(PowScalar, (2.0,), (x,)),)),))
    if isinstance(clip_norm, (Variable, NdArray)):
        return invoke(Div2, (), (scaled, invoke(Maximum2, (), (norm, clip_norm))))
    return invoke(Div2, (), (scaled, invoke(MaximumScalar, (clip_norm,), (norm,))))


@operator("ClipGradByValue", "clip_grad_by_value", 1053)
class ClipGradByValue(Operator):
    r"""The input, unchanged; its gradient is clipped to an interval, :math:`dx = \min(\max(dy, a), b)`.

    Inputs:
        x: any shape.
        min: lower bounds :math:`a` of the gradient, a shape that broadcasts to `x`.
        max: upper bounds :math:`b` of the gradient, a shape that broadcasts to `x`.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: the bounds cannot be broadcast to `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.Variable.from_numpy_array([1.0, 2.0]).apply(need_grad=True)
        >>> low, high = nn.Variable.from_numpy_array([-1.0, -1.0]), nn.Variable.from_numpy_array([1.0, 1.0])
        >>> y = F.clip_grad_by_value(x, low, high)
        >>> y.forward()
        >>> x.grad.zero()
        >>> y.backward(nn.NdArray.from_numpy_array([-5.0, 0.5]))
        >>> x.g
        array([-1. ,  0.5], dtype=float32)

    Source: NNabla function reference, ``ClipGradByValue``.
    """

    constants = ("min", "max")
    view = True

    def output_shape(self, x: Shape, min: Shape, max: Shape) -> Shape:
        for name, shape in (("min", min), ("max", max)):
            if broadcast_shape(x, shape, "clip_grad_by_value") != x:
                raise ShapeError(f"clip_grad_by_value: {name} must broadcast to x, {x}, not {shape}")
        return x

    def forward(self, x: Tensor, min: Tensor, max: Tensor) -> Tensor:
        return x

    def grad(self, dy: Tensor, min: Tensor, max: Tensor) -> tuple[Tensor, None, None]:
        return dy.clamp(min, max), None, None


@operator("ClipGradByNorm", "clip_grad_by_norm", 1054)
class ClipGradByNorm(Elementwise):
    r"""The input, unchanged; its gradient is scaled to a norm, :math:`dx = N\, dy / \|dy\|_2`.

    It is scaled up as well as down.

    Inputs:
        x: any shape.
    Args:
        clip_norm: the norm :math:`N`; default: 1.
        axes: the axes that the norm is taken over; default: all.
    Returns:
        Shape of `x`. A gradient of norm 0 stays 0.
    Raises:
        ArgumentError: an axis is out of range or given twice.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.Variable.from_numpy_array([1.0, 2.0]).apply(need_grad=True)
        >>> y = F.clip_grad_by_norm(x, 10.0)
        >>> y.forward()
        >>> x.grad.zero()
        >>> y.backward(nn.NdArray.from_numpy_array([3.0, 4.0]))
        >>> x.g
        array([6., 8.], dtype=float32)

    Source: NNabla function reference, ``ClipGradByNorm``.
    """

    clip_norm = Single(None, "The norm; default: 1.")
    axes = Ints(None, "Axes that the norm is taken over; default: all.")
    view = True

    def output_shape(self, x: Shape) -> Shape:
        self.clip_norm = 1.0 if self.clip_norm is None else self.clip_norm
        self.axes = tuple(range(len(x))) if self.axes is None else self.axes
        self._axes = normalized_all(self.axes, len(x), "clip_grad_by_norm")
        return x

    def forward(self, x: Tensor) -> Tensor:
        return x

    def grad(self, dy: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(dy, 2, self._axes, keepdim=True) if self._axes else dy.abs()
        return dy / norm.clamp_min(torch.finfo(dy.dtype).tiny) * self.clip_norm
