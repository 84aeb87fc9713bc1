"""Door to `nnabla.data.simple_sources`."""

from ..data.simple_sources import ConcatDataSource, SimpleDataSource

__all__ = ["ConcatDataSource", "SimpleDataSource"]
