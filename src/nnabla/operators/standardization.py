"""The computation that layer, group, instance, tensor normalization and weight standardization share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.operator import Operator, Shape
from ..graph.tracing import is_traced
from .batch_normalization import check_presence
from .kernels import aten
from .layout import into_contiguous, usual_strides
from .losses import differentiated


class Standardization(Operator):
    r"""Parts of an array get mean 0 and variance 1, :math:`y = (x - \mu) / \sqrt{\sigma^2 + \epsilon}`.

    Then come a scale `gamma` and a shift `beta`, if there are any. In general the array is seen as a matrix
    with a row for each part. Two cases have kernels of their own in ATen: scale and shift that run along a
    row, and channels on axis 1 that form groups, with a scale and shift for each channel.

    Subclasses declare the argument `eps` and call `lay_out` from `output_shape`.
    """

    keeps = True

    # 1, or 3 where mean and variance are returned, too. Their gradients are derived from `forward`.
    n_outputs = 1

    eps: Any

    def lay_out(
        self,
        x: Shape,
        reduced: Sequence[int],
        parameter: Shape = (),
        split: Shape | None = None,
        along_rows: bool = False,
        groups: int = 0,
    ) -> list[Shape] | Shape:
        """Work out how to bring the parts into rows.

        Args:
            x: shape of the input.
            reduced: the axes of `split` that statistics are taken over.
            parameter: shape of scale and shift, ready to be broadcast to `split`.
            split: shape to see the input in; ``None`` for its own.
            along_rows: whether scale and shift run along a row.
            groups: number of groups, if the channels are on axis 1, the parts are groups of them, and scale
                and shift have one entry for each channel; else 0.

        Returns:
            Shapes of the outputs.
        """
        if self.n_outputs not in (1, 3):
            raise ArgumentError(f"{self.declaration.name}: n_outputs must be 1 or 3, not {self.n_outputs}")
        split = x if split is None else split
        kept = [a for a in range(len(split)) if a not in reduced]
        order = (*kept, *sorted(reduced))
        self._shape, self._split, self._parameter = x, split, parameter
        self._order = None if order == tuple(range(len(split))) else order
        self._inverse = tuple(sorted(range(len(split)), key=order.__getitem__))
        self._turned = tuple([split[a] for a in order])
        self._rows = (math.prod([split[a] for a in kept]), math.prod([split[a] for a in reduced]))
        self._along_rows = along_rows
        # ATen's kernel takes statistics over the last axes of any array: then there is nothing to bring into rows.
        self._last = (x[len(kept) :] or None) if along_rows and self._order is None and split == x else None
        self._groups = (x[0], x[1], math.prod(x[2:]), groups) if groups else None
        # The kernel for groups takes its format from the strides, those of axes of length 1 among them, and refuses an
        # array whose memory is not in that order. It knows two formats of images.
        self._contiguous = into_contiguous(x)
        self._in_a_format = (usual_strides(x) or _as_image) if len(x) == 4 else self._contiguous
        self._full = self.compute_dtype in (torch.float32, torch.float64)
        # Shift and scale, and lines of numbers on their memory.
        self._known: tuple[Any, Any, Any] = (None, None, (None, None))
        if self.n_outputs == 1:
            return x
        self.grad = None
        self._statistic = tuple([1 if a in reduced else d for a, d in enumerate(split)])
        return [x, self._statistic, self._statistic]

    # ---- layout ------------------------------------------------------------------------------------------

    def _into_rows(self, x: Tensor) -> Tensor:
        if self._order is None:
            return x.reshape(self._rows)
        return x.reshape(self._split).permute(self._order).reshape(self._rows)

    def _from_rows(self, rows: Tensor) -> Tensor:
        """The array in the shape `split`; its memory may be in another order."""
        x = rows.view(self._turned)
        return x if self._order is None else x.permute(self._inverse)

    def _line(self, parameter: Tensor | None) -> Tensor | None:
        """Scale or shift as a line of numbers. Beside half precision arrays, ATen wants it in float32."""
        if parameter is None:
            return None
        turned = parameter if self._order is None else parameter.permute(self._order)
        line = turned.reshape(-1 if self._last is None else self._last)
        if self._groups is not None:
            # Their kernel looks at no stride.
            line = line.contiguous()
        return line if self._full else line.float()

    def _lines(self, beta: Tensor | None, gamma: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """Scale and shift as lines of numbers: views, most often, which serve as long as the parameters stay."""
        known = self._known
        if known[0] is beta and known[1] is gamma:
            lines: tuple[Tensor | None, Tensor | None] = known[2]
            return lines
        scale, shift = self._line(gamma), self._line(beta)
        if scale is None and shift is not None and (shift.requires_grad or not self._full):
            # Through a missing scale ATen cannot differentiate twice, nor beside half precision arrays once.
            scale = torch.ones_like(shift)
        elif not is_traced() and _is_on(scale, gamma) and _is_on(shift, beta):
            self._known = beta, gamma, (scale, shift)
        return scale, shift

    # ---- forward -----------------------------------------------------------------------------------------

    def standardize(self, x: Tensor, beta: Tensor | None = None, gamma: Tensor | None = None) -> Any:
        """The outputs; what the gradient needs goes to `kept`."""
        if self.n_outputs == 3:
            return self._with_statistics(x, beta, gamma)
        if self._groups is not None:
            x, scale, shift = self._in_a_format(x), self._line(gamma), self._line(beta)
            y, mean, inverse = torch.native_group_norm(x, scale, shift, *self._groups, self.eps)
            self.kept = mean.view(-1, 1), inverse.view(-1, 1)
            return y
        if self._along_rows:
            scale, shift = self._lines(beta, gamma)
            if self._last is not None:
                y, *self.kept = torch.native_layer_norm(x, self._last, scale, shift, self.eps)
                return y
            beta = gamma = None
        else:
            scale = shift = None
        rows, *self.kept = torch.native_layer_norm(self._into_rows(x), self._rows[1:], scale, shift, self.eps)
        return self._affine(self._from_rows(rows), beta, gamma).reshape(self._shape)

    def _affine(self, y: Tensor, beta: Tensor | None, gamma: Tensor | None) -> Tensor:
        if gamma is not None:
            y = y * gamma.reshape(self._parameter)
        return y if beta is None else y + beta.reshape(self._parameter)

    def _with_statistics(self, x: Tensor, beta: Tensor | None, gamma: Tensor | None) -> tuple[Tensor, ...]:
        """Output, mean and variance, all of them differentiable."""
        rows = self._into_rows(x if self._full else x.float())
        variance, mean = torch.var_mean(rows, 1, correction=0, keepdim=True)
        y = self._affine(self._from_rows((rows - mean) * (variance + self.eps).rsqrt()), beta, gamma)
        results = y.reshape(self._shape), mean.view(self._statistic), variance.view(self._statistic)
        return results if self._full else tuple([v.to(x.dtype) for v in results])

    # ---- backward ----------------------------------------------------------------------------------------

    def gradients(
        self,
        need: tuple[bool, bool, bool],
        dy: Tensor,
        x: Tensor,
        beta: Tensor | None = None,
        gamma: Tensor | None = None,
    ) -> tuple[Any, Any, Any]:
        """Gradients of `x`, `beta` and `gamma`, as far as there is a `need`."""
        mean, inverse = self.kept
        if self._groups is not None and not differentiated(x):
            batch, _, _, groups = self._groups
            dx, dgamma, dbeta = aten.native_group_norm_backward(
                self._contiguous(dy),
                self._contiguous(x),
                mean.view(batch, groups),
                inverse.view(batch, groups),
                self._line(gamma),
                *self._groups,
                [need[0], need[2], need[1]],
            )
            return dx, self._shaped(dbeta, beta), self._shaped(dgamma, gamma)
        if self._along_rows:
            last = self._last
            if last is None:
                dy, x, last = self._into_rows(dy), self._into_rows(x), self._rows[1:]
            dx, dgamma, dbeta = aten.native_layer_norm_backward(
                dy, x, last, mean, inverse, *self._lines(beta, gamma), [need[0], need[2], need[1]]
            )
            if self._last is None:
                dx = self._from_rows(dx).reshape(self._shape) if need[0] else None
            return dx, self._shaped(dbeta, beta), self._shaped(dgamma, gamma)
        return self._broadcast_gradients(need, dy, x, beta, gamma)

    def _broadcast_gradients(
        self, need: tuple[bool, bool, bool], dy: Tensor, x: Tensor, beta: Tensor | None, gamma: Tensor | None
    ) -> tuple[Any, Any, Any]:
        mean, inverse = self.kept
        dx = dbeta = dgamma = None
        dy = dy.reshape(self._split)
        rows = self._into_rows(x)
        if need[0]:
            inner = dy if gamma is None else dy * gamma.reshape(self._parameter)
            inner = (inner if self._order is None else inner.permute(self._order)).reshape(self._rows)
            dx, _, _ = aten.native_layer_norm_backward(
                inner, rows, self._rows[1:], mean, inverse, None, None, [True, False, False]
            )
            dx = self._from_rows(dx).reshape(self._shape)
        if need[1] and beta is not None:
            dbeta = dy.sum_to_size(self._parameter).view(beta.shape)
        if need[2] and gamma is not None:
            if differentiated(x):
                variance, mean = torch.var_mean(rows, 1, correction=0, keepdim=True)
                inverse = (variance + self.eps).rsqrt()
            y = self._from_rows((rows - mean) * inverse)
            dgamma = (dy * y).sum_to_size(self._parameter).view(gamma.shape)
        return dx, dbeta, dgamma

    def _shaped(self, line: Tensor | None, parameter: Tensor | None) -> Tensor | None:
        """The gradient of a parameter, from that of its line of numbers."""
        if line is None or parameter is None:
            return None
        if self._order is not None:
            line = line.view([parameter.shape[a] for a in self._order]).permute(self._inverse)
        line = line.reshape(parameter.shape)
        return line if line.dtype is parameter.dtype else line.to(parameter.dtype)


class AffineStandardization(Standardization):
    """A standardization with scale and shift.

    Subclasses declare the arguments `eps`, `no_scale` and `no_bias`.
    """

    no_scale: Any
    no_bias: Any

    def check(self, wanted: Shape, beta: Shape | None, gamma: Shape | None) -> None:
        """Compare shapes of scale and shift.

        Raises:
            ArgumentError: one is there or not against the arguments.
            ShapeError: one has not the shape `wanted`.
        """
        check_presence(self, beta, gamma)
        for name, shape in (("beta", beta), ("gamma", gamma)):
            if shape is not None and shape != wanted:
                raise ShapeError(f"{self.declaration.name}: {name} must have shape {wanted}, not {shape}")

    def forward(self, x: Tensor, beta: Tensor | None = None, gamma: Tensor | None = None) -> Any:
        return self.standardize(x, beta, gamma)

    def grad(
        self, need: tuple[bool, bool, bool], dy: Tensor, x: Tensor, beta: Tensor | None, gamma: Tensor | None
    ) -> tuple[Any, Any, Any]:
        return self.gradients(need, dy, x, beta, gamma)


def _is_on(line: Tensor | None, parameter: Tensor | None) -> bool:
    """Whether a line of numbers is on the memory of a parameter that nothing is differentiated by; or none is there."""
    if line is None or parameter is None:
        return True
    return not parameter.requires_grad and line.data_ptr() == parameter.data_ptr()


def _as_image(x: Tensor) -> Tensor:
    """Channels-last images as they are, and all else contiguous."""
    return x if x.is_contiguous(memory_format=torch.channels_last) else x.contiguous()
