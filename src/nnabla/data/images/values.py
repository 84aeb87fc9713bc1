"""Values of pixels: ranges, types and channels of arrays that hold images.

Images are arrays of shape (height, width), (height, width, channels), or (channels, height, width) where an argument
``channel_first`` says so, with 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA) channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError

_LARGEST = {False: 255, True: 65535}
"""Of 8 and of 16 bits."""


def normalize_pixel_intensity(img: np.ndarray, input_low: float, input_high: float) -> np.ndarray:
    """Map `input_low` to 0 and `input_high` to 1, linearly.

    Where the two are equal, an image is divided by that value, or left alone if it is 0.
    """
    if img.dtype.kind != "f":
        img = img.astype(np.float64)
    if input_low != input_high:
        return (img - input_low) / float(input_high - input_low)
    return img / float(input_low) if input_low != 0 else img


def rescale_pixel_intensity(
    img: np.ndarray,
    input_low: float = 0,
    input_high: float = 255,
    output_low: float = 0,
    output_high: float = 255,
    output_type: Any = None,
) -> np.ndarray:
    """Map the range of values from `input_low` to `input_high` to that from `output_low` to `output_high`, linearly.

    Values outside of the range are mapped likewise, nothing is clipped; fractions are cut off if the type is one of
    integers.

    Args:
        output_type: type of the result; default that of `img`.

    Example:
        >>> rescale_pixel_intensity(np.array([0.0, 0.5, 1.0]), 0, 1, output_type=np.uint8)
        array([  0, 127, 255], dtype=uint8)
    """
    scaled = normalize_pixel_intensity(img, input_low, input_high) * (output_high - output_low) + output_low
    return converted(scaled, output_type or img.dtype)


def converted(values: np.ndarray, dtype: Any) -> np.ndarray:
    """The values in another type; what an integer cannot hold wraps around, and NaN becomes 0."""
    dtype = np.dtype(dtype)
    if dtype.kind in "ui" and values.dtype.kind == "f":
        # By way of int64, so that the result is the same on every processor.
        values = np.nan_to_num(values).astype(np.int64)
    return values.astype(dtype)


def minmax_auto_scale(img: np.ndarray, as_uint16: bool) -> np.ndarray:
    """The image as ``uint8``, or ``uint16``, its least value mapped to 0 and its largest to 255, or 65535."""
    dtype = np.uint16 if as_uint16 else np.uint8
    return rescale_pixel_intensity(img, img.min(), img.max(), 0, _LARGEST[as_uint16], dtype)


def check_type_and_cast_if_necessary(img: np.ndarray, as_uint16: bool) -> np.ndarray:
    """The image as ``uint16`` if `as_uint16`, else as it is.

    Raises:
        ArgumentError: it has 16 bits, and 8 are asked for.
    """
    if as_uint16:
        return converted(img, np.uint16)
    if img.dtype == np.uint16:
        raise ArgumentError(
            "an image of type uint16 can only be written with as_uint16=True; convert it to uint8 before"
        )
    return img


def upscale_uint8_image(img: np.ndarray, as_uint16: bool) -> np.ndarray:
    """An image of 8 bits as it is, or times 256 if `as_uint16`."""
    return converted(img, np.uint16) * np.uint16(256) if as_uint16 else img


def upscale_float_image(img: np.ndarray, as_uint16: bool) -> np.ndarray:
    """An image with values in [0, 1] in 8 bits, or 16 if `as_uint16`."""
    return converted(img * float(_LARGEST[as_uint16]), np.uint16 if as_uint16 else np.uint8)


def upscale_pixel_intensity(img: np.ndarray, as_uint16: bool) -> np.ndarray:
    """The image in 8 bits, or 16 if `as_uint16`; what has 16 keeps them."""
    if img.dtype == np.uint16:
        return img
    if img.dtype == np.uint8:
        return upscale_uint8_image(img, as_uint16)
    return upscale_float_image(img, as_uint16)


def to_write(img: Any, channel_first: bool, as_uint16: bool, auto_scale: bool) -> np.ndarray:
    """What `imsave` writes for an array: ``uint8`` or ``uint16``, the channels last, one channel without an axis.

    Raises:
        ArgumentError: it is no image, or its values are in no range that can be written.
    """
    img = checked_image("imsave", img)
    if img.ndim == 3:
        img = np.transpose(img, (1, 2, 0)) if channel_first else img
        if img.shape[2] not in (1, 2, 3, 4):
            raise ArgumentError(f"imsave: an image has 1 to 4 channels, not {img.shape[2]}")
        img = img[:, :, 0] if img.shape[2] == 1 else img
    if img.dtype not in (np.uint8, np.uint16):
        if not auto_scale:
            raise ArgumentError(f"imsave: auto_scale=False is for images of type uint8 and uint16, not {img.dtype}")
        if img.size and not (img.min() >= 0 and img.max() <= 1):
            raise ArgumentError(
                f"imsave: values of type {img.dtype} must be in [0, 1]; these go from {img.min()} to {img.max()}"
            )
    img = upscale_pixel_intensity(img, as_uint16) if auto_scale else img
    return np.ascontiguousarray(check_type_and_cast_if_necessary(img, as_uint16))


def checked_image(function: str, img: Any) -> np.ndarray:
    """The array, if it has two or three axes.

    Raises:
        ArgumentError: it is no array, or has another number of axes.
    """
    if not isinstance(img, np.ndarray):
        raise ArgumentError(f"{function}: an image must be a NumPy array, not {type(img).__name__}")
    if img.ndim not in (2, 3):
        raise ArgumentError(f"{function}: an image has 2 or 3 axes; this array has {img.ndim}")
    return img


def checked_size(function: str, size: Any) -> tuple[int, int]:
    """(width, height).

    Raises:
        ArgumentError: it is no pair of positive integers.
    """
    if not isinstance(size, Sequence) or len(size) != 2:
        raise ArgumentError(f"{function}: size must be a list or tuple (width, height), not {size!r}")
    width, height = size
    if not all(isinstance(n, (int, np.integer)) and n > 0 for n in size):
        raise ArgumentError(f"{function}: width and height must be integers above 0, not {size!r}")
    return int(width), int(height)


def checked_channels(function: str, grayscale: bool, num_channels: int) -> None:
    """Raises ArgumentError unless that number of channels can be asked for."""
    allowed = (-1, 0, 1, 3, 4) if grayscale else (-1, 3, 4)
    if num_channels not in allowed:
        raise ArgumentError(
            f"{function}: num_channels must be one of {', '.join(map(str, allowed))} with grayscale={grayscale}, "
            f"not {num_channels}"
        )


def with_channels(img: np.ndarray, num_channels: int) -> np.ndarray:
    """An image of shape (height, width[, channels]) with the number of channels asked for; -1 and 0: as it is.

    Grey becomes three equal channels; an alpha channel is dropped, or added and full.
    """
    if num_channels in (-1, 0) or (img.ndim == 3 and img.shape[2] == num_channels):
        return img
    img = img[:, :, np.newaxis] if img.ndim == 2 else img
    if num_channels == 1:
        return img
    grey, alpha = img.shape[2] in (1, 2), img.shape[2] in (2, 4)
    colours = np.repeat(img[:, :, :1], 3, axis=2) if grey else img[:, :, :3]
    if num_channels == 3:
        return colours
    full = np.full((*img.shape[:2], 1), 1 if img.dtype.kind == "f" else np.iinfo(img.dtype).max, img.dtype)
    return np.concatenate([colours, img[:, :, -1:] if alpha else full], axis=2)


def grey(img: np.ndarray) -> np.ndarray:
    """Brightness of RGB or RGBA, (299 R + 587 G + 114 B) / 1000 (ITU-R BT.601); of grey and alpha the grey."""
    if img.ndim == 2:
        return img
    if img.shape[2] < 3:
        return img[:, :, 0]
    bright = img[:, :, :3] @ np.array([0.299, 0.587, 0.114])
    return converted(bright, img.dtype)


def laid_out(img: np.ndarray, channel_first: bool) -> np.ndarray:
    """An image with channels last, as the caller wants it."""
    return np.transpose(img, (2, 0, 1)) if channel_first and img.ndim == 3 else img
