"""Door to `nnabla.training.framework.data`."""

from ...training.framework.data import Data, DataSource, data_iterator

__all__ = ["Data", "DataSource", "data_iterator"]
