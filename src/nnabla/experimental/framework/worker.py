"""Door to `nnabla.training.framework.worker`."""

from ...training.framework.worker import Evaluator, Updater, Worker, logger

__all__ = ["Evaluator", "Updater", "Worker", "logger"]
