"""Door to `nnabla.data.images.backends`."""

from ....data.images.backends import ImageUtilsBackend

__all__ = [
    "ImageUtilsBackend",
]
