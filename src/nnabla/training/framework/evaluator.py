"""One evaluation: several batches through a network, between callbacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Callbacks = Callable[..., Any] | Sequence[Callable[..., Any]]


def as_list(callbacks: Callbacks) -> list[Callable[..., Any]]:
    """A single callback as a list of one."""
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]  # type: ignore[list-item]


class Evaluator:
    """Runs an evaluation, step by step through callbacks. `e` is the epoch, `vi` counts batches from 0.

    Args:
        eval_data_feeder: called as ``f(e, vi)`` to read the next batch.
        eval_graph_forward: called as ``f(e, vi)`` to compute its result.
        eval_callback_on_start: one or a list, called as ``f(e)`` before the first batch.
        eval_callback_on_finish: one or a list, called as ``f(e)`` after the last one.
        val_iter: number of batches.

    Example:
        >>> calls = []
        >>> evaluator = Evaluator(
        ...     lambda e, vi: calls.append(f"feed {vi}"), lambda e, vi: calls.append(f"forward {vi}"), val_iter=2
        ... )
        >>> evaluator.evaluate(0)
        >>> calls
        ['feed 0', 'forward 0', 'feed 1', 'forward 1']
    """

    def __init__(
        self,
        eval_data_feeder: Callable[[int, int], Any],
        eval_graph_forward: Callable[[int, int], Any],
        eval_callback_on_start: Callbacks = lambda e: None,
        eval_callback_on_finish: Callbacks = lambda e: None,
        val_iter: int = 1,
    ) -> None:
        self.eval_data_feeder = eval_data_feeder
        self.eval_graph_forward = eval_graph_forward
        self.eval_callback_on_start = as_list(eval_callback_on_start)
        self.eval_callback_on_finish = as_list(eval_callback_on_finish)
        self.val_iter = val_iter

    def evaluate(self, e: int) -> None:
        """Evaluate in epoch `e`."""
        for callback in self.eval_callback_on_start:
            callback(e)
        for vi in range(self.val_iter):
            self.eval_data_feeder(e, vi)
            self.eval_graph_forward(e, vi)
        for callback in self.eval_callback_on_finish:
            callback(e)
