"""The steps of a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...logger import logger
from .evaluator import Evaluator
from .updater import Updater

__all__ = ["Evaluator", "Updater", "Worker", "logger"]


class Worker:
    """Base class of what is special to one training: every step of it is a method.

    A derived class sets ``_loss`` (a Variable) in `_loss_init` and ``_solver`` in `_solver_init`, and defines whatever
    of the other methods it needs; by default they do nothing. `e` is the epoch, `i` the iteration in it; both count
    from 0. One that trains in several processes sets ``_comm`` and ``grads`` in `_comm_init`, and gives ``_comm`` to
    an ``_updater`` of its own.

    Args:
        data: a `Data`, kept as ``_data``.
        max_epoch: number of epochs.
        iter_per_epoch: updates in each epoch.
        clear_buffer: whether backward frees what is not needed any more.
        clear_no_need_grad: whether forward frees what backward will not need.

    Example:
        >>> import numpy as np, nnabla as nn, nnabla.functions as F, nnabla.solvers as S
        >>> from nnabla.experimental.framework import Trainer
        >>> class Halving(Worker):
        ...     def _var_init(self):
        ...         self.w = nn.Variable.from_numpy_array(np.float32([8]), need_grad=True)
        ...     def _loss_init(self):
        ...         self._loss = F.sum(self.w * self.w)
        ...     def _solver_init(self):
        ...         self._solver = S.Sgd(0.25)
        ...         self._solver.set_parameters({"w": self.w})
        ...     def iter_loop_end(self, i, e):
        ...         print(e, i, self.w.d)
        >>> Trainer(Halving(data=None, max_epoch=1, iter_per_epoch=2)).train()
        0 0 [4.]
        0 1 [2.]
    """

    # What a derived class sets.
    _loss: Any
    _solver: Any
    _comm: Any = None
    grads: list[Any]

    def __init__(
        self,
        data: Any,
        max_epoch: int = 1,
        iter_per_epoch: int = 1,
        clear_buffer: bool = True,
        clear_no_need_grad: bool = True,
    ) -> None:
        self._data = data
        self._max_epoch = max_epoch
        self._iter_per_epoch = iter_per_epoch
        self._clear_buffer = clear_buffer
        self._clear_no_need_grad = clear_no_need_grad
        self._updater = Updater(
            self._train_data_feeder,
            self._solver_zero_grad,
            self._solver_update,
            self._loss_forward,
            self._loss_backward,
            self._loss_forward_callback_on_start,
            self._loss_forward_callback_on_finish,
            self._loss_backward_callback_on_start,
            self._loss_backward_callback_on_finish,
            self._comm_all_reduce_callback_on_start,
            self._comm_all_reduce,
            self._comm_all_reduce_callback_on_finish,
            self._solver_update_callback_on_start,
            self._solver_update_callback_on_finish,
        )
        self._evaluator = Evaluator(
            self._eval_data_feeder,
            self._eval_graph_forward,
            self._eval_callback_on_start,
            self._eval_callback_on_finish,
        )

    def max_epoch(self) -> int:
        """Number of epochs."""
        return self._max_epoch

    def iter_per_epoch(self) -> int:
        """Updates in each epoch."""
        return self._iter_per_epoch

    def _loopCallbackCondition(
        self,
        i: int = 0,
        e: int = 0,
        ag: int = 0,
        toExecute: Callable[[int, int, int], Any] = lambda i, e, ag: True,
    ) -> Any:
        """Whether a callback shall act this time: what ``toExecute(i, e, ag)`` says."""
        return toExecute(i, e, ag)

    # ---- preparation -------------------------------------------------------------------------------------

    def load_checkpoint(self) -> int:
        """Load what an earlier training saved; the epoch to begin with."""
        return 0

    def training_prepare(self) -> None:
        """Make everything that the training needs, by the methods ``_*_init``."""
        self._ctx_init()
        self._var_init()
        self._comm_init()
        self._data_init()
        self._graph_init()
        self._loss_init()
        self._solver_init()
        self._monitor_init()

    def _ctx_init(self) -> None:
        """Set the default context."""

    def _var_init(self) -> None:
        """Make the input variables."""

    def _comm_init(self) -> None:
        """Make the communicator, ``_comm``."""

    def _data_init(self) -> None:
        """Prepare ``_data``."""

    def _graph_init(self) -> None:
        """Build the networks for training and evaluation."""

    def _loss_init(self) -> None:
        """Build the loss, ``_loss``."""

    def _solver_init(self) -> None:
        """Make the solver, ``_solver``."""

    def _monitor_init(self) -> None:
        """Make the monitors."""

    # ---- one update --------------------------------------------------------------------------------------

    def update_in_iteration(self, i: int, e: int) -> None:
        """One update, by ``_updater``."""
        self._updater.update(i, e)

    def _solver_zero_grad(self, i: int, e: int) -> None:
        self._solver.zero_grad()

    def _train_data_feeder(self, i: int, e: int, ag: int) -> None:
        """Put the next batch into the input variables of training; `ag` counts the batches of one update."""

    def _loss_forward_callback_on_start(self, i: int, e: int, ag: int) -> None:
        """Called before the loss is computed."""

    def _loss_forward(self, i: int, e: int, ag: int) -> None:
        self._loss.forward(clear_no_need_grad=self._clear_no_need_grad)

    def _loss_forward_callback_on_finish(self, i: int, e: int, ag: int) -> None:
        """Called after the loss was computed."""

    def _loss_backward_callback_on_start(self, i: int, e: int, ag: int) -> None:
        """Called before the gradients are computed."""

    def _loss_backward(self, i: int, e: int, ag: int) -> None:
        self._loss.backward(clear_buffer=self._clear_buffer)

    def _loss_backward_callback_on_finish(self, i: int, e: int, ag: int) -> None:
        """Called after the gradients were computed."""

    def _comm_all_reduce_callback_on_start(self, i: int, e: int) -> None:
        """Called before the gradients of all processes are summed."""

    def _comm_all_reduce(self, i: int, e: int) -> None:
        """Sum the gradients in the attribute ``grads`` over all processes."""
        if self._comm is not None:
            self._comm.all_reduce(self.grads, division=False, inplace=False)

    def _comm_all_reduce_callback_on_finish(self, i: int, e: int) -> None:
        """Called after the gradients of all processes were summed."""

    def _solver_update_callback_on_start(self, i: int, e: int) -> None:
        """Called before the parameters are updated: the place for weight decay and clipping."""

    def _solver_update(self, i: int, e: int) -> None:
        self._solver.update()

    def _solver_update_callback_on_finish(self, i: int, e: int) -> None:
        """Called after the parameters were updated."""

    # ---- evaluation --------------------------------------------------------------------------------------

    def evaluate_at_epoch_start(self, e: int) -> None:
        """Evaluate before the updates of epoch `e`, by ``_evaluator``."""
        self._evaluator.evaluate(e)

    def evaluate_at_training_end(self) -> None:
        """Evaluate after all epochs, as epoch `max_epoch`."""
        self._evaluator.evaluate(self._max_epoch)

    def _eval_callback_on_start(self, e: int) -> None:
        """Called before an evaluation."""

    def _eval_data_feeder(self, e: int, vi: int) -> None:
        """Put the next batch into the input variables of evaluation; `vi` counts its batches."""

    def _eval_graph_forward(self, e: int, vi: int) -> None:
        """Compute the results of the batch."""

    def _eval_callback_on_finish(self, e: int) -> None:
        """Called after an evaluation: the place for its monitors."""

    # ---- around the loops --------------------------------------------------------------------------------

    def epoch_loop_start(self, e: int) -> None:
        """Called when epoch `e` begins."""

    def epoch_loop_end(self, e: int) -> None:
        """Called when epoch `e` ends."""

    def iter_loop_start(self, i: int, e: int) -> None:
        """Called before an update."""

    def iter_loop_end(self, i: int, e: int) -> None:
        """Called after an update."""

    def save_checkpoint_at_epoch_end(self, e: int) -> None:
        """Save what `load_checkpoint` loads."""

    def save_model_at_start(self) -> None:
        """Save the model before the first epoch."""

    def save_model_at_end(self) -> None:
        """Save the model after the last epoch."""

    def training_complete(self) -> None:
        """Called at the very end."""

    def brief(self) -> Any:
        """A description of the training and of its result."""
        return None
