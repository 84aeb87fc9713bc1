"""Door to `nnabla.data.audio.values`."""

from ...data.audio.values import normalize_intensity, rescale_intensity

__all__ = ["normalize_intensity", "rescale_intensity"]
