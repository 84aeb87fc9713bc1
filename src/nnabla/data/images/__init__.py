"""Images: reading, writing and resizing them with Pillow, OpenCV, pypng or pydicom.

Images are NumPy arrays of shape (height, width) or (height, width, channels), or (channels, height, width) with
`channel_first`.

Example:
    >>> import tempfile, os
    >>> image = np.zeros((4, 6, 3), np.uint8)
    >>> image[:2] = 255, 128, 0
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     imsave(os.path.join(folder, "flag.png"), image)
    ...     small = imread(os.path.join(folder, "flag.png"), size=(3, 2), channel_first=True)
    >>> small.shape, small.dtype.name, small[:, 0, 0].tolist()
    ((3, 2, 3), 'uint8', [219, 110, 0])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dicom, opencv, pillow, pypng  # noqa: F401 (they register themselves)
from .backends import ImageUtilsBackend, Source, backend_manager
from .values import minmax_auto_scale, rescale_pixel_intensity

__all__ = [
    "ImageUtilsBackend",
    "backend_manager",
    "get_available_backends",
    "get_backend",
    "imload",
    "imread",
    "imresize",
    "imsave",
    "imwrite",
    "minmax_auto_scale",
    "rescale_pixel_intensity",
    "set_backend",
]


def get_available_backends() -> list[str]:
    """Names of the backends whose library is installed.

    Example:
        >>> "PilBackend" in get_available_backends()
        True
    """
    return backend_manager.get_available_backends()


def get_backend() -> str:
    """Name of the backend that `set_backend` chose; empty if it chose none."""
    return backend_manager.get_backend()


def set_backend(backend: str) -> None:
    """Read, write and resize by this backend from now on, where it can.

    Args:
        backend: ``"PilBackend"`` (or ``"pil"``), ``"Cv2Backend"`` (``"cv2"``), ``"PngBackend"`` (``"pypng"``),
            ``"DicomBackend"`` (``"dicom"``); empty for none in particular, which means Pillow for all that it knows.

    Raises:
        ArgumentError: there is no backend of that name.
        ExtensionError: its library is not installed.
    """
    backend_manager.set_backend(backend)


def imread(
    path: Source,
    grayscale: bool = False,
    size: Sequence[int] | None = None,
    interpolate: str = "bilinear",
    channel_first: bool = False,
    as_uint16: bool = False,
    num_channels: int = -1,
    *,
    compat_139: bool | None = None,
    **kwargs: Any,
) -> np.ndarray:
    """Read an image.

    Without `num_channels`, it has the channels of the file: grey (two axes), grey and alpha, RGB, RGBA; a palette is
    applied.

    Args:
        path: file name, or a file opened in binary mode.
        grayscale: the brightness only, (height, width).
        size: (width, height) to resize to.
        interpolate: ``"bilinear"``, ``"nearest"``, ``"bicubic"``, ``"lanczos"``; with Pillow also ``"box"`` and
            ``"hamming"``.
        channel_first: (channels, height, width) instead of (height, width, channels).
        as_uint16: 8-bit images in ``uint16``, times 256.
        num_channels: 3 for RGB, 4 for RGBA, 1 with `grayscale` for an axis of one channel; -1 for what there is.
        compat_139: read what NNabla 1.39 read by default of images that have more than 8 bits in a channel: with Pillow
            the lower 8 bits of grey, the upper 8 of colour. Otherwise 16 bits come as ``uint16``. Default: option
            ``compat_139`` in section ``DATA_ITERATOR`` of the configuration, False.
        **kwargs: options of one backend: ``return_palette_indices`` of Pillow's.

    Returns:
        ``uint8``, or ``uint16`` for files of 16 bits; TIFF files of floating-point numbers give these. An image of one
        bit has values 0 and 1, in grey 0 and 255.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it holds no image, or a damaged one.
        ArgumentError: an argument is none of the values above, or no backend reads such files.
    """
    return backend_manager.get_best_backend(path, "load").imread(
        path, grayscale, size, interpolate, channel_first, as_uint16, num_channels, compat_139=compat_139, **kwargs
    )


def imsave(
    path: Source,
    img: np.ndarray,
    channel_first: bool = False,
    as_uint16: bool = False,
    auto_scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write an image; the extension of the file's name says the format.

    Args:
        path: file name, or a file opened in binary mode, which becomes a PNG.
        img: ``uint8``, ``uint16`` with `as_uint16`, or another type with values in [0, 1].
        channel_first: the array is (channels, height, width).
        as_uint16: write 16 bits per channel.
        auto_scale: multiply values of type ``uint8`` by 256 for 16 bits, those in [0, 1] by 255 or 65535. Without it,
            values are written as they are.

    Raises:
        ArgumentError: the array is no image, its values are out of range, or the format cannot hold it.
        OSError: the file cannot be written. What stood there is unchanged.
    """
    backend_manager.get_best_backend(path, "save").imsave(path, img, channel_first, as_uint16, auto_scale, **kwargs)


def imresize(
    img: np.ndarray, size: Sequence[int], interpolate: str = "bilinear", channel_first: bool = False, **kwargs: Any
) -> np.ndarray:
    """Resize an image.

    Args:
        img: the image.
        size: (width, height).
        interpolate: as for `imread`.
        channel_first: the array is (channels, height, width), and so is the result.

    Returns:
        ``uint8`` and ``uint16`` keep their type; others come in ``float32``.

    Raises:
        ArgumentError: the array is no image, or an argument none of the values above.
    """
    return backend_manager.get_best_backend("", "resize").imresize(img, size, interpolate, channel_first, **kwargs)


imload = imread
imwrite = imsave
