"""PNG files of 16 bits per channel, all of them.

Pillow reads 16-bit grey as it is, but of colour and alpha it keeps the upper 8 bits. Its decoder can be told how bytes
lie in a file, though: read once as if the first byte of each pair were the upper one and once as if it were the second,
the two halves give the whole.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

# How Pillow describes the pixels of a PNG, and how to read both halves of each value.
_HALVES = {"RGB;16B": ("RGB;16B", "RGB;16L"), "RGBA;16B": ("RGBA;16B", "RGBA;16L")}
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""By number of channels (PNG specification, 11.2.2)."""


def raw_mode(image: Any) -> str:
    """How Pillow describes the pixels of an image that it has opened; empty for what it does not read in tiles."""
    return str(image.tile[0][3]) if image.format == "PNG" and image.tile else ""


def is_16_bit(image: Any) -> bool:
    """Whether an image that Pillow has opened is a PNG of 16 bits per channel."""
    return raw_mode(image) in (*_HALVES, "LA;16B", "I;16B")


def read(image: Any, reopened: Callable[[], Any]) -> np.ndarray:
    """All 16 bits of an image that Pillow has opened, as ``uint16``; `reopened` opens it once more."""
    mode = raw_mode(image)
    if mode == "LA;16B":
        # Pairs of bytes, as if they were channels.
        pairs = _read_as(image, "RGBA")
        return (pairs[:, :, ::2].astype(np.uint16) << 8) | pairs[:, :, 1::2]
    if mode == "I;16B":
        return np.asarray(image).astype(np.uint16)
    upper, lower = _HALVES[mode]
    return (_read_as(image, upper).astype(np.uint16) << 8) | _read_as(reopened(), lower)


def _read_as(image: Any, mode: str) -> np.ndarray:
    tile = image.tile[0]
    image.tile = [(*tile[:3], mode)]
    return np.asarray(image)


def written(img: np.ndarray) -> bytes:
    """The file for an image of type ``uint16`` and shape (height, width[, channels])."""
    height, width = img.shape[:2]
    channels = 1 if img.ndim == 2 else img.shape[2]
    rows = img.astype(">u2").reshape(height, -1).view(np.uint8)
    # Each row begins with the number of its filter: 0, none.
    data = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
