"""Door to `nnabla.data.sources` and the caches."""

from ..config import nnabla_config
from ..data.file_cache import DataSourceWithFileCache, DataSourceWithFileCacheError
from ..data.file_reader import FileReader
from ..data.memory_cache import DataSourceWithMemoryCache
from ..data.slices import SlicedDataSource
from ..data.sources import DataSource, EpochOrders, checked_source
from ..distributed.current import single_or_rankzero
from ..logger import logger
from ..progress import progress

__all__ = [
    "DataSource",
    "DataSourceWithFileCache",
    "DataSourceWithFileCacheError",
    "DataSourceWithMemoryCache",
    "EpochOrders",
    "FileReader",
    "SlicedDataSource",
    "checked_source",
    "logger",
    "nnabla_config",
    "progress",
    "single_or_rankzero",
]
