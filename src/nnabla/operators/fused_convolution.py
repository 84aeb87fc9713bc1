"""Convolution, batch normalization, addition and activation in one function."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Float, Floats, Int, Str, positive
from ..graph.operator import Shape, operator
from .convolution import Convolving, Maps

# For each activation function: the number of its arguments, and what it computes.
_NONLINEARITIES: dict[str, tuple[int, Any]] = {
    "identity": (0, lambda x: x),
    "relu": (0, torch.relu),
    "sigmoid": (0, torch.sigmoid),
    "tanh": (0, torch.tanh),
    "leaky_relu": (1, F.leaky_relu),
    "elu": (1, F.elu),
    "relu6": (0, F.relu6),
}
_PAD_MODES = {"constant": "constant", "reflect": "reflect", "repeat": "replicate"}


@operator("FusedConvolution", "fused_convolution")
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
    decay_rate = Float(0.9, "How much of the running statistics an update leaves.")
    eps = Float(1e-5, "Added to the variance.", check=positive)
    batch_stat = Bool(True, "Normalize by the statistics of the batch, and update the running ones.")
    nonlinearity = Str("relu", "The activation function.", choices=tuple(_NONLINEARITIES))
    nonlinearity_args = Floats([], "Arguments of the activation function.")
    pad_mode = Str("constant", "What lies outside of x.", choices=tuple(_PAD_MODES))
    constant_value = Float(0, "What constant padding pads with.")

    constants = ("mean", "variance")
    updated = ("mean", "variance")

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
        count, function = _NONLINEARITIES[self.nonlinearity]
        if len(self.nonlinearity_args) != count:
            raise ArgumentError(
                f"fused_convolution: nonlinearity_args must have {count} entries for {self.nonlinearity}, "
                f"not {list(self.nonlinearity_args)}"
            )
        self._activate = function
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
        self._bind(padded, y, ordered, kernel, self.group)
        self._unpadded = maps
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
        y = torch.convolution(self._enter(x), self._open_weight(weight), bias, *self._arguments)
        if gamma is not None:
            moving = update or not self.batch_stat
            y = torch.batch_norm(
                y,
                gamma.reshape(-1),
                beta.reshape(-1),
                mean.view(-1) if moving else None,
                variance.view(-1) if moving else None,
                self.batch_stat,
                1 - self.decay_rate,
                self.eps,
                torch.backends.cudnn.enabled,
            )
        if z is not None:
            y = y + self._y.open(z)
        return self._y.close(self._activate(y, *self.nonlinearity_args))

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
