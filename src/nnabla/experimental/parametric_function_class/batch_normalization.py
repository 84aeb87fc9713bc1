"""Door to `nnabla.parametric_functions.classes.batch_normalization`."""

from ...initializer import ConstantInitializer
from ...parametric_functions.classes.batch_normalization import (
    ARGUMENTS,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    BatchNormalization,
)
from ...parametric_functions.classes.module import Module

__all__ = [
    "ARGUMENTS",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "BatchNormalization",
    "ConstantInitializer",
    "Module",
]
