"""Quantization of values: to signs, multiples, powers of two, values of a range, and to zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ArgumentError, GraphError, ShapeError
from ..graph.argument import Bool, Check, Int, Single, positive
from ..graph.call import apply, invoke, public
from ..graph.operator import Operator, Shape, operator
from .constants import Array
from .kernels import aten
from .math import below_half, rounded
from .shapes import Elementwise, broadcast_shape, refuse_empty

hardtanh_backward = aten.hardtanh_backward

ratio: Check = (lambda value: 0 <= value <= 1, "in [0, 1]")


def passed(dy: Tensor, x: Tensor, low: Any, high: Any) -> Tensor:
    """`dy` where `x` lies in an interval, its ends included; elsewhere 0."""
    if isinstance(low, float) and x.dtype is torch.float32:
        # One pass over memory. ATen leaves the ends out.
        ends = np.nextafter(np.array([low, high], np.float32), np.array([-np.inf, np.inf], np.float32)).tolist()
        return hardtanh_backward(dy, x, *ends)
    return dy * ((x >= low) & (x <= high))


# ---- signs -------------------------------------------------------------------------------------------------


@operator("BinarySigmoid", "binary_sigmoid", 1200)
class BinarySigmoid(Elementwise):
    r"""Step, :math:`y = 1` where :math:`x > 0`, else 0.

    The gradient is :math:`dy / 2` where :math:`|x| < 1`, else 0.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.binary_sigmoid(nn.NdArray.from_numpy_array([-0.5, 0.0, 0.5])).data
        array([0., 0., 1.], dtype=float32)

    Source: M. Courbariaux et al., "Binarized Neural Networks", arXiv:1602.02830.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.gt(x, 0, out=torch.empty_like(x))

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return hardtanh_backward(dy, x, -1, 1) * 0.5


@operator("BinaryTanh", "binary_tanh", 1201)
class BinaryTanh(Elementwise):
    r"""Sign, :math:`y = 1` where :math:`x > 0`, else -1.

    The gradient is `dy` where :math:`|x| < 1`, else 0.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.binary_tanh(nn.NdArray.from_numpy_array([-0.5, 0.0, 0.5])).data
        array([-1., -1.,  1.], dtype=float32)

    Source: M. Courbariaux et al., "Binarized Neural Networks", arXiv:1602.02830.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.gt(x, 0, out=torch.empty_like(x)).mul_(2).sub_(1)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return hardtanh_backward(dy, x, -1, 1)


# ---- fixed sets of values ----------------------------------------------------------------------------------


@operator("FixedPointQuantize", "fixed_point_quantize", 1208)
class FixedPointQuantize(Elementwise):
    r"""The nearest multiple of `delta` that fits in `n` bits; halves go away from zero.

    :math:`y = \delta \, \mathrm{clip}(\mathrm{round}(x / \delta), a, b)` with the least multiple
    :math:`a` and the greatest, :math:`b`.

    Inputs:
        x: any shape.
    Args:
        sign: whether one of the bits is a sign. The multiples are :math:`-(2^{n-1} - 1)` to :math:`2^{n-1} - 1`,
            or 0 to :math:`2^n - 1` without.
        n: number of bits, at least 1, with a sign at least 2.
        delta: distance of two values, positive.
        ste_fine_grained: whether the gradient is 0 where `x` lies beyond the values; else it is `dy`
            everywhere.
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: `n` or `delta` is too small.

    Source: NNabla function reference, ``FixedPointQuantize``.
    """

    sign = Bool(True, "Whether one of the bits is a sign.")
    n = Int(8, "Number of bits.", check=positive)
    delta = Single(0.0625, "Distance of two values.", check=positive)
    ste_fine_grained = Bool(True, "Whether the gradient is 0 where x lies beyond the values.")
    grad_aliases = True

    def output_shape(self, x: Shape) -> Shape:
        bits = self.n - self.sign
        if bits < 1:
            raise ArgumentError(f"fixed_point_quantize: n must be at least 2 with a sign, not {self.n}")
        # Single precision has no larger multiples.
        self._high = (2 ** min(bits, 64) - 1) * self.delta
        self._low = -self._high if self.sign else 0.0
        self._half = below_half(self.compute_dtype)
        return x

    def forward(self, x: Tensor) -> Tensor:
        return rounded(x / self.delta, self._half).mul_(self.delta).clamp_(self._low, self._high)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return passed(dy, x, self._low, self._high) if self.ste_fine_grained else dy


@public
def fixed_point_quantize(
    x: Array,
    sign: bool = True,
    n: int = 8,
    delta: float = 0.0625,
    quantize: bool = True,
    ste_fine_grained: bool = True,
    outputs: Any = None,
) -> Any:
    r"""The nearest multiple of `delta` that fits in `n` bits; halves go away from zero.

    :math:`y = \delta \, \mathrm{clip}(\mathrm{round}(x / \delta), a, b)` with the least multiple
    :math:`a` and the greatest, :math:`b`.

    Inputs:
        x: any shape.
    Args:
        sign: whether one of the bits is a sign. The multiples are :math:`-(2^{n-1} - 1)` to :math:`2^{n-1} - 1`,
            or 0 to :math:`2^n - 1` without.
        n: number of bits, at least 1, with a sign at least 2.
        delta: distance of two values, positive.
        quantize: whether to quantize; else `x` is returned.
        ste_fine_grained: whether the gradient is 0 where `x` lies beyond the values; else it is `dy`
            everywhere.
        outputs: arrays for the result.
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: `n` or `delta` is too small.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.fixed_point_quantize(nn.NdArray.from_numpy_array([0.3, -0.8, 9.0]), n=4, delta=0.25).data
        array([ 0.25, -0.75,  1.75], dtype=float32)

    Source: NNabla function reference, ``fixed_point_quantize``.
    """
    if not quantize:
        return x
    return invoke(FixedPointQuantize, (sign, n, delta, ste_fine_grained), (x,), outputs=outputs)


@operator("Pow2Quantize", "pow2_quantize", 1210)
class Pow2Quantize(Elementwise):
    r"""The nearest power of two, on a logarithmic scale, that fits in `n` bits:
    :math:`y = \mathrm{sign}(x) \, 2^{\mathrm{round}(\log_2 |x|)}`, with the exponent clipped.

    Inputs:
        x: any shape.
    Args:
        sign: whether one of the bits is a sign; else negative values become the smallest value.
        with_zero: whether one of the bits is for 0, which becomes of all values below the smallest power,
            divided by the square root of 2.
        n: number of bits; one at least must be left for powers. With :math:`k` of them, these are
            :math:`2^{m - 2^k + 1}` to :math:`2^m`.
        m: exponent of the largest power, at most 127.
        ste_fine_grained: whether the gradient is 0 where `x` is rounded to more than the largest power, or
            has a sign that there is no bit for; else it is `dy` everywhere.
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: `n` is too small, or `m` too large.

    Source: NNabla function reference, ``Pow2Quantize``.
    """

    sign = Bool(True, "Whether one of the bits is a sign.")
    with_zero = Bool(True, "Whether one of the bits is for 0.")
    n = Int(8, "Number of bits.", check=positive)
    m = Int(1, "Exponent of the largest power.", check=(lambda value: value <= 127, "at most 127"))
    ste_fine_grained = Bool(True, "Whether the gradient is 0 where x lies beyond the values.")
    grad_aliases = True

    def output_shape(self, x: Shape) -> Shape:
        bits = self.n - self.sign - self.with_zero
        if bits < 1:
            least = self.n + 1 - bits
            raise ArgumentError(
                f"pow2_quantize: n must be at least {least} with sign={self.sign} and with_zero={self.with_zero}, "
                f"not {self.n}"
            )
        self._high = 2.0**self.m
        # Below 2^-1022 there are no more powers in float64.
        self._low = 2.0 ** max(self.m - 2 ** min(bits, 32) + 1, -1022)
        return x

    def forward(self, x: Tensor) -> Tensor:
        # The power that is nearest on a logarithmic scale. Of whole exponents, powers are exact.
        y = x.abs().log2_().round_().exp2_()
        if self.with_zero:
            # Whatever is less than the smallest power is at most half of it.
            y = torch.threshold(y.clamp_max_(self._high), self._low * 0.75, 0)
        else:
            y = y.clamp_(self._low, self._high)
        if self.sign:
            # The sign of -0.0 is that of 0.0 here.
            return y.copysign_(x + 0.0)
        return y.masked_fill_(x < 0, 0 if self.with_zero else self._low)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        if not self.ste_fine_grained:
            return dy
        # The square root of 2 is no floating point number: nothing lies at the ends.
        end = self._high * 2**0.5
        return passed(dy, x, -end if self.sign else 0.0, end)


@public
def pow2_quantize(
    x: Array,
    sign: bool = True,
    with_zero: bool = True,
    n: int = 8,
    m: int = 1,
    quantize: bool = True,
    ste_fine_grained: bool = True,
    outputs: Any = None,
) -> Any:
    r"""The nearest power of two, on a logarithmic scale, that fits in `n` bits:
    :math:`y = \mathrm{sign}(x) \, 2^{\mathrm{round}(\log_2 |x|)}`, with the exponent clipped.

    Inputs:
        x: any shape.
    Args:
        sign: whether one of the bits is a sign; else negative values become the smallest value.
        with_zero: whether one of the bits is for 0, which becomes of all values below the smallest power,
            divided by the square root of 2.
        n: number of bits; one at least must be left for powers. With :math:`k` of them, these are
            :math:`2^{m - 2^k + 1}` to :math:`2^m`.
        m: exponent of the largest power, at most 127.
        quantize: whether to quantize; else `x` is returned.
        ste_fine_grained: whether the gradient is 0 where `x` is rounded to more than the largest power, or
            has a sign that there is no bit for; else it is `dy` everywhere.
        outputs: arrays for the result.
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: `n` is too small, or `m` too large.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.pow2_quantize(nn.NdArray.from_numpy_array([0.3, -0.8, 9.0]), n=4).data
        array([ 0.25, -1.  ,  2.  ], dtype=float32)

    Source: NNabla function reference, ``pow2_quantize``.
    """
    if not quantize:
        return x
    return invoke(Pow2Quantize, (sign, with_zero, n, m, ste_fine_grained), (x,), outputs=outputs)


# ---- ranges ------------------------------------------------------------------------------------------------


@operator("MinMaxQuantize", "min_max_quantize", 1209)
class MinMaxQuantize(Operator):
    r"""The nearest of evenly spaced values between a minimum and a maximum, one of which is 0.

    .. math:: y = s \, \mathrm{round}((\mathrm{clip}(x, m', M') - m') / s) + m'

    The range is moved a little, so that 0 is one of the values: with :math:`s = (M - m) / (M_q - m_q)`
    and the zero point :math:`z = \mathrm{round}(m_q - m / s)`, clipped to :math:`[m_q, M_q]`, it becomes
    :math:`m' = (m_q - z) s` to :math:`M' = (M_q - z) s`.

    Inputs:
        x: any shape.
        qr_min: minimum :math:`m`, a shape that broadcasts to `x`; updated in place, see below.
        qr_max: maximum :math:`M`, shape of `qr_min`; updated in place: made at least `eps` larger than
            `qr_min`.
        ql_min: smallest level :math:`m_q`, such as 0; a shape that broadcasts to `x`.
        ql_max: largest level :math:`M_q`, such as 255; shape of `ql_min`.
    Args:
        decay: how much of the running minimum and maximum stays in each step, a ratio.
        x_min_max: whether forward takes minimum and maximum from `x`: for each element of `qr_min`, over the
            axes along which it is broadcast.
        ema: with `x_min_max`, whether `qr_min` and `qr_max` move there with `decay`; else they are set.
            Without `x_min_max`, whether they are constants; else they have gradients: the sum of `dy` where
            `x` lies below, or above, the range.
        ste_fine_grained: whether the gradient is 0 where `x` lies outside of the range; else it is `dy`
            everywhere.
        eps: least difference of maximum and minimum.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: an input does not broadcast to `x`, or `qr_min` and `qr_max` differ.
        GraphError: a gradient of `ql_min` or `ql_max` is asked for (in backward).

    Source: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", arXiv:1712.05877, section 3.
    """

    decay = Single(0.999, "How much of the running minimum and maximum stays in each step.")
    x_min_max = Bool(False, "Whether to take minimum and maximum from x.")
    ema = Bool(False, "Whether they are running averages.")
    ste_fine_grained = Bool(True, "Whether the gradient is 0 where x lies outside of the range.")
    eps = Single(0.01, "Least difference of maximum and minimum.")
    updated = ("qr_min", "qr_max")
    keeps = True
    grad_aliases = True
    held = ("qr_min", "qr_max", "ql_min", "ql_max")

    def output_shape(self, x: Shape, qr_min: Shape, qr_max: Shape, ql_min: Shape, ql_max: Shape) -> Shape:
        refuse_empty(x, "min_max_quantize")
        name = "min_max_quantize"
        if qr_max != qr_min:
            raise ShapeError(f"{name}: qr_max must have the shape of qr_min, {qr_min}, not {qr_max}")
        for argument, shape in (("qr_min", qr_min), ("ql_min", ql_min), ("ql_max", ql_max)):
            if broadcast_shape(x, shape, name) != x:
                raise ShapeError(f"{name}: {argument} must broadcast to x, {x}, not {shape}")
        self._range = qr_min
        self._half = below_half(self.compute_dtype)
        aligned = (1,) * (len(x) - len(qr_min)) + qr_min
        self._reduced = tuple([a for a, d in enumerate(aligned) if d == 1])
        return x

    def forward(self, x: Tensor, qr_min: Tensor, qr_max: Tensor, ql_min: Tensor, ql_max: Tensor) -> Tensor:
        if self.x_min_max:
            share = 1 - self.decay if self.ema else 1.0
            for bound, found in (
                (qr_min, x.amin(self._reduced) if self._reduced else x),
                (qr_max, x.amax(self._reduced) if self._reduced else x),
            ):
                bound.lerp_(found.reshape(self._range).to(bound.dtype), share)
        qr_max.copy_(torch.where(qr_max - qr_min < self.eps, qr_min + self.eps, qr_max))
        return self.recompute(x, qr_min, qr_max, ql_min, ql_max)

    def recompute(self, x: Tensor, qr_min: Tensor, qr_max: Tensor, ql_min: Tensor, ql_max: Tensor) -> Tensor:
        low, high = qr_min.to(x.dtype), qr_max.to(x.dtype)
        scale = (high - low) / (ql_max - ql_min)
        zero = torch.minimum(torch.maximum(rounded(ql_min - low / scale, self._half), ql_min), ql_max)
        low, high = (ql_min - zero) * scale, (ql_max - zero) * scale
        bounds: tuple[Any, Any, Any] = low, high, scale
        if x.is_cpu and low.numel() == scale.numel() == 1:
            # Kernels for a number are faster than those for an array of one element.
            bounds = low.item(), high.item(), scale.item()
        low, high, scale = bounds
        self.kept = low, high
        return rounded(x.clamp(low, high).sub_(low).div_(scale), self._half).mul_(scale).add_(low)

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: Tensor) -> tuple[Any, ...]:
        if need[3] or need[4]:
            raise GraphError("min_max_quantize: ql_min and ql_max have no gradient; set their need_grad to False")
        low, high = self.kept
        dx = dmin = dmax = None
        if need[0]:
            dx = passed(dy, x, low, high) if self.ste_fine_grained else dy
        learned = not (self.x_min_max or self.ema)
        if need[1]:
            dmin = self._summed(dy * (x < low)) if learned else dy.new_zeros(self._range)
        if need[2]:
            dmax = self._summed(dy * (x > high)) if learned else dy.new_zeros(self._range)
        return dx, dmin, dmax, None, None

    def _summed(self, dx: Tensor) -> Tensor:
        return (dx.sum(self._reduced) if self._reduced else dx).reshape(self._range)


@public
def min_max_quantize(
    x: Array,
    qr_min: Array,
    qr_max: Array,
    ql_min: Array,
    ql_max: Array,
    decay: float = 0.999,
    x_min_max: bool = False,
    ema: bool = False,
    ste_fine_grained: bool = True,
    eps: float = 0.01,
    quantize: bool = True,
    outputs: Any = None,
) -> Any:
    r"""The nearest of evenly spaced values between a minimum and a maximum, one of which is 0.

    .. math:: y = s \, \mathrm{round}((\mathrm{clip}(x, m', M') - m') / s) + m'

    The range is moved a little, so that 0 is one of the values: with :math:`s = (M - m) / (M_q - m_q)`
    and the zero point :math:`z = \mathrm{round}(m_q - m / s)`, clipped to :math:`[m_q, M_q]`, it becomes
    :math:`m' = (m_q - z) s` to :math:`M' = (M_q - z) s`.

    Inputs:
        x: any shape.
        qr_min: minimum :math:`m`, a shape that broadcasts to `x`; updated in place, see below.
        qr_max: maximum :math:`M`, shape of `qr_min`; updated in place: made at least `eps` larger than
            `qr_min`.
        ql_min: smallest level :math:`m_q`, such as 0; a shape that broadcasts to `x`.
        ql_max: largest level :math:`M_q`, such as 255; shape of `ql_min`.
    Args:
        decay: how much of the running minimum and maximum stays in each step, a ratio.
        x_min_max: whether forward takes minimum and maximum from `x`: for each element of `qr_min`, over the
            axes along which it is broadcast.
        ema: with `x_min_max`, whether `qr_min` and `qr_max` move there with `decay`; else they are set.
            Without `x_min_max`, whether they are constants; else they have gradients: the sum of `dy` where
            `x` lies below, or above, the range.
        ste_fine_grained: whether the gradient is 0 where `x` lies outside of the range; else it is `dy`
            everywhere.
        eps: least difference of maximum and minimum.
        quantize: whether to quantize; else `x` is returned.
        outputs: arrays for the result.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: an input does not broadcast to `x`, or `qr_min` and `qr_max` differ.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> values = [-2.0, 0.1, 0.4, 0.6, 3.0], [-1.0], [2.0], [0.0], [3.0]
        >>> F.min_max_quantize(*[nn.NdArray.from_numpy_array(v) for v in values]).data
        array([-1.,  0.,  0.,  1.,  2.], dtype=float32)

    Source: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", arXiv:1712.05877, section 3.
    """
    if not quantize:
        return x
    function = MinMaxQuantize(decay, x_min_max, ema, ste_fine_grained, eps)
    return apply(function, (x, qr_min, qr_max, ql_min, ql_max), outputs=outputs)


@operator("Prune", "prune", 1211)
class Prune(Elementwise):
    r"""0 for the smallest values by size, the others unchanged.

    :math:`y = x` where :math:`|x| \ge t`, else 0. The threshold :math:`t` is the size of rank
    ``k = int((x.size - 1) * rate)``, counted from 0 in rising order; for ``rate=1`` all values become 0. The
    gradient is `dy` everywhere.

    Inputs:
        x: any shape.
    Args:
        rate: share of the values to become 0, in [0, 1].
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: `rate` is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.prune(nn.NdArray.from_numpy_array([3.0, -1.0, 0.5, -2.0]), rate=0.7).data
        array([ 3.,  0.,  0., -2.], dtype=float32)

    Source: NNabla function reference, ``Prune``.
    """

    rate = Single(0.9, "Share of the values to become 0.", check=ratio)
    grad_aliases = True

    def forward(self, x: Tensor) -> Tensor:
        if self.rate >= 1 or not x.numel():
            return torch.zeros_like(x)
        size = x.abs()
        # Single precision, so that the same elements are pruned as in NNabla 1.x.
        place = int(np.float32(x.numel() - 1) * np.float32(self.rate))
        threshold = size.reshape(-1).kthvalue(place + 1).values
        return x.masked_fill(size < threshold, 0)

    def grad(self, dy: Tensor) -> Tensor:
        return dy
