"""Convolution, batch normalization, addition and activation in one function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Floats, Int, Single, Str, positive
from ..graph.operator import Shape, operator
from .channel_statistics import Running, gradient_like, normalized_by, normalized_by_batch, row
from .convolution import Convolving, Maps
from .kernels import aten


class _Activation(NamedTuple):
    """An activation function of the last step, which may work in place."""

    arguments: int
    forward: Callable[..., Tensor]
    # From the gradient of the result, and the result.
    grad: Callable[..., Tensor]


_NONLINEARITIES = {
    "identity": _Activation(0, lambda x: x, lambda dy, y: dy),
    "relu": _Activation(0, torch.relu_, lambda dy, y: aten.threshold_backward(dy, y, 0)),
    "sigmoid": _Activation(0, torch.sigmoid_, aten.sigmoid_backward),
    "tanh": _Activation(0, torch.tanh_, aten.tanh_backward),
    "leaky_relu": _Activation(1, F.leaky_relu, lambda dy, y, slope: aten.leaky_relu_backward(dy, y, slope, True)),
    "elu": _Activation(1, F.elu, lambda dy, y, alpha: aten.elu_backward(dy, alpha, 1, 1, True, y)),
    "relu6": _Activation(0, F.relu6, lambda dy, y: aten.hardtanh_backward(dy, y, 0, 6)),
}
_PAD_MODES = {"constant": "constant", "reflect": "reflect", "repeat": "replicate"}


@operator("FusedConvolution", "fused_convolution", 1006)
class FusedConvolution(Convolving):
    r"""Padding, convolution, batch normalization, addition and activation, one after the other.

    :math:`y = f(\mathrm{BN}(\mathrm{conv}(x)) + z)`; normalization is left out if its four inputs are, and so
    is `z`.

    Inputs:
        x: shape ``(M_1, ..., M_B, C, L_1, ..., L_N)``, as of `convolution`.
        weight: shape ``(C', C / group, K_1, ..., K_N)``, as of `convolution`.
        bias: shape ``(C',)``, or ``None`` for no bias.
        beta: shifts of the normalization, ``C'`` elements, or ``None``.
        gamma: scales of the normalization, ``C'`` elements, or ``None``.
        mean: running mean, ``C'`` elements, or ``None``; updated with `batch_stat`. No gradient.
        variance: running variance, ``C'`` elements, or ``None``; updated with `batch_stat`. No gradient.
        z: shape of the result, or ``None``.
    Args:
        base_axis: as of `convolution`.
        pad: elements added to each spatial axis: one number for both sides, or two; default 0.
        stride: as of `convolution`.
        dilation: as of `convolution`.
        group: as of `convolution`.
        channel_last: as of `convolution`.
        decay_rate: how much of the running statistics an update leaves, in [0, 1].
        eps: added to the variance.
        batch_stat: normalize by the statistics of the batch, and update the running ones; else use those.
        nonlinearity: ``"identity"``, ``"relu"``, ``"sigmoid"``, ``"tanh"``, ``"leaky_relu"``, ``"elu"`` or
            ``"relu6"``.
        nonlinearity_args: slope below 0 of ``"leaky_relu"``, or the scale of ``"elu"``; empty for the others.
        pad_mode: ``"constant"``, ``"reflect"`` (mirrored at the edge elements) or ``"repeat"`` (of these).
        constant_value: what ``"constant"`` pads with.
    Returns:
        Shape as of `convolution`.
    Raises:
        ShapeError: an input has a shape that does not fit to the others.
        ArgumentError: an argument is out of range, or normalization has some of its inputs only.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x, w, b = nn.Variable((2, 3, 8, 8)), nn.Variable((16, 3, 3, 3)), nn.Variable((16,))
        >>> F.fused_convolution(x, w, b, pad=(1, 1), nonlinearity="relu").shape
        (2, 16, 8, 8)

    Source: NNabla function reference, ``FusedConvolution``.
    """

    group = Int(1, "Number of groups that channels are divided into.", check=positive)
    channel_last = Bool(False, "Channels are the last axis of x, weight and the result.")
    decay_rate = Single(0.9, "How much of the running statistics an update leaves.")
    eps = Single(1e-5, "Added to the variance.", check=positive)
    batch_stat = Bool(True, "Normalize by the statistics of the batch, and update the running ones.")
    nonlinearity = Str("relu", "The activation function.", choices=tuple(_NONLINEARITIES))
    nonlinearity_args = Floats([], "Arguments of the activation function.")
    pad_mode = Str("constant", "What lies outside of x.", choices=tuple(_PAD_MODES))
    constant_value = Single(0, "What constant padding pads with.")

    constants = ("mean", "variance")
    updated = ("mean", "variance")
    keeps = True

    def output_shape(
        self,
        x: Shape,
        weight: Shape,
        bias: Shape | None = None,
        beta: Shape | None = None,
        gamma: Shape | None = None,
        mean: Shape | None = None,
        variance: Shape | None = None,
        z: Shape | None = None,
    ) -> Shape:
        self._activation = _NONLINEARITIES[self.nonlinearity]
        if len(self.nonlinearity_args) != self._activation.arguments:
            raise ArgumentError(
                f"fused_convolution: nonlinearity_args must have {self._activation.arguments} entries for "
                f"{self.nonlinearity}, not {list(self.nonlinearity_args)}"
            )
        self.constant_value = float(self.constant_value)
        given = self.pad
        maps = self._split_padded(x)
        ordered = self._weight_in_order(weight, maps)
        outmaps, kernel = ordered[0], ordered[2:]
        if maps.channels % self.group or outmaps % self.group:
            raise ArgumentError(
                f"fused_convolution: group must divide the channels of x, {maps.channels}, and the output "
                f"maps, {outmaps}, not be {self.group}"
            )
        if ordered[1] * self.group != maps.channels:
            raise ShapeError(
                f"fused_convolution: weight must have {maps.channels // self.group} input maps, "
                "the channels of x in a group"
            )
        self._check_bias(bias, outmaps)
        parameters = {"beta": beta, "gamma": gamma, "mean": mean, "variance": variance}
        missing = [name for name, shape in parameters.items() if shape is None]
        if missing and len(missing) < 4:
            raise ArgumentError(f"fused_convolution: {missing[0]} must be given if other inputs of normalization are")
        for name, shape in parameters.items():
            if shape is not None and math.prod(shape) != outmaps:
                raise ShapeError(f"fused_convolution: {name} must have {outmaps} elements, one for each output map")
        padded = maps._replace(spatial=tuple([d + a + b for d, (a, b) in zip(maps.spatial, self._sides, strict=True)]))
        y = Maps(maps.batch, outmaps, self._window(padded, kernel), self.channel_last)
        if z is not None and z != y.shape:
            raise ShapeError(f"fused_convolution: z must have shape {y.shape}, that of the convolution")
        self._bind(padded, y, ordered, self.group)
        self._unpadded = maps
        self._beta = beta
        self.grad_aliases = self.nonlinearity == "identity"
        if (
            any(a or b for a, b in self._sides)
            or min(self.nonlinearity_args, default=0) < 0
            or self.compute_dtype not in (torch.float32, torch.float64)
        ):
            # Padding has a gradient of its own, the result of a falling activation does not tell its input, and
            # beside half precision arrays there are parameters in two types: autograd knows.
            self.derive_grad()
        # The arguments show the caller's pad; the convolution was bound with its own.
        self.pad = (0,) * len(kernel) if given is None else given
        return y.shape

    def _split_padded(self, x: Shape) -> Maps:
        """Take `x` apart, and the pads from the convolution, which is left with zeros around x at most."""
        pad = self.pad
        self.pad = None
        maps = self._split(x, self.channel_last)
        n = len(maps.spatial)
        if pad is None:
            pad = (0,) * n
        if len(pad) not in (n, 2 * n):
            raise ArgumentError(f"fused_convolution: pad must have {n} or {2 * n} entries, not {pad}")
        if min(pad) < 0 and self.pad_mode != "constant":
            raise ArgumentError(f"fused_convolution: pad must be at least 0 to {self.pad_mode} x, not {pad}")
        self._sides = [(p, p) for p in pad] if len(pad) == n else list(zip(pad[::2], pad[1::2], strict=True))
        if self.pad_mode == "reflect" and any(
            max(sides) >= d for sides, d in zip(self._sides, maps.spatial, strict=True)
        ):
            raise ArgumentError(f"fused_convolution: pad must be less than {maps.spatial} to reflect x, not {pad}")
        if self.pad_mode == "constant" and self.constant_value == 0 and all(a == b >= 0 for a, b in self._sides):
            # What the convolution can do by itself.
            self.pad, self._sides = tuple([a for a, _ in self._sides]), [(0, 0)] * n
        return maps

    def _compute(self, tensors: tuple[Any, ...], update: bool) -> Tensor:
        x, weight, bias, beta, gamma, mean, variance, z = tensors
        x = self._unpadded.open(x)
        if any(a or b for a, b in self._sides):
            sides = [p for pair in reversed(self._sides) for p in pair]
            value = self.constant_value if self.pad_mode == "constant" else None
            x = F.pad(x, sides, _PAD_MODES[self.pad_mode], value)
        y = self._kernels.forward(x, self._open_weight(weight), bias)
        if gamma is not None:
            # What the gradient needs: the convolution, and mean and 1 / standard deviation of the batch.
            before = y
            statistics: list[Any] = [None, None]
            weight, bias, mean, variance = row(gamma), row(beta), mean.view(-1), variance.view(-1)
            if self.batch_stat:
                moved: Running = (mean, variance) if update else (None, None)
                y, *statistics = normalized_by_batch(before, weight, bias, moved, 1 - self.decay_rate, self.eps)
            else:
                y = normalized_by(before, weight, bias, row(mean), row(variance), self.eps)
            self.kept = (before, *statistics)
        if z is not None:
            y = y.add_(self._y.open(z))
        return self._y.close(self._activation.forward(y, *self.nonlinearity_args))

    def forward(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        beta: Tensor | None = None,
        gamma: Tensor | None = None,
        mean: Tensor | None = None,
        variance: Tensor | None = None,
        z: Tensor | None = None,
    ) -> Tensor:
        return self._compute((x, weight, bias, beta, gamma, mean, variance, z), update=True)

    def recompute(self, *inputs: Any) -> Tensor:
        return self._compute(inputs, update=False)

    def grad(
        self,
        need: tuple[bool, ...],
        dy: Tensor,
        x: Tensor,
        weight: Tensor,
        gamma: Tensor | None,
        mean: Tensor | None,
        variance: Tensor | None,
        y: Tensor,
    ) -> tuple[Any, ...]:
        need_x, need_weight, need_bias, need_beta, need_gamma, _, _, need_z = need
        result = self._y.open(y)
        dy = self._y.open(dy)
        if dy.stride() != result.stride():
            # Kernels are slow where memory formats meet.
            dy = torch.empty_like(result).copy_(dy)
        dy = dz = self._activation.grad(dy, result, *self.nonlinearity_args)
        dbeta = dgamma = None
        if gamma is not None and mean is not None and variance is not None:
            before, *statistics = self.kept
            running: Any = (None, None) if self.batch_stat else (row(mean), row(variance))
            dy, dgamma, dbeta = aten.native_batch_norm_backward(
                gradient_like(dy, before),
                before,
                row(gamma),
                *running,
                *statistics,
                self.batch_stat,
                self.eps,
                [need_x or need_weight or need_bias, need_gamma, need_beta],
            )
            dbeta = dbeta.view(self._beta) if need_beta else None
            dgamma = dgamma.view(gamma.shape) if need_gamma else None
        dx = dw = db = None
        if need_x or need_weight or need_bias:
            dx, dw, db = self._gradients((need_x, need_weight, need_bias), self._y.close(dy), x, weight)
        closed_dz = self._y.close(dz) if need_z else None
        return dx, dw, db, dbeta, dgamma, None, None, closed_dz
