"""Door to `nnabla.parametric_functions.classes.deconvolution`."""

from ...initializer import ConstantInitializer, UniformInitializer, calc_uniform_lim_glorot
from ...parametric_functions.classes.deconvolution import Deconv1d, Deconv2d, Deconv3d, DeconvNd, Deconvolution
from ...parametric_functions.classes.module import Module

__all__ = [
    "ConstantInitializer",
    "Deconv1d",
    "Deconv2d",
    "Deconv3d",
    "DeconvNd",
    "Deconvolution",
    "Module",
    "UniformInitializer",
    "calc_uniform_lim_glorot",
]
