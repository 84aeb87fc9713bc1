"""Batch normalization with an addition and a ReLU behind it, and with a communicator between processes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .._nd_array import NdArray, integers
from ..errors import ShapeError
from ..graph.argument import Argument, Bool, Ints, Single, Str
from ..graph.call import apply, invoke, public
from ..graph.operator import Shape, operator
from .axes import Axes
from .batch_normalization import BatchStatistics, over_axes, with_running_statistics
from .constants import Array
from .creation import Constant
from .kernels import aten
from .process_statistics import Processes, moments


@operator("FusedBatchNormalization", "fused_batch_normalization", 1041)
class FusedBatchNormalization(BatchStatistics):
    r"""Batch normalization, an addition and a ReLU, :math:`y = \max(0, \mathrm{BN}(x) + z)`.

    Inputs:
        x: shape ``(D_0, ..., D_i, ..., D_N)``.
        beta: shift, shape ``(1, ..., D_i, ..., 1)``.
        gamma: scale, shape of `beta`.
        mean: running mean, shape of `beta`; updated in place.
        variance: running variance, shape of `beta`; updated in place.
        z: what is added, shape of `x`; ``None`` for nothing.
    Args:
        axes: the axis ``i`` of the channels, as a list of one.
        decay_rate: how much of the running statistics stays in each step, a ratio.
        eps: added to the variance, against division by zero.
        batch_stat: whether to normalize by the statistics of the batch.
        nonlinearity: ``"relu"``.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: a parameter or `z` has another shape.
        ArgumentError: not exactly one axis, or another nonlinearity.

    Source: NNabla function reference, ``FusedBatchNormalization``.
    """

    axes = Ints((1,), "Axis of the channels.")
    decay_rate = Single(0.9, "How much of the running statistics stays in each step.")
    eps = Single(1e-5, "Added to the variance.")
    batch_stat = Bool(True, "Whether to use the statistics of the batch.")
    nonlinearity = Str("relu", "What follows the addition.", choices=("relu",))

    def output_shape(
        self, x: Shape, beta: Shape, gamma: Shape, mean: Shape, variance: Shape, z: Shape | None = None
    ) -> list[Shape] | Shape:
        if z is not None and z != x:
            raise ShapeError(f"fused_batch_normalization: z must have the shape of x, {x}, not {z}")
        return self.prepare(x, beta=beta, gamma=gamma, mean=mean, variance=variance)

    def forward(
        self, x: Tensor, beta: Tensor, gamma: Tensor, mean: Tensor, variance: Tensor, z: Tensor | None = None
    ) -> Any:
        return self._activated(self.normalize(x, beta, gamma, mean, variance, update=True), z)

    def recompute(
        self, x: Tensor, beta: Tensor, gamma: Tensor, mean: Tensor, variance: Tensor, z: Tensor | None = None
    ) -> Any:
        return self._activated(self.normalize(x, beta, gamma, mean, variance, update=False), z)

    @staticmethod
    def _activated(normalized: Any, z: Tensor | None) -> Any:
        if isinstance(normalized, tuple):
            y, *statistics = normalized
            return torch.relu(y if z is None else y + z), *statistics
        return (normalized if z is None else normalized.add_(z)).relu_()

    def grad(
        self,
        need: tuple[bool, ...],
        dy: Tensor,
        y: Tensor,
        x: Tensor,
        gamma: Tensor,
        mean: Tensor,
        variance: Tensor,
    ) -> tuple[Any, ...]:
        inner = aten.threshold_backward(dy, y, 0)
        found = self.gradients(need, inner, x, gamma, mean, variance) if any(need[:3]) else (None, None, None)
        return *found, None, None, (inner if need[5] else None)


class Communicator(Argument):
    """What connects processes: an object that knows their number, `size`, and sums over them if there are several."""

    kind = "a communicator"
    stored = "communicator"

    def cast(self, value: Any) -> Any:
        if value.size.__index__() != 1:
            # What an exchange takes.
            for needed in ("rank", "find_group", "sum_tensor"):
                getattr(value, needed)
        return value


@operator("SyncBatchNormalization", "sync_batch_normalization", 1047)
class SyncBatchNormalization(BatchStatistics):
    r"""Batch normalization by the statistics of the batches of all processes of a group.

    .. math:: y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \gamma + \beta

    With one process this is `batch_normalization`. Batches may have different sizes. The gradient of `x` is that of the
    sum of what all processes compute; those of `beta` and `gamma` are of this process, to be summed as all others.

    Inputs:
        x: shape ``(D_0, ..., D_i, ..., D_N)``.
        beta: shift, shape ``(1, ..., D_i, ..., 1)``.
        gamma: scale, shape of `beta`.
        mean: running mean, shape of `beta`; updated in place.
        variance: running variance, shape of `beta`; updated in place.
    Args:
        comm: the communicator of the processes.
        group: name of the group of processes.
        axes: the axis ``i`` of the channels, as a list of one.
        decay_rate: how much of the running statistics stays in each step, a ratio.
        eps: added to the variance, against division by zero.
        batch_stat: whether to normalize by the statistics of the batch.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: a parameter has another shape.
        ArgumentError: not exactly one axis.

    Source: NNabla function reference, ``SyncBatchNormalization``.
    """

    comm = Communicator(doc="The communicator of the processes.")
    group = Str("world", "Name of the group of processes.")
    axes = Ints((1,), "Axis of the channels.")
    decay_rate = Single(0.9, "How much of the running statistics stays in each step.")
    eps = Single(1e-5, "Added to the variance.")
    batch_stat = Bool(True, "Whether to use the statistics of the batch.")

    def output_shape(self, x: Shape, beta: Shape, gamma: Shape, mean: Shape, variance: Shape) -> list[Shape] | Shape:
        self._processes = Processes(self.comm, self.group)
        return self.prepare(x, beta=beta, gamma=gamma, mean=mean, variance=variance)

    def forward(self, x: Tensor, beta: Tensor, gamma: Tensor, mean: Tensor, variance: Tensor) -> Any:
        return self._normalized(x, beta, gamma, mean, variance, update=True)

    def recompute(self, x: Tensor, beta: Tensor, gamma: Tensor, mean: Tensor, variance: Tensor) -> Any:
        return self._normalized(x, beta, gamma, mean, variance, update=False)

    @property
    def _is_alone(self) -> bool:
        return self._processes.count == 1 or not self.batch_stat

    def _normalized(self, x: Tensor, beta: Tensor, gamma: Tensor, mean: Tensor, variance: Tensor, update: bool) -> Any:
        if self._is_alone:
            return self.normalize(x, beta, gamma, mean, variance, update)
        cube = self._wide(x)
        batch_mean, batch_variance, count = moments(cube, self._processes)
        if update:
            unbiased = batch_variance.detach() * (count / (count - 1) if count > 1 else math.nan)
            mean.view(-1).lerp_(batch_mean.detach(), self._momentum)
            variance.view(-1).lerp_(unbiased, self._momentum)
        inverse = (batch_variance + self.eps).rsqrt()
        weight, bias = self._row(gamma), self._row(beta)
        assert weight is not None and bias is not None
        y = ((cube - batch_mean[:, None]) * (inverse * weight)[:, None] + bias[:, None]).view(self._shape).to(x.dtype)
        if self.n_outputs == 3:
            return y, *[v.view(self._parameter).to(x.dtype) for v in (batch_mean, batch_variance)]
        self.kept = batch_mean, inverse
        self._count = count
        return y

    def _wide(self, x: Tensor) -> Tensor:
        """Samples, channels and what is within a channel, in at least single precision."""
        cube = x.reshape(self._cube)
        return cube if self._full else cube.float()

    def grad(
        self, need: tuple[bool, ...], dy: Tensor, x: Tensor, gamma: Tensor, mean: Tensor, variance: Tensor
    ) -> tuple[Any, ...]:
        if self._is_alone:
            return *self.gradients(need, dy, x, gamma, mean, variance), None, None
        batch_mean, inverse = self.kept
        dy_cube = self._wide(dy)
        centred = self._wide(x) - batch_mean[:, None]
        dbeta = dy_cube.sum((0, 2))
        dgamma = (dy_cube * centred).sum((0, 2)) * inverse
        dx = None
        if need[0]:
            means = self._processes.sum(torch.stack((dbeta, dgamma))) / self._count
            weight = self._row(gamma)
            assert weight is not None
            along = dy_cube - means[0][:, None] - centred * (means[1] * inverse)[:, None]
            dx = (along * (weight * inverse)[:, None]).view(self._shape).to(dy.dtype)
        parameters = [
            d.view(self._parameter).to(dy.dtype) if wanted else None
            for d, wanted in ((dbeta, need[1]), (dgamma, need[2]))
        ]
        return dx, *parameters, None, None


# ---- public calls ------------------------------------------------------------------------------------------


def _all_parameters(
    x: Any, beta: Any, gamma: Any, mean: Any, variance: Any, axes: Any, batch_stat: bool, function: str
) -> list[Any]:
    """The four parameters, with constants 0 and 1 for a shift and a scale that are ``None``."""
    mean, variance = with_running_statistics(x, mean, variance, axes, batch_stat, function)
    imperative = any(isinstance(v, NdArray) for v in (x, beta, gamma, mean, variance))

    def constant(value: float) -> Any:
        if not imperative:
            return invoke(Constant, (value, mean.shape), ())
        array = NdArray(mean.shape)
        array.fill(value)
        return array

    return [constant(0) if beta is None else beta, constant(1) if gamma is None else gamma, mean, variance]


@public
def fused_batch_normalization(
    x: Array,
    beta: Array | None,
    gamma: Array | None,
    mean: Array | None,
    variance: Array | None,
    z: Array | None = None,
    axes: Axes = [1],  # noqa: B006 - the public signature
    decay_rate: float = 0.9,
    eps: float = 1e-05,
    batch_stat: bool = True,
    nonlinearity: str = "relu",
    output_stat: bool = False,
    n_outputs: Any = None,
) -> Any:
    r"""Batch normalization, an addition and a ReLU, :math:`y = \max(0, \mathrm{BN}(x) + z)`.

    Inputs:
        x: any shape.
        beta: shape of `x` along `axes` and 1 along all others, or ``None`` for no shift.
        gamma: shape of `beta`, or ``None`` for no scale.
        mean: running mean, shape of `beta`, updated in place; ``None`` for none.
        variance: running variance, shape of `beta`, updated in place; ``None`` for none.
        z: what is added, shape of `x`; ``None`` for nothing.
    Args:
        axes: the axes of the channels, or one number.
        decay_rate: how much of the running statistics stays in each step, a ratio.
        eps: added to the variance, against division by zero.
        batch_stat: whether to normalize by the statistics of the batch.
        nonlinearity: ``"relu"``.
        output_stat: whether to return mean and variance of the batch, too; they can be differentiated.
        n_outputs: accepted for compatibility.
    Returns:
        Shape of `x`; with `output_stat` a tuple of that and two arrays of the shape of `beta`.
    Raises:
        ShapeError, ArgumentError: as in `batch_normalization`, and for another nonlinearity.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.Variable.from_numpy_array([[1.0, 4.0], [3.0, 5.0]])
        >>> y = F.fused_batch_normalization(x, None, None, None, None, z=x, eps=0.0)
        >>> y.forward()
        >>> y.d
        array([[0., 3.],
               [4., 6.]], dtype=float32)

    Source: NNabla function reference, ``fused_batch_normalization``.
    """
    axes = integers(axes)
    parameters = _all_parameters(x, beta, gamma, mean, variance, axes, batch_stat, "fused_batch_normalization")

    def normalize(xs: Sequence[Any], parameters: Sequence[Any], axis: int) -> Any:
        function = FusedBatchNormalization((axis,), decay_rate, eps, batch_stat, nonlinearity)
        function.n_outputs = 3 if output_stat else 1
        return apply(function, (xs[0], *parameters, xs[1]))

    return over_axes(normalize, (x, z), parameters, axes)


@public
def sync_batch_normalization(
    x: Array,
    beta: Array | None,
    gamma: Array | None,
    mean: Array | None,
    variance: Array | None,
    comm: Any,
    group: str = "world",
    axes: Axes = [1],  # noqa: B006 - the public signature
    decay_rate: float = 0.9,
    eps: float = 1e-05,
    batch_stat: bool = True,
    output_stat: bool = False,
    n_outputs: Any = None,
) -> Any:
    r"""Batch normalization by the statistics of the batches of all processes of a group.

    .. math:: y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \gamma + \beta

    With one process this is `batch_normalization`. Batches may have different sizes. The gradient of `x` is that of the
    sum of what all processes compute; those of `beta` and `gamma` are of this process, to be summed as all others.

    Inputs:
        x: any shape.
        beta: shape of `x` along `axes` and 1 along all others, or ``None`` for no shift.
        gamma: shape of `beta`, or ``None`` for no scale.
        mean: running mean, shape of `beta`, updated in place; ``None`` for none.
        variance: running variance, shape of `beta`, updated in place; ``None`` for none.
    Args:
        comm: the communicator of the processes.
        group: name of the group of processes.
        axes: the axes of the channels, or one number.
        decay_rate: how much of the running statistics stays in each step, a ratio.
        eps: added to the variance, against division by zero.
        batch_stat: whether to normalize by the statistics of the batch.
        output_stat: whether to return mean and variance of the batch, too; they can be differentiated.
        n_outputs: accepted for compatibility.
    Returns:
        Shape of `x`; with `output_stat` a tuple of that and two arrays of the shape of `beta`.
    Raises:
        ShapeError, ArgumentError: as in `batch_normalization`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> from types import SimpleNamespace
        >>> x, alone = nn.NdArray.from_numpy_array([[1.0], [3.0]]), SimpleNamespace(size=1)
        >>> F.sync_batch_normalization(x, None, None, None, None, alone, eps=0.0).data
        array([[-1.],
               [ 1.]], dtype=float32)

    Source: NNabla function reference, ``sync_batch_normalization``; H. Zhang et al., "Context Encoding for
    Semantic Segmentation", arXiv:1803.08904.
    """
    axes = integers(axes)
    parameters = _all_parameters(x, beta, gamma, mean, variance, axes, batch_stat, "sync_batch_normalization")

    def normalize(xs: Sequence[Any], parameters: Sequence[Any], axis: int) -> Any:
        function = SyncBatchNormalization(comm, group, (axis,), decay_rate, eps, batch_stat)
        function.n_outputs = 3 if output_stat else 1
        return apply(function, (*xs, *parameters))

    return over_axes(normalize, (x,), parameters, axes)
