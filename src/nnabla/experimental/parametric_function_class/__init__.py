"""Doors to `nnabla.parametric_functions.classes`."""
