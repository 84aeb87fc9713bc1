"""Normalizations by statistics of parts of an array: layers, instances, groups, weights, or any axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from .._nd_array import integers
from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Int, Ints, Single, positive
from ..graph.call import apply, public
from ..graph.operator import Shape, operator
from .axes import Axes, normalized, normalized_all
from .batch_normalization import batch_normalization
from .constants import Array
from .reductions import listed
from .shapes import refuse_empty
from .standardization import AffineStandardization, Standardization


def only(x: Shape, axes: Sequence[int]) -> Shape:
    """The shape `x` with length 1 on all axes but `axes`."""
    return tuple([d if a in axes else 1 for a, d in enumerate(x)])


def rest(x: Shape, axes: Sequence[int]) -> list[int]:
    """The axes of `x` that are none of `axes`."""
    return [a for a in range(len(x)) if a not in axes]


def _applied(function: Any, inputs: tuple[Any, ...], output_stat: bool) -> Any:
    function.n_outputs = 3 if output_stat else 1
    return apply(function, inputs)


@operator("LayerNormalization", "layer_normalization", 1045)
class LayerNormalization(AffineStandardization):
    r"""Layer normalization: statistics over all axes but those of the batch.

    .. math:: y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \gamma + \beta

    Inputs:
        x: any shape.
        beta: shift, shape of `x` with length 1 on `batch_axis`, or ``None``.
        gamma: scale, shape of `beta`, or ``None``.
    Args:
        batch_axis: the axes of the batch.
        eps: added to the variance, against division by zero.
        no_scale: whether there is no `gamma`.
        no_bias: whether there is no `beta`.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: `beta` or `gamma` has another shape.
        ArgumentError: an axis is out of range; a parameter is there or not against `no_scale` or `no_bias`.

    Source: J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer Normalization", arXiv:1607.06450, equation 4.
    """

    batch_axis = Ints((0,), "Axes of the batch.")
    eps = Single(1e-5, "Added to the variance.")
    no_scale = Bool(False, "Whether there is no gamma.")
    no_bias = Bool(False, "Whether there is no beta.")

    def output_shape(self, x: Shape, beta: Shape | None = None, gamma: Shape | None = None) -> Any:
        refuse_empty(x, "layer_normalization")
        batch = normalized_all(self.batch_axis, len(x), "layer_normalization", "batch_axis")
        reduced = rest(x, batch)
        wanted = only(x, reduced)
        self.check(wanted, beta, gamma)
        return self.lay_out(x, reduced, wanted, along_rows=True)


@public
def layer_normalization(
    x: Array,
    beta: Array | None,
    gamma: Array | None,
    batch_axis: Axes = 0,
    eps: float = 1e-05,
    output_stat: bool = False,
) -> Any:
    r"""Layer normalization: statistics over all axes but those of the batch.

    .. math:: y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \gamma + \beta

    Inputs:
        x: any shape.
        beta: shift, shape of `x` with length 1 on `batch_axis`, or ``None``.
        gamma: scale, shape of `beta`, or ``None``.
    Args:
        batch_axis: axis, or axes, of the batch.
        eps: added to the variance, against division by zero.
        output_stat: whether to return mean and variance, too; they can be differentiated.
    Returns:
        Shape of `x`; with `output_stat` a tuple of that, mean and variance, with length 1 on all other axes.
    Raises:
        ShapeError: `beta` or `gamma` has another shape.
        ArgumentError: an axis is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([[1.0, 3.0], [10.0, 30.0]])
        >>> F.layer_normalization(x, None, None, eps=0.0).data
        array([[-1.,  1.],
               [-1.,  1.]], dtype=float32)

    Source: J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer Normalization", arXiv:1607.06450, equation 4.
    """
    function = LayerNormalization(listed(batch_axis), eps, gamma is None, beta is None)
    return _applied(function, (x, beta, gamma), output_stat)


@operator("InstanceNormalization", "instance_normalization", 1044)
class InstanceNormalization(AffineStandardization):
    r"""Instance normalization: statistics for each channel of each sample.

    .. math:: y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \gamma + \beta

    Inputs:
        x: any shape.
        beta: shift, shape of `x` on `channel_axis`, that of `x` or 1 on `batch_axis`, 1 elsewhere; or
            ``None``.
        gamma: scale, shape of `beta`, or ``None``.
    Args:
        channel_axis: the axis of the channels.
        batch_axis: the axes of the batch.
        eps: added to the variance, against division by zero.
        no_scale: whether there is no `gamma`.
        no_bias: whether there is no `beta`.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: `beta` or `gamma` has another shape.
        ArgumentError: an axis is out of range or given twice; a parameter is there or not against `no_scale`
            or `no_bias`.

    Source: D. Ulyanov, A. Vedaldi and V. Lempitsky, "Instance Normalization", arXiv:1607.08022.
    """

    channel_axis = Int(1, "Axis of the channels.")
    batch_axis = Ints((0,), "Axes of the batch.")
    eps = Single(1e-5, "Added to the variance.")
    no_scale = Bool(False, "Whether there is no gamma.")
    no_bias = Bool(False, "Whether there is no beta.")

    def output_shape(self, x: Shape, beta: Shape | None = None, gamma: Shape | None = None) -> Any:
        name = "instance_normalization"
        batch = normalized_all(self.batch_axis, len(x), name, "batch_axis")
        channel = normalized(self.channel_axis, len(x), name, "channel_axis")
        if channel in batch:
            raise ArgumentError(f"{name}: channel_axis must not be one of batch_axis, {self.batch_axis}")
        shared, own = only(x, (channel,)), only(x, (channel, *batch))
        given = gamma if beta is None else beta
        wanted = own if given == own else shared
        self.check(wanted, beta, gamma)
        # ATen has no gradient of a shift without a scale in this layout.
        by_channel = channel == 1 and batch == (0,) and wanted == shared and (beta is None or gamma is not None)
        reduced = rest(x, (channel, *batch))
        return self.lay_out(x, reduced, wanted, groups=x[1] if by_channel else 0)


@public
def instance_normalization(
    x: Array,
    beta: Array | None,
    gamma: Array | None,
    channel_axis: int = 1,
    batch_axis: Axes = 0,
    eps: float = 1e-05,
    output_stat: bool = False,
) -> Any:
    r"""Instance normalization: statistics for each channel of each sample.

    .. math:: y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \gamma + \beta

    Inputs:
        x: any shape.
        beta: shift, shape of `x` on `channel_axis`, that of `x` or 1 on `batch_axis`, 1 elsewhere; or
            ``None``.
        gamma: scale, shape of `beta`, or ``None``.
    Args:
        channel_axis: the axis of the channels.
        batch_axis: axis, or axes, of the batch.
        eps: added to the variance, against division by zero.
        output_stat: whether to return mean and variance, too; they can be differentiated.
    Returns:
        Shape of `x`; with `output_stat` a tuple of that, mean and variance, with length 1 on all other axes.
    Raises:
        ShapeError: `beta` or `gamma` has another shape.
        ArgumentError: an axis is out of range or given twice.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([[[1.0, 3.0], [10.0, 30.0]]])
        >>> F.instance_normalization(x, None, None, eps=0.0).data
        array([[[-1.,  1.],
                [-1.,  1.]]], dtype=float32)

    Source: D. Ulyanov, A. Vedaldi and V. Lempitsky, "Instance Normalization", arXiv:1607.08022.
    """
    function = InstanceNormalization(channel_axis, listed(batch_axis), eps, gamma is None, beta is None)
    return _applied(function, (x, beta, gamma), output_stat)


@operator("GroupNormalization", "group_normalization", 1043)
class GroupNormalization(AffineStandardization):
    r"""Group normalization: statistics for each group of channels of each sample.

    .. math:: y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \gamma + \beta

    Inputs:
        x: any shape.
        beta: shift, shape of `x` on `channel_axis` and 1 elsewhere, or ``None``.
        gamma: scale, shape of `beta`, or ``None``.
    Args:
        num_groups: number of groups; a divisor of the number of channels.
        channel_axis: the axis of the channels.
        batch_axis: the axes of the batch.
        eps: added to the variance, against division by zero.
        no_scale: whether there is no `gamma`.
        no_bias: whether there is no `beta`.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: `beta` or `gamma` has another shape, or the channels cannot be divided.
        ArgumentError: an axis is out of range or given twice; a parameter is there or not against `no_scale`
            or `no_bias`.

    Source: Y. Wu and K. He, "Group Normalization", arXiv:1803.08494.
    """

    num_groups = Int(1, "Number of groups.", check=positive)
    channel_axis = Int(1, "Axis of the channels.")
    batch_axis = Ints((0,), "Axes of the batch.")
    eps = Single(1e-5, "Added to the variance.")
    no_scale = Bool(False, "Whether there is no gamma.")
    no_bias = Bool(False, "Whether there is no beta.")

    def output_shape(self, x: Shape, beta: Shape | None = None, gamma: Shape | None = None) -> Any:
        name = "group_normalization"
        batch = normalized_all(self.batch_axis, len(x), name, "batch_axis")
        channel = normalized(self.channel_axis, len(x), name, "channel_axis")
        if channel in batch:
            raise ArgumentError(f"{name}: channel_axis must not be one of batch_axis, {self.batch_axis}")
        groups = self.num_groups
        if x[channel] % groups:
            raise ShapeError(f"{name}: the {x[channel]} channels of x cannot be divided into {groups} groups")
        wanted = only(x, (channel,))
        self.check(wanted, beta, gamma)
        members = (groups, x[channel] // groups)
        split = x[:channel] + members + x[channel + 1 :]
        kept = [a if a < channel else a + 1 for a in batch] + [channel]
        return self.lay_out(
            x,
            rest(split, kept),
            (1,) * channel + members + (1,) * (len(x) - channel - 1),
            split,
            # ATen has no gradient of a shift without a scale in this layout.
            groups=groups if channel == 1 and batch == (0,) and (beta is None or gamma is not None) else 0,
        )


@public
def group_normalization(
    x: Array,
    beta: Array | None,
    gamma: Array | None,
    num_groups: int,
    channel_axis: int = 1,
    batch_axis: Axes = 0,
    eps: float = 1e-05,
    output_stat: bool = False,
) -> Any:
    r"""Group normalization: statistics for each group of channels of each sample.

    .. math:: y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \gamma + \beta

    Inputs:
        x: any shape.
        beta: shift, shape of `x` on `channel_axis` and 1 elsewhere, or ``None``.
        gamma: scale, shape of `beta`, or ``None``.
    Args:
        num_groups: number of groups; a divisor of the number of channels.
        channel_axis: the axis of the channels.
        batch_axis: axis, or axes, of the batch. (NNabla 1.39 takes one behind `channel_axis` for the one
            before it.)
        eps: added to the variance, against division by zero.
        output_stat: whether to return mean and variance, too; they can be differentiated.
    Returns:
        Shape of `x`; with `output_stat` a tuple of that, mean and variance. Those see the channels as two
        axes, groups and members: for `x` of shape ``(B, C, H, W)`` their shape is
        ``(B, num_groups, 1, 1, 1)``.
    Raises:
        ShapeError: `beta` or `gamma` has another shape, or the channels cannot be divided.
        ArgumentError: an axis is out of range or given twice.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([[1.0, 3.0, 10.0, 30.0]])
        >>> F.group_normalization(x, None, None, 2, eps=0.0).data
        array([[-1.,  1., -1.,  1.]], dtype=float32)

    Source: Y. Wu and K. He, "Group Normalization", arXiv:1803.08494.
    """
    function = GroupNormalization(num_groups, channel_axis, listed(batch_axis), eps, gamma is None, beta is None)
    return _applied(function, (x, beta, gamma), output_stat)


@operator("TensorNormalization", "tensor_normalization", 1048)
class TensorNormalization(AffineStandardization):
    r"""Statistics for each place along some axes, over all others.

    .. math:: y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \gamma + \beta

    Inputs:
        x: any shape.
        beta: shift, shape of `x` on `axes` and 1 elsewhere, or ``None``.
        gamma: scale, shape of `beta`, or ``None``.
    Args:
        axes: the axes that statistics are not taken over.
        eps: added to the variance, against division by zero.
        no_scale: whether there is no `gamma`.
        no_bias: whether there is no `beta`.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: `beta` or `gamma` has another shape.
        ArgumentError: an axis is out of range or given twice; a parameter is there or not against `no_scale`
            or `no_bias`.

    Source: NNabla function reference, ``TensorNormalization``.
    """

    axes = Ints((1,), "Axes that statistics are not taken over.")
    eps = Single(1e-5, "Added to the variance.")
    no_scale = Bool(False, "Whether there is no gamma.")
    no_bias = Bool(False, "Whether there is no beta.")

    def output_shape(self, x: Shape, beta: Shape | None = None, gamma: Shape | None = None) -> Any:
        axes = normalized_all(self.axes, len(x), "tensor_normalization")
        wanted = only(x, axes)
        self.check(wanted, beta, gamma)
        return self.lay_out(x, rest(x, axes), wanted)


@public
def tensor_normalization(
    x: Array,
    axes: Axes,
    beta: Array | None = None,
    gamma: Array | None = None,
    eps: float = 1e-05,
    output_stat: bool = False,
) -> Any:
    r"""Statistics for each place along some axes, over all others.

    .. math:: y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \gamma + \beta

    It is a batch normalization without running statistics, and shows as one in the graph, as in NNabla 1.x.

    Inputs:
        x: any shape.
        beta: shift, shape of `x` on `axes` and 1 elsewhere, or ``None``.
        gamma: scale, shape of `beta`, or ``None``.
    Args:
        axes: axis, or axes, that statistics are not taken over.
        eps: added to the variance, against division by zero.
        output_stat: whether to return mean and variance, too; they can be differentiated.
    Returns:
        Shape of `x`; with `output_stat` a tuple of that, mean and variance, with length 1 on all other axes.
    Raises:
        ShapeError: `beta` or `gamma` has another shape.
        ArgumentError: an axis is out of range or given twice.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([[1.0, 10.0], [3.0, 30.0]])
        >>> F.tensor_normalization(x, 1, eps=0.0).data
        array([[-1., -1.],
               [ 1.,  1.]], dtype=float32)

    Source: NNabla function reference, ``tensor_normalization``.
    """
    axes = integers(axes)
    wanted = only(x.shape, normalized_all(axes, len(x.shape), "tensor_normalization"))
    for name, parameter in (("beta", beta), ("gamma", gamma)):
        if parameter is not None and parameter.shape != wanted:
            raise ShapeError(f"tensor_normalization: {name} must have shape {wanted}, not {parameter.shape}")
    return batch_normalization(x, beta, gamma, None, None, axes, 0.0, eps, True, output_stat)


@operator("WeightStandardization", "weight_standardization", 1050)
class WeightStandardization(Standardization):
    r"""Weight standardization: each output channel of a weight gets mean 0 and variance 1.

    .. math:: y = \frac{w - \mu}{\sqrt{\sigma^2 + \epsilon}}

    Inputs:
        w: weight, any shape.
    Args:
        channel_axis: the axis of the output channels.
        eps: added to the variance, against division by zero.
    Returns:
        Shape of `w`.
    Raises:
        ArgumentError: `channel_axis` is not an axis of `w`.

    Source: S. Qiao, H. Wang, C. Liu, W. Shen and A. Yuille, "Weight Standardization", arXiv:1903.10520.
    """

    channel_axis = Int(0, "Axis of the output channels.")
    eps = Single(1e-5, "Added to the variance.")

    def output_shape(self, w: Shape) -> Any:
        refuse_empty(w, "weight_standardization", "w")
        channel = normalized(self.channel_axis, len(w), "weight_standardization", "channel_axis")
        return self.lay_out(w, rest(w, (channel,)), along_rows=True)

    def forward(self, w: Tensor) -> Any:
        return self.standardize(w)

    def grad(self, dy: Tensor, w: Tensor) -> Tensor:
        return self.gradients((True, False, False), dy, w)[0]


@public
def weight_standardization(w: Array, channel_axis: int = 0, eps: float = 1e-05, output_stat: bool = False) -> Any:
    r"""Weight standardization: each output channel of a weight gets mean 0 and variance 1.

    .. math:: y = \frac{w - \mu}{\sqrt{\sigma^2 + \epsilon}}

    Inputs:
        w: weight, any shape.
    Args:
        channel_axis: the axis of the output channels: 0 for `convolution`, 1 for `deconvolution` and
            `affine`.
        eps: added to the variance, against division by zero.
        output_stat: whether to return mean and variance, too; they can be differentiated.
    Returns:
        Shape of `w`; with `output_stat` a tuple of that, mean and variance, with length 1 on all other axes.
    Raises:
        ArgumentError: `channel_axis` is not an axis of `w`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> w = nn.NdArray.from_numpy_array([[1.0, 3.0], [10.0, 30.0]])
        >>> F.weight_standardization(w, eps=0.0).data
        array([[-1.,  1.],
               [-1.,  1.]], dtype=float32)

    Source: S. Qiao, H. Wang, C. Liu, W. Shen and A. Yuille, "Weight Standardization", arXiv:1903.10520.
    """
    return _applied(WeightStandardization(channel_axis, eps), (w,), output_stat)
