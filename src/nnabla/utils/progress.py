"""Door to `nnabla.progress`."""

from typing import Any

from .. import progress as _room
from ..logger import logger
from ..progress import configure_progress, progress

__all__ = ["configure_progress", "logger", "progress"]


def __getattr__(name: str) -> Any:
    return getattr(_room, name)
