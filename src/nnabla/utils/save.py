"""Door to `nnabla.converters.nnp.saving`."""

from ..converters.nnp.file_handles import FileHandlerContext, get_default_file_savers, save_files
from ..converters.nnp.saving import create_proto, save
from ..logger import logger
from ..parameter import get_parameters

__all__ = [
    "FileHandlerContext",
    "create_proto",
    "get_default_file_savers",
    "get_parameters",
    "logger",
    "save",
    "save_files",
]
