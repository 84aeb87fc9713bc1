"""Door to `nnabla.parametric_functions.canonical_decomposition`."""

from ...parametric_functions.canonical_decomposition import ALS

__all__ = ["ALS"]
