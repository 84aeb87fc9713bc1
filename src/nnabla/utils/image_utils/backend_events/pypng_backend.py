"""Door to `nnabla.data.images.pypng`."""

from ....data.images.backends import ImageUtilsBackend
from ....data.images.pypng import PngBackend

__all__ = [
    "ImageUtilsBackend",
    "PngBackend",
]
