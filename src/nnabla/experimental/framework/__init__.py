"""Door to `nnabla.training.framework`."""

from ...training.framework import Data, Trainer, Worker

__all__ = ["Data", "Trainer", "Worker"]
