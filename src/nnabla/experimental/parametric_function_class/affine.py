"""Door to `nnabla.parametric_functions.classes.affine`."""

from ...parametric_functions.classes.affine import Affine, Linear

__all__ = ["Affine", "Linear"]
