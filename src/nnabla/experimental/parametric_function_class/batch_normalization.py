"""Door to `nnabla.parametric_functions.classes.batch_normalization`."""

from ...parametric_functions.classes.batch_normalization import (
    ARGUMENTS,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    BatchNormalization,
)

__all__ = ["ARGUMENTS", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "BatchNormalization"]
