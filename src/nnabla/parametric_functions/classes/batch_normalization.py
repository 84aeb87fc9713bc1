"""Batch normalization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ... import functions as F
from ...errors import ArgumentError
from ...graph.variable import Variable
from ...logger import logger
from ...operators.axes import normalized_all
from ..argument_docs import describe_arguments
from ..normalization import Inits, running_statistics, shift_and_scale
from .module import Module, check_sizes, fresh_scope

# What means something else here than in the parametric functions.
ARGUMENTS = {
    "axes": "the one axis with statistics of its own, usually the channels.",
    "batch_stat": "has no effect, as in NNabla 1.x: the call says which statistics are used. False logs a warning.",
}


@describe_arguments(ARGUMENTS)
class BatchNormalization(Module):
    """Batch normalization; see `nnabla.functions.batch_normalization`.

    Args:
        n_features: size of the input along the axis in `axes`.
        n_dims: number of axes of the input.

    Attributes:
        beta: shift, shape ``(1, ..., n_features, ..., 1)``, zeros at first.
        gamma: scale, ones at first.
        mean: running mean, zeros at first.
        var: running variance, ones at first.

    Raises:
        ArgumentError: `axes` is not one axis of an input with `n_dims` axes.
        ShapeError: an array in `param_init` has another shape.

    Source: Ioffe and Szegedy, "Batch Normalization", arXiv:1502.03167.
    """

    beta: Variable
    gamma: Variable
    mean: Variable
    var: Variable

    def __init__(
        self,
        n_features: int,
        n_dims: int,
        axes: Sequence[int] = [1],
        decay_rate: float = 0.9,
        eps: float = 1e-5,
        batch_stat: bool = True,
        output_stat: bool = False,
        fix_parameters: bool = False,
        param_init: Inits = None,
    ) -> None:
        name = type(self).__name__
        check_sizes(name, n_features=n_features, n_dims=n_dims)
        if len(axes) != 1:
            raise ArgumentError(f"{name}: axes must be a single axis, not {axes}")
        if not batch_stat:
            logger.warning("%s: batch_stat=False has no effect, as in NNabla 1.x; call the layer with test=True", name)
        (axis,) = normalized_all(tuple(axes), n_dims, name)
        shape = tuple(n_features if i == axis else 1 for i in range(n_dims))
        with fresh_scope():
            self.beta, self.gamma = shift_and_scale(shape, param_init, fix_parameters, no_scale=False, no_bias=False)
            self.mean, self.var = running_statistics(shape, param_init)
        self.axes = axes
        self.decay_rate = decay_rate
        self.eps = eps
        self.output_stat = output_stat

    def __call__(self, inp: Any, test: bool = False) -> Any:
        """Shape of `inp`; with `output_stat` also mean and variance.

        Args:
            inp: `n_dims` axes.
            test: normalize by the running statistics, not by those of the batch.
        """
        return F.batch_normalization(
            inp, self.beta, self.gamma, self.mean, self.var, axes=self.axes, decay_rate=self.decay_rate, eps=self.eps,
            batch_stat=not test, output_stat=self.output_stat,
        )  # fmt: skip


class _OfSomeDims(BatchNormalization):
    """`BatchNormalization` whose class says how many axes inputs have; otherwise with the same arguments."""

    n_dims: ClassVar[int]

    def __init__(
        self,
        n_features: int,
        axes: Sequence[int] = [1],
        decay_rate: float = 0.9,
        eps: float = 1e-5,
        batch_stat: bool = True,
        output_stat: bool = False,
        fix_parameters: bool = False,
        param_init: Inits = None,
    ) -> None:
        super().__init__(
            n_features, self.n_dims, axes, decay_rate, eps, batch_stat, output_stat, fix_parameters, param_init
        )


@describe_arguments(ARGUMENTS)
class BatchNorm1d(_OfSomeDims):
    """`BatchNormalization` of inputs with three axes, as `Conv1d` returns them.

    Args:
        n_features: size of the input along the axis in `axes`.
    """

    n_dims = 3


@describe_arguments(ARGUMENTS)
class BatchNorm2d(_OfSomeDims):
    """`BatchNormalization` of inputs with four axes, as `Conv2d` returns them.

    Args:
        n_features: size of the input along the axis in `axes`.
    """

    n_dims = 4


@describe_arguments(ARGUMENTS)
class BatchNorm3d(_OfSomeDims):
    """`BatchNormalization` of inputs with five axes, as `Conv3d` returns them.

    Args:
        n_features: size of the input along the axis in `axes`.
    """

    n_dims = 5
