"""The loop over epochs and iterations."""

from __future__ import annotations

from typing import Any

from .worker import Worker


class Trainer:
    """Drives a worker through its training.

    Args:
        worker: a `Worker`, which holds everything that is special to this training.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.start_epoch = 0

    def train(self) -> None:
        """Prepare, run all epochs of all iterations, and finish.

        Epochs count from what the worker's `load_checkpoint` gives, and there are `max_epoch` of them. In each one the
        worker evaluates first; it does so once more at the end.
        """
        worker = self.worker
        self.start_epoch = worker.load_checkpoint()
        worker.training_prepare()
        worker.save_model_at_start()
        for e in range(self.start_epoch, self.start_epoch + worker.max_epoch()):
            worker.epoch_loop_start(e)
            worker.evaluate_at_epoch_start(e)
            for i in range(worker.iter_per_epoch()):
                worker.iter_loop_start(i, e)
                worker.update_in_iteration(i, e)
                worker.iter_loop_end(i, e)
            worker.epoch_loop_end(e)
            worker.save_checkpoint_at_epoch_end(e)
        worker.evaluate_at_training_end()
        worker.save_model_at_end()
        worker.training_complete()

    def brief(self) -> Any:
        """What the worker's `brief` gives."""
        return self.worker.brief()
