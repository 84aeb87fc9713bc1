"""Door to `nnabla.data.images.backends`."""

from ...data.images import backend_manager, get_available_backends, get_backend, set_backend
from ...data.images.backends import ImageUtilsBackend
from ...data.images.backends import ImageUtilsBackend as ImageUtilsBackendManager

__all__ = [
    "ImageUtilsBackend",
    "ImageUtilsBackendManager",
    "backend_manager",
    "get_available_backends",
    "get_backend",
    "set_backend",
]
