"""Door to `nnabla.data.images.pillow`."""

from ....data.images.backends import ImageUtilsBackend
from ....data.images.pillow import PilBackend
from ....logger import logger

__all__ = [
    "ImageUtilsBackend",
    "PilBackend",
    "logger",
]
