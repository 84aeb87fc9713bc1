"""Door to `nnabla.data.images.values`, whose arithmetic serves audio, too."""

from ...data.images.values import normalize_pixel_intensity as normalize_intensity
from ...data.images.values import rescale_pixel_intensity as rescale_intensity

__all__ = ["normalize_intensity", "rescale_intensity"]
