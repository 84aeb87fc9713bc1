"""Door to `nnabla.converters.nnb.resolver`."""

from ....converters.nnb.resolver import Resolver

__all__ = ["Resolver"]
