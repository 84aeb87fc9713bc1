"""Door to `nnabla.parametric_functions.classes.embed`."""

from ...initializer import UniformInitializer
from ...parametric_functions.classes.embed import Embed
from ...parametric_functions.classes.module import Module

__all__ = ["Embed", "Module", "UniformInitializer"]
