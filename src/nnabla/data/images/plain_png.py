"""PNG files as most data sets have them, of 8 bits and without palettes, decoded with fewer detours.

Pillow looks at a file chunk by chunk in Python, for all that a PNG may have. Here the chunks are found and what they
compress goes to Pillow's decoder at once, which for small images takes less than half of the time. Whatever is not
plain, or not whole, is left to Pillow, and so are its errors.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">8sI4sIIBBBBBI")
_CHUNK = struct.Struct(">I4s")

_MODES = {0: ("L", 1), 2: ("RGB", 3), 4: ("LA", 2), 6: ("RGBA", 4)}
"""Pillow's mode, and the number of channels, by colour type (PNG specification, 11.2.2)."""

# Chunks that have nothing to do with the values of the pixels, and their lengths; None for any.
_BESIDE = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"tIME": 7, b"tEXt": None}


def is_plain(data: bytes) -> bool:
    """Whether it is a PNG of 8 bits per channel, without a palette and not interlaced, by its first 33 bytes."""
    if len(data) < _HEADER.size:
        return False
    signature, length, kind, width, height, bits, colours, *others, check = _HEADER.unpack_from(data)
    return (
        (signature, length, kind, bits) == (_SIGNATURE, 13, b"IHDR", 8)
        # Compression, filters and interlacing: the usual ones, and none.
        and others == [0, 0, 0]
        and colours in _MODES
        and width > 0
        and height > 0
        and check == zlib.crc32(data[12:29])
    )


def pixels(data: bytes, library: Any) -> np.ndarray | None:
    """The pixels of a file for which `is_plain` holds, (height, width[, channels]); None if Pillow shall read it.

    Args:
        data: the whole file.
        library: the module ``PIL.Image``.
    """
    width, height, _, colours = struct.unpack_from(">IIBB", data, 16)
    largest = library.MAX_IMAGE_PIXELS
    if largest is not None and width * height > largest:
        return None
    compressed = _compressed(data)
    if compressed is None:
        return None
    mode, channels = _MODES[colours]
    try:
        image = library.frombytes(mode, (width, height), compressed, "zip", mode)
    except (ValueError, OSError, SyntaxError):
        return None
    array = np.frombuffer(image.tobytes(), np.uint8)
    return array.reshape((height, width, channels) if channels > 1 else (height, width))


def _compressed(data: bytes) -> bytes | None:
    """The contents of all IDAT chunks; None if the file is damaged, or has a chunk that may tell more of its pixels."""
    found: list[bytes] = []
    at, end, last = _HEADER.size, len(data), b"IHDR"
    while at + 12 <= end:
        length, kind = _CHUNK.unpack_from(data, at)
        following = at + length + 12
        if kind == b"IDAT":
            if found and last != b"IDAT":
                return None
            found.append(data[at + 8 : following - 4])
        elif kind == b"IEND":
            return found[0] if len(found) == 1 else b"".join(found) or None
        elif (
            kind not in _BESIDE
            or _BESIDE[kind] not in (None, length)
            or data[following - 4 : following] != zlib.crc32(data[at + 4 : following - 4]).to_bytes(4, "big")
        ):
            return None
        at, last = following, kind
    return None
