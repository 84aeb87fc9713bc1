"""Door to `nnabla.training.framework.updater`."""

from ...training.framework.updater import Updater

__all__ = ["Updater"]
