"""Door to `nnabla.training.framework.trainer`."""

from ...training.framework.trainer import Trainer

__all__ = ["Trainer"]
