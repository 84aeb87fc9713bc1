"""Door to `nnabla.data.iterators`."""

from ..data.iterators import DataIterator, data_iterator, data_iterator_concat_datasets, data_iterator_simple
from ..data.simple_sources import ConcatDataSource, SimpleDataSource
from ..data.sources import DataSource, DataSourceWithMemoryCache, SlicedDataSource
from ..logger import logger

__all__ = [
    "ConcatDataSource",
    "DataIterator",
    "DataSource",
    "DataSourceWithMemoryCache",
    "SimpleDataSource",
    "SlicedDataSource",
    "data_iterator",
    "data_iterator_concat_datasets",
    "data_iterator_simple",
    "logger",
]
