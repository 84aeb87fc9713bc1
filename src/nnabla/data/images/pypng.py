"""PNG files by pypng, which is written in Python: slow, and exact for every bit depth."""

from __future__ import annotations

import itertools
import os
from typing import Any

import numpy as np

from ...errors import FormatError
from ...files.atomic import replacing
from .backends import ImageUtilsBackend, Source, name_of, register
from .pillow import PilBackend
from .values import (
    checked_channels,
    checked_size,
    grey,
    laid_out,
    to_write,
    upscale_uint8_image,
    with_channels,
)


@register
class PngBackend(ImageUtilsBackend):
    """Reads and writes PNG files by pypng; resizes what it reads by Pillow."""

    names = ("PngBackend", "png", "pypng")
    extra = "images"
    module = "png"
    rank = 2

    @staticmethod
    def rgb2gray(arr: np.ndarray) -> np.ndarray:
        """Brightness of RGB or RGBA."""
        return grey(arr)

    @staticmethod
    def convert_num_channles(img: np.ndarray, num_channels: int) -> np.ndarray:
        """The image with the number of channels asked for."""
        return with_channels(img, num_channels)

    @staticmethod
    def read_result_to_ndarray(
        pixels: Any,
        width: int,
        height: int,
        metadata: dict[str, Any],
        grayscale: bool,
        as_uint16: bool,
        num_channels: int,
    ) -> np.ndarray:
        """What ``png.Reader.asDirect`` returns as an image; fewer than 8 bits are scaled to 8."""
        depth, planes = metadata["bitdepth"], metadata["planes"]
        flat = np.fromiter(itertools.chain.from_iterable(pixels), np.uint16, width * height * planes)
        img = flat.reshape((height, width) if planes == 1 else (height, width, planes))
        if depth <= 8:
            img = (img * (255 // (2**depth - 1))).astype(np.uint8)
        img = upscale_uint8_image(img, as_uint16) if depth <= 8 else img
        return with_channels(grey(img) if grayscale else img, num_channels)

    def accept(self, path: Source, ext: str, operator: str) -> str:
        """``"OK"`` for reading and writing PNG."""
        return "OK" if ext == ".png" and operator in ("load", "save") else "NG"

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
        import png

        checked_channels("imread", grayscale, num_channels)
        size = None if size is None else checked_size("imread", size)
        given = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
        reader = png.Reader(filename=given) if given is not None else png.Reader(file=path)
        try:
            width, height, pixels, metadata = reader.asDirect()
            img = self.read_result_to_ndarray(pixels, width, height, metadata, grayscale, as_uint16, num_channels)
        except (png.Error, ValueError) as error:
            raise FormatError(f"imread: {name_of(path)} is no PNG file that pypng can read: {error}") from error
        finally:
            if given is not None and hasattr(reader.file, "close"):
                reader.file.close()
        if size is not None:
            img = PilBackend().imresize(img, size, interpolate)
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
        import png

        img = to_write(img, channel_first, as_uint16, auto_scale)
        channels = 1 if img.ndim == 2 else img.shape[2]
        height, width = img.shape[:2]
        writer = png.Writer(
            width, height, greyscale=channels < 3, alpha=channels in (2, 4), bitdepth=8 * img.dtype.itemsize
        )
        rows = img.reshape(height, -1).tolist()
        if not isinstance(path, (str, os.PathLike)):
            writer.write(path, rows)
            return
        with replacing(path, flush=False) as temporary, open(temporary, "wb") as file:
            writer.write(file, rows)
