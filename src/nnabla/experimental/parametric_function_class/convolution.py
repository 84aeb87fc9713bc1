"""Door to `nnabla.parametric_functions.classes.convolution`."""

from ...initializer import ConstantInitializer, UniformInitializer, calc_uniform_lim_glorot
from ...parametric_functions.classes.convolution import Conv1d, Conv2d, Conv3d, ConvNd, Convolution, Filtering
from ...parametric_functions.classes.module import Module

__all__ = [
    "ConstantInitializer",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvNd",
    "Convolution",
    "Filtering",
    "Module",
    "UniformInitializer",
    "calc_uniform_lim_glorot",
]
