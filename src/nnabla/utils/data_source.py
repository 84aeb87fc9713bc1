"""Door to `nnabla.data.sources`."""

from ..config import nnabla_config
from ..data.sources import DataSource, DataSourceWithMemoryCache, EpochOrders, SlicedDataSource, checked_source
from ..logger import logger
from ..progress import progress

__all__ = [
    "DataSource",
    "DataSourceWithMemoryCache",
    "EpochOrders",
    "SlicedDataSource",
    "checked_source",
    "logger",
    "nnabla_config",
    "progress",
]
