"""Door to `nnabla.data.images`."""

from ...data.images import (
    ImageUtilsBackend,
    backend_manager,
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
