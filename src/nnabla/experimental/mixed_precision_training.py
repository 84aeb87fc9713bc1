"""Door to `nnabla.training.loss_scaling`."""

from ..training.loss_scaling import DynamicLossScalingUpdater

__all__ = ["DynamicLossScalingUpdater"]
