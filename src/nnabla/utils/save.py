"""Door to `nnabla.converters.nnp.saving`."""

from ..converters.nnp.saving import create_proto, save
from ..logger import logger
from ..parameter import get_parameters

__all__ = ["create_proto", "get_parameters", "logger", "save"]
