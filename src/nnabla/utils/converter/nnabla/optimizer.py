"""Door to `nnabla.rewriting.affine_products`."""

from ....rewriting.affine_products import optimize_nnp

__all__ = ["optimize_nnp"]
