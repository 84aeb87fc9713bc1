"""Door to `nnabla.parametric_functions.classes.affine`."""

from ...initializer import ConstantInitializer, UniformInitializer, calc_uniform_lim_glorot
from ...parametric_functions.classes.affine import Affine, Linear
from ...parametric_functions.classes.module import Module

__all__ = ["Affine", "ConstantInitializer", "Linear", "Module", "UniformInitializer", "calc_uniform_lim_glorot"]
