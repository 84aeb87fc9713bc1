"""One update: gradients of one or several batches, then the solver, between callbacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .evaluator import Callbacks, as_list


class Updater:
    """Runs an update, step by step through callbacks. `i` is the iteration, `e` the epoch, `ag` counts batches from 0.

    Those around forward and backward are called as ``f(i, e, ag)``, the others as ``f(i, e)``. Where a callback "on
    start" or "on finish" is wanted, a list of them does, too.

    Args:
        train_data_feeder: reads the next batch, ``f(i, e, ag)``.
        solver_zero_grad: zeroes the gradients, once for each update.
        solver_update: updates the parameters.
        loss_forward, loss_backward: compute loss and gradients of the batch.
        loss_forward_callback_on_start, loss_forward_callback_on_finish: around `loss_forward`.
        loss_backward_callback_on_start, loss_backward_callback_on_finish: around `loss_backward`.
        comm_all_reduce: sums the gradients of all processes. Called, like those around it, only with `comm`.
        comm_all_reduce_callback_on_start, comm_all_reduce_callback_on_finish: around `comm_all_reduce`.
        solver_update_callback_on_start, solver_update_callback_on_finish: around `solver_update`.
        accum_grad: number of batches whose gradients are summed in one update.
        comm: communicator, or ``None`` for one process.
        grads: gradients to exchange; kept as an attribute for `comm_all_reduce`.

    Example:
        >>> calls = []
        >>> updater = Updater(
        ...     lambda i, e, ag: calls.append(f"feed {ag}"), lambda i, e: calls.append("zero_grad"),
        ...     lambda i, e: calls.append("update"), accum_grad=2,
        ... )
        >>> updater.update(0, 0)
        >>> calls
        ['zero_grad', 'feed 0', 'feed 1', 'update']
    """

    def __init__(
        self,
        train_data_feeder: Callable[[int, int, int], Any],
        solver_zero_grad: Callable[[int, int], Any],
        solver_update: Callable[[int, int], Any],
        loss_forward: Callable[[int, int, int], Any] = lambda i, e, ag: None,
        loss_backward: Callable[[int, int, int], Any] = lambda i, e, ag: None,
        loss_forward_callback_on_start: Callbacks = lambda i, e, ag: None,
        loss_forward_callback_on_finish: Callbacks = lambda i, e, ag: None,
        loss_backward_callback_on_start: Callbacks = lambda i, e, ag: None,
        loss_backward_callback_on_finish: Callbacks = lambda i, e, ag: None,
        comm_all_reduce_callback_on_start: Callbacks = lambda i, e: None,
        comm_all_reduce: Callable[[int, int], Any] = lambda i, e: None,
        comm_all_reduce_callback_on_finish: Callbacks = lambda i, e: None,
        solver_update_callback_on_start: Callbacks = lambda i, e: None,
        solver_update_callback_on_finish: Callbacks = lambda i, e: None,
        accum_grad: int = 1,
        comm: Any = None,
        grads: Sequence[Any] = (),
    ) -> None:
        self.train_data_feeder = train_data_feeder
        self.solver_zero_grad = solver_zero_grad
        self.loss_forward_callback_on_start = as_list(loss_forward_callback_on_start)
        self.loss_forward = loss_forward
        self.loss_forward_callback_on_finish = as_list(loss_forward_callback_on_finish)
        self.loss_backward_callback_on_start = as_list(loss_backward_callback_on_start)
        self.loss_backward = loss_backward
        self.loss_backward_callback_on_finish = as_list(loss_backward_callback_on_finish)
        self.comm_all_reduce_callback_on_start = as_list(comm_all_reduce_callback_on_start)
        self.comm_all_reduce = comm_all_reduce
        self.comm_all_reduce_callback_on_finish = as_list(comm_all_reduce_callback_on_finish)
        self.solver_update_callback_on_start = as_list(solver_update_callback_on_start)
        self.solver_update = solver_update
        self.solver_update_callback_on_finish = as_list(solver_update_callback_on_finish)
        self.accum_grad = accum_grad
        self.comm = comm
        self.grads = list(grads)

    def update(self, i: int, e: int) -> None:
        """Update in iteration `i` of epoch `e`."""
        self.solver_zero_grad(i, e)
        for ag in range(self.accum_grad):
            self.train_data_feeder(i, e, ag)
            for step in (
                *self.loss_forward_callback_on_start,
                self.loss_forward,
                *self.loss_forward_callback_on_finish,
                *self.loss_backward_callback_on_start,
                self.loss_backward,
                *self.loss_backward_callback_on_finish,
            ):
                step(i, e, ag)
        if self.comm is not None:
            for reduction in (
                *self.comm_all_reduce_callback_on_start,
                self.comm_all_reduce,
                *self.comm_all_reduce_callback_on_finish,
            ):
                reduction(i, e)
        for change in (
            *self.solver_update_callback_on_start,
            self.solver_update,
            *self.solver_update_callback_on_finish,
        ):
            change(i, e)
