"""Door to `nnabla.converters.nnp.file_handles`."""

from ..converters.nnp.file_handles import (
    FileHandlerContext,
    get_buf_type,
    get_decorated_file_loader,
    get_default_file_savers,
    get_file_handle_load,
    get_file_handle_save,
    get_initial_file_loader,
    get_parameter_file_loader,
    get_parameter_file_savers,
    load_files,
    load_solve_state_from_h5,
    save_files,
)
from ..logger import logger
from .nnp_format import nnp_version

__all__ = [
    "FileHandlerContext",
    "get_buf_type",
    "get_decorated_file_loader",
    "get_default_file_savers",
    "get_file_handle_load",
    "get_file_handle_save",
    "get_initial_file_loader",
    "get_parameter_file_loader",
    "get_parameter_file_savers",
    "load_files",
    "load_solve_state_from_h5",
    "logger",
    "nnp_version",
    "save_files",
]
