"""Affine layers and convolutions whose weights become powers of two while they are trained."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..errors import ShapeError
from ..graph.argument import Check, Int, Ints, Sizes, Str, positive
from ..graph.operator import Shape, operator
from .binary_layers import (
    BASE_AXIS,
    DILATION,
    GROUP,
    PAD,
    STRIDE,
    affine_layer,
    convolution_layer,
    settle_window,
)
from .stochastic import SEED, Stochastic

at_least_two: Check = (lambda value: value >= 2, "at least 2")


class IncrementalWeights(Stochastic):
    """A layer whose weight becomes powers of two step by step: incremental network quantization.

    Subclasses declare `num_bits`, `inq_iterations`, `selection_algorithm` and `seed`.
    """

    constants = ("indicator_fixedweights",)
    updated = ("weight", "indicator_fixedweights")

    num_bits: Any
    inq_iterations: Any
    selection_algorithm: Any

    _step = 0
    _fixed_before: Tensor | None = None

    def restart(self) -> None:
        super().restart()
        self._step = 0
        self._fixed_before = None

    def lay_out(self, layer: Any, x: Shape, weight: Shape, indicator: Shape, bias: Shape | None) -> Shape:
        """Shape of the output.

        Raises:
            ShapeError: an input does not fit.
        """
        layer.settle(self.context)
        y: Shape = layer.output_shape(x, weight, bias)
        if indicator != weight:
            raise ShapeError(
                f"{self.declaration.name}: indicator_fixedweights must have the shape of weight, {weight}, "
                f"not {indicator}"
            )
        self._layer = layer
        return y

    def advance(self, weight: Tensor, indicator: Tensor) -> None:
        """One step: fixed weights stay, some more may join them, and all fixed ones are powers of two."""
        fixed = indicator != 0
        if self._fixed_before is not None and self._fixed_before.shape == weight.shape:
            weight.copy_(torch.where(fixed, self._fixed_before, weight))
        if self._step in self.inq_iterations:
            fixed = fixed | self._chosen(weight, fixed)
        self._step += 1
        indicator.copy_(fixed)
        weight.copy_(torch.where(fixed, self._powers(weight), weight))
        self._fixed_before = weight.clone()

    def _chosen(self, weight: Tensor, fixed: Tensor) -> Tensor:
        """Half of the weights that are not fixed yet, or all of them in the last step."""
        if self._step == self.inq_iterations[-1]:
            return torch.ones_like(fixed)
        if self.selection_algorithm == "random":
            draw = torch.rand(weight.shape, generator=self.generator(), device=weight.device)
            return draw < 0.5
        size = torch.where(fixed, -1, weight.abs()).flatten()
        count = int((~fixed).sum()) // 2
        largest = size.sort(descending=True, stable=True).indices[:count]
        chosen = torch.zeros_like(size, dtype=torch.bool)
        chosen[largest] = True
        return chosen.view(weight.shape)

    def _powers(self, weight: Tensor) -> Tensor:
        r"""Each weight rounded to 0 or to one of the powers of two that `num_bits` can tell apart.

        The largest is :math:`2^{\lfloor \log_2(4 \max|w| / 3) \rfloor}`; there are ``2 ** (num_bits - 2)`` of
        them.
        """
        size = weight.abs()
        largest = float(size.max()) if size.numel() else 0.0
        # Diverged weights stay what they are.
        if largest == 0 or not math.isfinite(largest):
            return weight
        high = math.floor(math.log2(4 * largest / 3))
        low = high + 1 - 2 ** min(self.num_bits - 2, 30)
        # frexp finds floor(log2) exactly: the exponent of a mantissa in [0.5, 1), less 1.
        _, exponent = torch.frexp(size * (4 / 3))
        power = torch.exp2((exponent - 1).clamp(low, high).to(weight.dtype))
        return torch.where(size < 2.0 ** (low - 1), 0, power * weight.sign())

    def compute(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The output, from the weight as it is."""
        return self._layer.forward(x, weight.to(x.dtype), bias)

    def gradients(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, ...]:
        """Gradients of all inputs."""
        dx, dw, db = self._layer.grad((need[0], need[1], need[3]), dy, x, weight.to(x.dtype))
        return dx, dw, None, db


@operator("INQAffine", "inq_affine", 1206)
class INQAffine(IncrementalWeights):
    r"""Affine layer whose weight becomes powers of two while it is trained.

    In the steps `inq_iterations`, counted from 0, half of the weights that are still free are fixed, and
    in the last of them all. A fixed weight :math:`w` becomes
    :math:`\mathrm{sign}(w) \, 2^{\lfloor \log_2 (4 |w| / 3) \rfloor}`, the exponent limited to those of
    `num_bits`, of which the largest is that of the largest weight; or 0, where it is less than half of the
    smallest power. It is put back in each forward, whatever a solver made of it. The gradient is that of
    `affine`.

    Inputs:
        x: shape ``(M_1, ..., M_B, D_1, ..., D_N)`` with ``B = base_axis``.
        weight: shape ``(D, L_1, ..., L_K)``, where ``D`` is the product of the ``D_i``; updated in place.
        indicator_fixedweights: 1 for fixed weights, 0 for free ones, shape of `weight`; updated in place.
        bias: shape ``(L_1, ..., L_K)``, or ``None`` for no bias.
    Args:
        base_axis: number of leading axes kept as batch; a negative value counts from the end.
        num_bits: bits for each weight, at least 2: for a sign, 0, and ``2 ** (num_bits - 2)`` powers.
        inq_iterations: the steps in which weights are fixed.
        selection_algorithm: which ones: ``"largest_abs"``, or ``"random"``, each with probability 1/2.
        seed: seed of the function's own random numbers; -1 (default) follows `nnabla.seed`.
    Returns:
        Shape ``(M_1, ..., M_B, L_1, ..., L_K)``.
    Raises:
        ShapeError: an input does not fit.
        ArgumentError: `base_axis` or `num_bits` is out of range, or another algorithm.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x, w = nn.NdArray.from_numpy_array([[1.0, 1.0]]), nn.NdArray.from_numpy_array([[0.9], [0.3]])
        >>> F.inq_affine(x, w, nn.NdArray((2, 1)), inq_iterations=(0,)).data
        array([[1.25]], dtype=float32)

    Source: A. Zhou et al., "Incremental Network Quantization", arXiv:1702.03044, section 3.
    """

    base_axis = Int(1, BASE_AXIS)
    num_bits = Int(4, "Bits for each weight.", check=at_least_two)
    inq_iterations = Ints((), "The steps in which weights are fixed.")
    selection_algorithm = Str("largest_abs", "Which weights are fixed.", choices=("largest_abs", "random"))
    seed = Int(-1, SEED)

    def output_shape(self, x: Shape, weight: Shape, indicator_fixedweights: Shape, bias: Shape | None = None) -> Shape:
        return self.lay_out(affine_layer(self), x, weight, indicator_fixedweights, bias)

    def forward(self, x: Tensor, weight: Tensor, indicator_fixedweights: Tensor, bias: Tensor | None = None) -> Tensor:
        self.advance(weight, indicator_fixedweights)
        return self.compute(x, weight, bias)

    def recompute(
        self, x: Tensor, weight: Tensor, indicator_fixedweights: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        return self.compute(x, weight, bias)

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, ...]:
        return self.gradients(need, dy, x, weight)


@operator("INQConvolution", "inq_convolution", 1207)
class INQConvolution(IncrementalWeights):
    r"""Convolution whose weight becomes powers of two while it is trained.

    A fixed weight :math:`w` becomes :math:`\mathrm{sign}(w) \, 2^{\lfloor \log_2 (4 |w| / 3) \rfloor}`,
    the exponent limited to those of `num_bits`, of which the largest is that of the largest weight; or 0,
    where it is less than half of the smallest power. The rest is as in `inq_affine`.

    Inputs:
        x: shape ``(M_1, ..., M_B, C, L_1, ..., L_N)`` with ``B = base_axis``.
        weight: shape ``(C', C / group, K_1, ..., K_N)``; updated in place.
        indicator_fixedweights: 1 for fixed weights, 0 for free ones, shape of `weight`; updated in place.
        bias: shape ``(C',)``, or ``None`` for no bias.
    Args:
        base_axis: number of leading axes kept as batch; a negative value counts from the end.
        pad: zeros on both sides of each spatial axis; default 0.
        stride: step between windows, for each spatial axis; default 1.
        dilation: step between the elements of a window, for each spatial axis; default 1.
        group: number of groups that channels are divided into.
        num_bits: bits for each weight, at least 2: for a sign, 0, and ``2 ** (num_bits - 2)`` powers.
        inq_iterations: the steps in which weights are fixed.
        selection_algorithm: which ones: ``"largest_abs"``, or ``"random"``, each with probability 1/2.
        seed: seed of the function's own random numbers; -1 (default) follows `nnabla.seed`.
    Returns:
        Shape as of `convolution`.
    Raises:
        ShapeError, ArgumentError: as in `convolution`; `num_bits` is out of range, or another algorithm.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x, w = nn.Variable((2, 3, 8, 8)), nn.Variable((16, 3, 3, 3))
        >>> F.inq_convolution(x, w, nn.Variable(w.shape), inq_iterations=(100, 200)).shape
        (2, 16, 6, 6)

    Source: A. Zhou et al., "Incremental Network Quantization", arXiv:1702.03044, section 3.
    """

    base_axis = Int(1, BASE_AXIS)
    pad = Sizes(None, PAD)
    stride = Sizes(None, STRIDE)
    dilation = Sizes(None, DILATION)
    group = Int(1, GROUP, check=positive)
    num_bits = Int(4, "Bits for each weight.", check=at_least_two)
    inq_iterations = Ints((), "The steps in which weights are fixed.")
    selection_algorithm = Str("largest_abs", "Which weights are fixed.", choices=("largest_abs", "random"))
    seed = Int(-1, SEED)

    def output_shape(self, x: Shape, weight: Shape, indicator_fixedweights: Shape, bias: Shape | None = None) -> Shape:
        layer = convolution_layer(self)
        y = self.lay_out(layer, x, weight, indicator_fixedweights, bias)
        settle_window(self, layer)
        return y

    def forward(self, x: Tensor, weight: Tensor, indicator_fixedweights: Tensor, bias: Tensor | None = None) -> Tensor:
        self.advance(weight, indicator_fixedweights)
        return self.compute(x, weight, bias)

    def recompute(
        self, x: Tensor, weight: Tensor, indicator_fixedweights: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        return self.compute(x, weight, bias)

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, ...]:
        return self.gradients(need, dy, x, weight)
