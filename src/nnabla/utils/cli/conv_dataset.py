"""Door to `nnabla.cli.conv_dataset`."""

from nnabla_cli.commands import conv_dataset as add_conv_dataset_command

from ...cli.conv_dataset import conv_dataset_command
from ...config import nnabla_config
from ...data.cache_source import CacheDataSource
from ...data.create_cache import CreateCache
from ...data.csv_source import CsvDataSource
from ...data.file_cache import DataSourceWithFileCache

__all__ = [
    "CacheDataSource",
    "CreateCache",
    "CsvDataSource",
    "DataSourceWithFileCache",
    "add_conv_dataset_command",
    "conv_dataset_command",
    "nnabla_config",
]
