"""Door to the data sources in `nnabla.data`."""

from ..config import nnabla_config
from ..data.cache_source import CacheDataSource, CachePrefetcher, CacheReaderWithPrefetch
from ..data.csv_source import CsvDataSource
from ..data.file_reader import FileReader
from ..data.loaders import load
from ..data.simple_sources import ConcatDataSource, SimpleDataSource
from ..data.sources import DataSource
from ..distributed.current import current_communicator
from ..logger import logger

__all__ = [
    "CacheDataSource",
    "CachePrefetcher",
    "CacheReaderWithPrefetch",
    "ConcatDataSource",
    "CsvDataSource",
    "DataSource",
    "FileReader",
    "SimpleDataSource",
    "current_communicator",
    "load",
    "logger",
    "nnabla_config",
]
