"""Door to `nnabla.data.images.values`."""

from ....data.images.values import (
    check_type_and_cast_if_necessary,
    normalize_pixel_intensity,
    rescale_pixel_intensity,
    upscale_float_image,
    upscale_pixel_intensity,
    upscale_uint8_image,
)
from ....logger import logger

__all__ = [
    "check_type_and_cast_if_necessary",
    "logger",
    "normalize_pixel_intensity",
    "rescale_pixel_intensity",
    "upscale_float_image",
    "upscale_pixel_intensity",
    "upscale_uint8_image",
]
