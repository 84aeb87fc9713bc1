"""Door to `nnabla.parametric_functions.classes.embed`."""

from ...parametric_functions.classes.embed import Embed

__all__ = ["Embed"]
