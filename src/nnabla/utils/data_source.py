"""Door to `nnabla.data.sources`."""

from ..data.sources import DataSource, DataSourceWithMemoryCache, EpochOrders, SlicedDataSource, checked_source

__all__ = ["DataSource", "DataSourceWithMemoryCache", "EpochOrders", "SlicedDataSource", "checked_source"]
