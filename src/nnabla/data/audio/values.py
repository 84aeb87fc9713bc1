"""Values of samples of sound: their ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..images.values import normalize_pixel_intensity, rescale_pixel_intensity


def normalize_intensity(audio_arr: np.ndarray, input_low: float, input_high: float) -> np.ndarray:
    """Map `input_low` to 0 and `input_high` to 1, linearly; see `normalize_pixel_intensity`, which does it."""
    return normalize_pixel_intensity(audio_arr, input_low, input_high)


def rescale_intensity(
    audio_arr: np.ndarray,
    input_low: float = 0,
    input_high: float = 255,
    output_low: float = 0,
    output_high: float = 255,
    output_type: Any = None,
) -> np.ndarray:
    """Map one range of values to another, linearly; see `rescale_pixel_intensity`, which does it."""
    return rescale_pixel_intensity(audio_arr, input_low, input_high, output_low, output_high, output_type)


def minmax_auto_scale(audio_arr: np.ndarray, out_datatype: Any) -> np.ndarray:
    """The samples in another type, the least mapped to the least that the type can hold, the largest to the largest."""
    dtype = np.dtype(out_datatype)
    limits = np.iinfo(dtype) if dtype.kind in "ui" else np.finfo(dtype)
    low, high = float(audio_arr.min()), float(audio_arr.max())
    # In steps, since the width of the range of a float is no float.
    share = normalize_intensity(audio_arr.astype(np.float64), low, high)
    scaled: np.ndarray = share * float(limits.max) + (1 - share) * float(limits.min)
    return scaled.astype(dtype)
