"""Door to `nnabla.data.audio`."""

from ...data.audio import (
    auload,
    auread,
    auresize,
    ausave,
    auwrite,
    get_available_backends,
    get_backend,
    minmax_auto_scale,
    rescale_intensity,
    set_backend,
)

# The module of this name, loaded later, would take the place of the object.
from .backend_manager import backend_manager

__all__ = [
    "auload",
    "auread",
    "auresize",
    "ausave",
    "auwrite",
    "backend_manager",
    "get_available_backends",
    "get_backend",
    "minmax_auto_scale",
    "rescale_intensity",
    "set_backend",
]
