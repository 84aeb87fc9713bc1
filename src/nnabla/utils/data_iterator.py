"""Door to `nnabla.data.iterators` and the functions that make them."""

from ..data.cache_source import CacheDataSource
from ..data.csv_source import CsvDataSource
from ..data.file_cache import DataSourceWithFileCache
from ..data.iterators import DataIterator
from ..data.making_iterators import (
    data_iterator,
    data_iterator_cache,
    data_iterator_concat_datasets,
    data_iterator_csv_dataset,
    data_iterator_simple,
)
from ..data.memory_cache import DataSourceWithMemoryCache
from ..data.simple_sources import ConcatDataSource, SimpleDataSource
from ..data.slices import SlicedDataSource
from ..data.sources import DataSource
from ..data.workers import WorkerError, Workers
from ..logger import logger

__all__ = [
    "CacheDataSource",
    "ConcatDataSource",
    "CsvDataSource",
    "DataIterator",
    "DataSource",
    "DataSourceWithFileCache",
    "DataSourceWithMemoryCache",
    "SimpleDataSource",
    "SlicedDataSource",
    "WorkerError",
    "Workers",
    "data_iterator",
    "data_iterator_cache",
    "data_iterator_concat_datasets",
    "data_iterator_csv_dataset",
    "data_iterator_simple",
    "logger",
]
