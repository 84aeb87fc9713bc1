"""Images by OpenCV: faster than Pillow for some formats, with rounding and resizing of its own."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ...errors import ArgumentError, FormatError
from ...files.atomic import replacing
from .backends import ImageUtilsBackend, Source, extension_of, name_of, register
from .values import (
    checked_channels,
    checked_image,
    checked_size,
    laid_out,
    to_write,
    upscale_pixel_intensity,
    with_channels,
)

_FILTERS = {
    "nearest": "INTER_NEAREST",
    "bilinear": "INTER_LINEAR",
    "bicubic": "INTER_CUBIC",
    "lanczos": "INTER_LANCZOS4",
}


def _filter(function: str, interpolate: str) -> int:
    import cv2

    if interpolate not in _FILTERS:
        raise ArgumentError(
            f"{function}: with OpenCV, interpolate must be one of {', '.join(_FILTERS)}, not {interpolate!r}"
        )
    return int(getattr(cv2, _FILTERS[interpolate]))


@register
class Cv2Backend(ImageUtilsBackend):
    """Reads, writes and resizes images by OpenCV."""

    names = ("Cv2Backend", "cv2", "opencv")
    extra = "images"
    module = "cv2"
    rank = 1

    @staticmethod
    def convert_channel_from_gray(img: np.ndarray, num_channels: int) -> np.ndarray:
        """A grey image with the number of channels asked for."""
        return with_channels(img, num_channels)

    @staticmethod
    def convert_channel_from_bgr(img: np.ndarray, num_channels: int) -> np.ndarray:
        """An image with blue first as RGB, with the number of channels asked for."""
        return with_channels(img[:, :, ::-1], num_channels)

    @staticmethod
    def convert_channel_from_bgra(img: np.ndarray, num_channels: int) -> np.ndarray:
        """An image with blue first and alpha as RGBA, with the number of channels asked for."""
        return with_channels(img[:, :, [2, 1, 0, 3]], num_channels)

    def accept(self, path: Source, ext: str, operator: str) -> str:
        """``"NG"`` for formats that OpenCV lacks."""
        return "NG" if operator == "load" and ext in ("", ".dcm", ".gif") else "OK"

    def imread(  # type: ignore[override]  # an option that this backend lacks is a TypeError
        self,
        path: Source,
        grayscale: bool = False,
        size: Any = None,
        interpolate: str = "bilinear",
        channel_first: bool = False,
        as_uint16: bool = False,
        num_channels: int = -1,
        compat_139: bool | None = None,
    ) -> np.ndarray:
        """See `imread`."""
        import cv2

        checked_channels("imread", grayscale, num_channels)
        size = None if size is None else checked_size("imread", size)
        interpolation = 0 if size is None else _filter("imread", interpolate)
        data = np.frombuffer(_bytes_of(path), np.uint8)
        flag = cv2.IMREAD_GRAYSCALE if grayscale else cv2.IMREAD_UNCHANGED
        img = cv2.imdecode(data, flag) if data.size else None
        if img is None:
            raise FormatError(f"imread: {name_of(path)} is no image that OpenCV can read")
        if img.dtype not in (np.uint8, np.uint16) and as_uint16:
            raise FormatError(f"imread: {name_of(path)}: its values are of type {img.dtype}, not of 8 or 16 bits")
        if size is not None:
            img = cv2.resize(img, size, interpolation=interpolation)
        img = upscale_pixel_intensity(img, True) if as_uint16 else img
        if img.ndim == 2:
            img = self.convert_channel_from_gray(img, num_channels)
        elif img.shape[2] == 4:
            img = self.convert_channel_from_bgra(img, num_channels)
        else:
            img = self.convert_channel_from_bgr(img, num_channels)
        return laid_out(img, channel_first)

    def imsave(
        self,
        path: Source,
        img: np.ndarray,
        channel_first: bool = False,
        as_uint16: bool = False,
        auto_scale: bool = True,
    ) -> None:
        """See `imsave`."""
        import cv2

        img = to_write(img, channel_first, as_uint16, auto_scale)
        if img.ndim == 3 and img.shape[2] == 2:
            raise ArgumentError("imsave: OpenCV writes 1, 3 or 4 channels, not 2; Pillow writes grey with alpha")
        if img.ndim == 3:
            img = img[:, :, [2, 1, 0, 3][: img.shape[2]]]
        extension = extension_of(path)
        try:
            done, data = cv2.imencode(extension, np.ascontiguousarray(img))
        except cv2.error as error:
            raise ArgumentError(f"imsave: OpenCV cannot write {name_of(path)!r}: {error.err}") from error
        if not done:
            raise ArgumentError(f"imsave: OpenCV cannot write an image of type {img.dtype} as {extension}")
        if not isinstance(path, (str, os.PathLike)):
            path.write(data.tobytes())
            return
        with replacing(path, flush=False) as temporary, open(temporary, "wb") as file:
            file.write(data.tobytes())

    def imresize(
        self, img: np.ndarray, size: Any, interpolate: str = "bilinear", channel_first: bool = False
    ) -> np.ndarray:
        """See `imresize`."""
        import cv2

        img = checked_image("imresize", img)
        size = checked_size("imresize", size)
        interpolation = _filter("imresize", interpolate)
        shape = img.shape
        img = np.transpose(img, (1, 2, 0)) if channel_first and img.ndim == 3 else img
        if img.dtype not in (np.uint8, np.uint16):
            img = img.astype(np.float32)
        resized = cv2.resize(np.ascontiguousarray(img), size, interpolation=interpolation)
        if len(shape) == 3 and resized.ndim == 2:
            resized = resized[:, :, np.newaxis]
        return laid_out(resized, channel_first)


def _bytes_of(source: Source) -> bytes:
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            return file.read()
    return source.read()
