"""Door to `nnabla.data.simple_sources`."""

from ..config import nnabla_config
from ..data.simple_sources import ConcatDataSource, SimpleDataSource
from ..data.sources import DataSource
from ..logger import logger

__all__ = ["ConcatDataSource", "DataSource", "SimpleDataSource", "logger", "nnabla_config"]
