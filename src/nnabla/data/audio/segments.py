"""Samples as segments of pydub's, for programs that use that library, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import ArgumentError
from . import auread as read_audio


def auread(source: Any, channel_first: bool = False, raw_format_param: Mapping[str, int] | None = None) -> np.ndarray:
    """See `nnabla.data.audio.auread`."""
    return read_audio(source, channel_first, raw_format_param)


def get_nparray_from_pydub(audio_segment: Any) -> np.ndarray:
    """The samples of a segment, of shape (samples, channels): signed integers, as pydub has them."""
    samples = np.array(audio_segment.get_array_of_samples())
    return samples.reshape(-1, audio_segment.channels)


def get_audiosegment_from_nparray(nparr: np.ndarray, frame_rate: int = 48000) -> Any:
    """A segment of pydub's for signed samples of shape (samples, channels).

    Raises:
        ArgumentError: they are of another type or shape.
        ImportError: pydub is not installed.
    """
    from pydub import AudioSegment

    if nparr.ndim != 2 or nparr.dtype not in (np.int8, np.int16, np.int32):
        raise ArgumentError(
            "get_audiosegment_from_nparray: samples must be int8, int16 or int32 and of shape (samples, channels), not "
            f"{nparr.dtype} of shape {nparr.shape}"
        )
    return AudioSegment(
        np.ascontiguousarray(nparr).tobytes(),
        sample_width=nparr.dtype.itemsize,
        frame_rate=frame_rate,
        channels=nparr.shape[1],
    )
