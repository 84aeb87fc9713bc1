"""Door to `nnabla.training.out_of_core`."""

from .training.out_of_core import SwapInOutScheduler

__all__ = ["SwapInOutScheduler"]
