"""Door to `nnabla.data.create_cache`."""

from ..config import nnabla_config
from ..data.create_cache import CreateCache
from ..data.csv_source import CsvDataSource
from ..data.file_reader import FileReader
from ..distributed.current import single_or_rankzero
from ..logger import logger
from ..progress import progress

__all__ = [
    "CreateCache",
    "CsvDataSource",
    "FileReader",
    "logger",
    "nnabla_config",
    "progress",
    "single_or_rankzero",
]
