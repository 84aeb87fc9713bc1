"""Wave files: uncompressed samples, as integers or floats, in any number of channels."""

from __future__ import annotations

import struct
import wave
from typing import BinaryIO

import numpy as np

from ...errors import ArgumentError, FormatError

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_TYPES: dict[tuple[int, int], np.dtype] = {
    (_PCM, 8): np.dtype("u1"),
    (_PCM, 16): np.dtype("<i2"),
    (_PCM, 32): np.dtype("<i4"),
    (_FLOAT, 32): np.dtype("<f4"),
    (_FLOAT, 64): np.dtype("<f8"),
}


def read(file: BinaryIO, name: str) -> tuple[np.ndarray, int]:
    """Samples, of shape (samples, channels), and how many there are in a second.

    8 bits come as ``uint8``, where silence is 128, 16 as ``int16``, 24 as ``int32``, times 256, 32 as ``int32``, floats
    as ``float32`` or ``float64``.

    Raises:
        FormatError: `name`, and that it is no wave file, is compressed, or shorter than it says.
    """
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise FormatError(f"{name} is no wave file")
    described: tuple[int, int, int, int] | None = None
    while True:
        start = file.read(8)
        if len(start) < 8:
            raise FormatError(f"{name} is truncated: it has no samples")
        kind, size = start[:4], struct.unpack("<I", start[4:])[0]
        body = file.read(size + size % 2)
        if kind == b"fmt ":
            described = _described(body, name)
        elif kind == b"data":
            if len(body) < size:
                raise FormatError(f"{name} is truncated: {len(body)} of {size} bytes of samples are there")
            if described is None:
                raise FormatError(f"{name} does not say how its samples are stored")
            form, channels, rate, bits = described
            return _samples(body[:size], form, channels, bits, name), rate


def _described(body: bytes, name: str) -> tuple[int, int, int, int]:
    """Form, channels, samples in a second and bits of a sample."""
    if len(body) < 16:
        raise FormatError(f"{name} is truncated: it does not say how its samples are stored")
    form, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if form == _EXTENSIBLE and len(body) >= 26:
        form = struct.unpack("<H", body[24:26])[0]
    if channels < 1:
        raise FormatError(f"{name} has no channels")
    return form, channels, rate, bits


def _samples(data: bytes, form: int, channels: int, bits: int, name: str) -> np.ndarray:
    if (form, bits) == (_PCM, 24):
        triples = np.frombuffer(data[: len(data) // (3 * channels) * 3 * channels], np.uint8).reshape(-1, 3)
        wide = np.zeros((len(triples), 4), np.uint8)
        wide[:, 1:] = triples
        return wide.view("<i4").reshape(-1, channels).astype(np.int32)
    dtype = _TYPES.get((form, bits))
    if dtype is None:
        raise FormatError(
            f"{name} has samples of form {form} with {bits} bits; 8, 16, 24 and 32 bits and floats can be read"
        )
    count = len(data) // (dtype.itemsize * channels) * channels
    return np.frombuffer(data, dtype, count).reshape(-1, channels).astype(dtype.newbyteorder("="))


def write(file: BinaryIO, samples: np.ndarray, frame_rate: int) -> None:
    """Write samples of type ``uint8``, ``int8``, ``int16`` or ``int32`` and shape (samples, channels).

    Raises:
        ArgumentError: they are of another type.
    """
    if samples.dtype == np.int8:
        samples = (samples.astype(np.int16) + 128).astype(np.uint8)
    if samples.dtype not in (np.uint8, np.int16, np.int32):
        raise ArgumentError(
            f"ausave: a wave file takes uint8, int16 or int32, not {samples.dtype}; minmax_auto_scale converts"
        )
    with wave.open(file, "wb") as writer:
        writer.setnchannels(samples.shape[1])
        writer.setsampwidth(samples.dtype.itemsize)
        writer.setframerate(frame_rate)
        writer.writeframes(samples.astype(samples.dtype.newbyteorder("<")).tobytes())
