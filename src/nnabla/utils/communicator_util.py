"""Door to `nnabla.distributed.current`."""

from ..distributed.current import create_communicator, current_communicator, single_or_rankzero
from ..logger import logger

__all__ = ["create_communicator", "current_communicator", "logger", "single_or_rankzero"]
