"""Door to `nnabla.data.images.opencv`."""

from ....data.images.backends import ImageUtilsBackend
from ....data.images.opencv import Cv2Backend
from ....data.images.values import check_type_and_cast_if_necessary, upscale_pixel_intensity
from ....logger import logger

__all__ = [
    "Cv2Backend",
    "ImageUtilsBackend",
    "check_type_and_cast_if_necessary",
    "logger",
    "upscale_pixel_intensity",
]
