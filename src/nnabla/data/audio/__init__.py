"""Audio files: wave files by code of our own, other formats by libsndfile (``pip install nnabla[audio]``).

Samples are NumPy arrays of shape (samples, channels), or (channels, samples) with `channel_first`. They are not scaled:
8 bits are ``uint8``, where silence is 128, 16 bits ``int16``, 24 and 32 bits ``int32``, of which 24 bits fill the upper
ones. ``auread(path) / 2**15`` has 16 bits in [-1, 1).

Example:
    >>> import tempfile, os
    >>> tone = (np.sin(np.arange(480) * 0.1) * 20000).astype(np.int16)[:, np.newaxis]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ausave(os.path.join(folder, "tone.wav"), tone, frame_rate=48000)
    ...     same = auread(os.path.join(folder, "tone.wav"))
    >>> same.shape, same.dtype.name, bool((same == tone).all())
    ((480, 1), 'int16', True)
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError
from ...files.atomic import replacing
from ..file_reader import ResourceFileReader, get_file_extension
from . import wav
from .backends import backend_manager, sound_file
from .values import minmax_auto_scale, rescale_intensity

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

_RAW_TYPES: dict[int, np.dtype] = {1: np.dtype("u1"), 2: np.dtype("<i2"), 4: np.dtype("<i4")}


def get_available_backends() -> list[str]:
    """``"wave"``, and ``"soundfile"`` if it is installed."""
    return backend_manager.get_available_backends()


def get_backend() -> str:
    """Name of the backend that reads wave files."""
    return backend_manager.backend


def set_backend(backend: str) -> None:
    """Read wave files by ``"wave"``, the default, or ``"soundfile"``; other formats are always the latter's.

    Raises:
        ArgumentError: there is no such backend.
        ExtensionError: it is not installed.
    """
    backend_manager.backend = backend


def auread(
    path: Any, channel_first: bool = False, raw_format_param: Mapping[str, int] | None = None, **kwargs: Any
) -> np.ndarray:
    """Read an audio file.

    Args:
        path: path, address, or a file opened in binary mode. The extension says the format; without one, the contents.
        channel_first: (channels, samples) instead of (samples, channels).
        raw_format_param: of a ``.raw`` file, which says nothing about itself: ``sample_width`` in bytes (1, 2 or 4),
            ``channels`` and ``frame_rate``.

    Returns:
        ``uint8``, ``int16`` or ``int32``, as stored; wave files of floats give these.

    Raises:
        FormatError: it is no audio file, truncated, or of a kind that cannot be read.
        ArgumentError: a ``.raw`` file without its parameters.
        ExtensionError: it is no wave file, and soundfile is not installed.
    """
    if kwargs:
        raise TypeError(f"auread: unknown arguments {', '.join(kwargs)}")
    name = os.fspath(path) if isinstance(path, (str, os.PathLike)) else str(getattr(path, "name", "the file"))
    extension = get_file_extension(path)
    with ResourceFileReader(path).open() as file:
        if extension == ".raw":
            samples = _read_raw(file.read(), raw_format_param)
        elif extension == ".wav" and backend_manager.backend == "wave":
            samples, _ = wav.read(file, f"auread: {name}")
        else:
            samples = sound_file("auread", name).read(file, name)
    return np.ascontiguousarray(samples.T) if channel_first else samples


def _read_raw(data: bytes, parameters: Mapping[str, int] | None) -> np.ndarray:
    names = ("sample_width", "channels", "frame_rate")
    if parameters is None or any(name not in parameters for name in names):
        raise ArgumentError(f"auread: a .raw file needs raw_format_param with {', '.join(names)}; got {parameters}")
    dtype = _RAW_TYPES.get(parameters["sample_width"])
    channels = parameters["channels"]
    if dtype is None or channels < 1:
        raise ArgumentError(f"auread: sample_width must be 1, 2 or 4 and channels at least 1; got {dict(parameters)}")
    count = len(data) // (dtype.itemsize * channels) * channels
    return np.frombuffer(data, dtype, count).reshape(-1, channels).astype(dtype.newbyteorder("="))


def ausave(
    path: Any, audio_arr: np.ndarray, channel_first: bool = False, frame_rate: int = 48000, **kwargs: Any
) -> None:
    """Write an audio file; the extension says the format.

    Args:
        path: file name, or a file opened in binary mode, which becomes a wave file.
        audio_arr: ``uint8``, ``int16`` or ``int32``, of shape (samples, channels).
        channel_first: it is (channels, samples).
        frame_rate: samples in a second.

    Raises:
        ArgumentError: the array is of another type or shape, or the extension is unknown.
        ExtensionError: it is to be no wave file, and soundfile is not installed.
    """
    if kwargs:
        raise TypeError(f"ausave: unknown arguments {', '.join(kwargs)}")
    samples = _checked("ausave", audio_arr, channel_first)
    is_file = not isinstance(path, (str, os.PathLike))
    extension = ".wav" if is_file else os.path.splitext(os.fspath(path))[1].lower()
    buffer = io.BytesIO()
    if extension == ".wav":
        wav.write(buffer, samples, frame_rate)
    else:
        sound_file("ausave", os.fspath(path)).write(buffer, samples, frame_rate, extension)
    if is_file:
        path.write(buffer.getvalue())
        return
    with replacing(path, flush=False) as temporary, open(temporary, "wb") as file:
        file.write(buffer.getvalue())


def auresize(audio_arr: np.ndarray, size: Sequence[int], channel_first: bool = False, **kwargs: Any) -> np.ndarray:
    """Resample by linear interpolation, and make one channel of several or several of one.

    Args:
        audio_arr: of shape (samples, channels).
        size: (samples, channels) of the result, or (channels, samples) with `channel_first`.
        channel_first: the array and the result are (channels, samples).

    Returns:
        In the type of the array, of exactly this size.

    Raises:
        ArgumentError: the size is no pair of positive integers, or asks for another change of channels.
    """
    if kwargs:
        raise TypeError(f"auresize: unknown arguments {', '.join(kwargs)}")
    samples = _checked("auresize", audio_arr, channel_first)
    if not isinstance(size, (list, tuple)) or len(size) != 2 or any(int(n) < 1 for n in size):
        raise ArgumentError(f"auresize: size must be a list or tuple (samples, channels), not {size!r}")
    count, channels = (int(n) for n in (size[::-1] if channel_first else size))
    values = samples.astype(np.float64)
    if channels != samples.shape[1]:
        if channels != 1 and samples.shape[1] != 1:
            raise ArgumentError(f"auresize: {samples.shape[1]} channels can become 1, and 1 can become {channels}")
        values = values.mean(axis=1, keepdims=True) if channels == 1 else np.repeat(values, channels, axis=1)
    if count != len(values):
        at = np.arange(count) * (len(values) / count)
        values = np.stack([np.interp(at, np.arange(len(values)), channel) for channel in values.T], axis=1)
    if samples.dtype.kind in "ui":
        values = np.floor(values)
    resized = values.astype(samples.dtype)
    return np.ascontiguousarray(resized.T) if channel_first else resized


def _checked(function: str, audio_arr: Any, channel_first: bool) -> np.ndarray:
    if not isinstance(audio_arr, np.ndarray) or audio_arr.ndim != 2 or 0 in audio_arr.shape:
        found = f"shape {audio_arr.shape}" if isinstance(audio_arr, np.ndarray) else type(audio_arr).__name__
        raise ArgumentError(f"{function}: audio must be an array of shape (samples, channels), not {found}")
    return audio_arr.T if channel_first else audio_arr


auload = auread
auwrite = ausave
