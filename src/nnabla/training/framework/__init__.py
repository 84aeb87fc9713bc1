"""A training loop whose steps are methods to override: `Data` feeds a `Worker`, which a `Trainer` drives."""

from .data import Data
from .trainer import Trainer
from .worker import Worker

__all__ = ["Data", "Trainer", "Worker"]
