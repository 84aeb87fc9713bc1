"""Door to `nnabla.data.downloads`."""

from ..data.downloads import download, get_data_home
from ..logger import logger

__all__ = ["download", "get_data_home", "logger"]
