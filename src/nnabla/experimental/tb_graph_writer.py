"""Door to `nnabla.inspection.tensorboard_files`."""

from ..inspection.tensorboard_files import DT_FLOAT, TBGraphWriter, get_parameters

__all__ = ["DT_FLOAT", "TBGraphWriter", "get_parameters"]
