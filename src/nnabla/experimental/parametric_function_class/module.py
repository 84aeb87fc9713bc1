"""Door to `nnabla.parametric_functions.classes.module`."""

from ...parametric_functions.classes.module import Module, check_sizes, fresh_scope

__all__ = ["Module", "check_sizes", "fresh_scope"]
