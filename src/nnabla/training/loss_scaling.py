"""Mixed precision training: losses scaled so that gradients in half precision are neither lost nor infinite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._nd_array import NdArray
from ..errors import ArgumentError
from ..graph.variable import Variable

# How often an update is tried with ever smaller scales before the batch is given up.
_TRIES = 100


def _nothing() -> None:
    """The data is there already."""


class DynamicLossScalingUpdater:
    """Training steps whose loss is scaled by as much as the range of half precision allows.

    Small gradients become 0 in half precision, and large ones infinite. So the loss is multiplied by `scale` before
    backward, and the gradients divided by it before the update. Where one of them is infinite or NaN, the scale is
    divided by `scaling_factor` and the step is done again, with the next batch; after `N` updates without that, it is
    multiplied by it.

    Args:
        solver: with its parameters set.
        loss: the end of the graph.
        data_feeder: called without arguments before each forward, to write the next batch into the inputs. Default:
            does nothing.
        scale: of the first step.
        scaling_factor: by which it changes.
        N: updates after which the scale grows.
        clear_buffer: free what is not needed any more during forward and backward.
        accum_grad: number of batches whose gradients are summed in one update.
        weight_decay: factor of the weights that are added to the gradients; ``None`` for no decay.
        comm: communicator, which sums the gradients of all processes.
        grads: gradients to exchange; without them nothing is.

    The arguments are attributes, and may be changed between updates.

    Raises:
        ArgumentError: `scale` or `scaling_factor` is not positive, or `accum_grad` below 1.

    Example:
        >>> import nnabla as nn, nnabla.functions as F, nnabla.parametric_functions as PF, nnabla.solvers as S
        >>> nn.clear_parameters()
        >>> x = nn.Variable.from_numpy_array([[1.0, 2.0]])
        >>> loss = F.mean(PF.affine(x, 1) ** 2)
        >>> solver = S.Sgd(0.01)
        >>> solver.set_parameters(nn.get_parameters())
        >>> updater = DynamicLossScalingUpdater(solver, loss, N=2)
        >>> for _ in range(4):
        ...     updater.update()
        >>> updater.scale
        16.0

    Source: NNabla manual, mixed precision training; Micikevicius et al., "Mixed Precision Training",
        arXiv:1710.03740.
    """

    def __init__(
        self,
        solver: Any,
        loss: Variable,
        data_feeder: Callable[[], Any] = _nothing,
        scale: float = 8.0,
        scaling_factor: float = 2.0,
        N: int = 2000,
        clear_buffer: bool = True,
        accum_grad: int = 1,
        weight_decay: float | None = None,
        comm: Any = None,
        grads: Sequence[NdArray] = (),
    ) -> None:
        if not (scale > 0 and scaling_factor > 0):
            raise ArgumentError(
                "DynamicLossScalingUpdater: scale and scaling_factor must be positive, "
                f"not {scale} and {scaling_factor}"
            )
        if accum_grad < 1:
            raise ArgumentError(f"DynamicLossScalingUpdater: accum_grad must be at least 1, not {accum_grad}")
        self.solver = solver
        self.loss = loss
        self.data_feeder = data_feeder
        self.scale = scale
        self.scaling_factor = scaling_factor
        self.N = N
        self.clear_buffer = clear_buffer
        self.accum_grad = accum_grad
        self.weight_decay = weight_decay
        self.comm = comm
        self.grads = list(grads)
        # Updates since the scale changed.
        self._counter = 0

    def update(self) -> None:
        """Feed data, compute gradients and update, with smaller scales until no gradient is infinite or NaN.

        After a hundred tries the parameters stay as they are.
        """
        for _ in range(_TRIES + 1):
            self._compute_gradients()
            if not self.solver.check_inf_or_nan_grad():
                break
            self.scale /= self.scaling_factor
            self._counter = 0
        else:
            return
        self.solver.scale_grad(1.0 / self.scale)
        if self.weight_decay is not None:
            self.solver.weight_decay(self.weight_decay)
        self.solver.update()
        if self._counter > self.N:
            self.scale *= self.scaling_factor
            self._counter = 0
        self._counter += 1

    def _compute_gradients(self) -> None:
        self.solver.zero_grad()
        for _ in range(self.accum_grad):
            self.data_feeder()
            self.loss.forward(clear_no_need_grad=self.clear_buffer)
            self.loss.backward(self.scale, clear_buffer=self.clear_buffer)
        if self.comm is not None and self.grads:
            self.comm.all_reduce(self.grads, division=False, inplace=False)
