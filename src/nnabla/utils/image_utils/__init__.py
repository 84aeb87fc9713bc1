"""Door to `nnabla.data.images`."""

from ...data.images import (
    ImageUtilsBackend,
    get_available_backends,
    get_backend,
    imload,
    imread,
    imresize,
    imsave,
    imwrite,
    minmax_auto_scale,
    rescale_pixel_intensity,
    set_backend,
)

# The module of this name, loaded later, would take the place of the object.
from .backend_manager import backend_manager

__all__ = [
    "ImageUtilsBackend",
    "backend_manager",
    "get_available_backends",
    "get_backend",
    "imload",
    "imread",
    "imresize",
    "imsave",
    "imwrite",
    "minmax_auto_scale",
    "rescale_pixel_intensity",
    "set_backend",
]
