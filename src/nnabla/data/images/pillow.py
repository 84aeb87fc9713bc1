"""Images by Pillow, which reads and writes most formats."""

from __future__ import annotations

import functools
import io
import os
from typing import Any, BinaryIO

import numpy as np

from ...errors import ArgumentError, FormatError
from ...files.atomic import replacing
from . import plain_png, png16
from .backends import ImageUtilsBackend, Source, keeps_139, name_of, register
from .values import (
    checked_channels,
    checked_image,
    checked_size,
    converted,
    grey,
    laid_out,
    to_write,
    upscale_uint8_image,
    with_channels,
)

# Bytes that are read of a file to see what it is: all of most small images.
_AT_ONCE = 16384
_FILTERS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def _filter(function: str, interpolate: str) -> Any:
    from PIL import Image

    if interpolate not in _FILTERS:
        raise ArgumentError(f"{function}: interpolate must be one of {', '.join(_FILTERS)}, not {interpolate!r}")
    return Image.Resampling[interpolate.upper()]


@register
class PilBackend(ImageUtilsBackend):
    """Reads, writes and resizes images by Pillow."""

    names = ("PilBackend", "pil", "pillow")

    def accept(self, path: Source, ext: str, operator: str) -> str:
        """``"OK"`` for what Pillow can do, ``"NG"`` for the rest."""
        return "NG" if operator == "load" and ext in ("", ".dcm") else "OK"

    @staticmethod
    def convert_pil(pil_image: Any, grayscale: bool, num_channels: int, return_palette_indices: bool) -> Any:
        """An image of Pillow's in the mode that the arguments of `imread` ask for."""
        if grayscale:
            return pil_image.convert("L")
        if num_channels in (3, 4):
            return pil_image.convert("RGB" if num_channels == 3 else "RGBA")
        if pil_image.mode == "P" and not return_palette_indices:
            return pil_image.convert("RGBA" if "transparency" in pil_image.info else "RGB")
        return pil_image

    @staticmethod
    def pil_image_to_ndarray(
        pil_image: Any, grayscale: bool, num_channels: int, return_palette_indices: bool
    ) -> np.ndarray:
        """The pixels of an image of Pillow's; a 1-bit image has zeros and ones."""
        array = np.asarray(PilBackend.convert_pil(pil_image, grayscale, num_channels, return_palette_indices))
        return array.astype(np.uint8) if array.dtype == bool else array

    @staticmethod
    def pil_resize_from_ndarray(arr: np.ndarray, size: tuple[int, int], resample: Any) -> np.ndarray:
        """Pixels in another size; what is not ``uint8`` is computed in 32-bit floats, channel by channel."""
        from PIL import Image

        if arr.dtype == np.uint8:
            return np.asarray(Image.fromarray(arr).resize(size, resample=resample))
        if arr.ndim == 3:
            channels = [PilBackend.pil_resize_from_ndarray(arr[:, :, i], size, resample) for i in range(arr.shape[2])]
            return np.stack(channels, axis=2)
        resized = np.asarray(Image.fromarray(arr.astype(np.float32)).resize(size, resample=resample))
        # Some filters overshoot.
        return converted(resized.clip(0, 65535), np.uint16) if arr.dtype == np.uint16 else resized

    def imread(  # type: ignore[override]  # an option that this backend lacks is a TypeError
        self,
        path: Source,
        grayscale: bool = False,
        size: Any = None,
        interpolate: str = "bilinear",
        channel_first: bool = False,
        as_uint16: bool = False,
        num_channels: int = -1,
        return_palette_indices: bool = False,
        compat_139: bool | None = None,
    ) -> np.ndarray:
        """See `imread`."""
        if size is None and num_channels == -1 and not (grayscale or as_uint16):
            array = _plain_pixels(path)
            if array is not None:
                return laid_out(array, channel_first)
        checked_channels("imread", grayscale, num_channels)
        size = None if size is None else checked_size("imread", size)
        resample = None if size is None else _filter("imread", interpolate)
        try:
            with _opened(path) as image:
                if _is_deep(image) and not (keeps_139(compat_139) and not as_uint16):
                    array = _deep(image, path, grayscale, as_uint16)
                    array = array if size is None else self.pil_resize_from_ndarray(array, size, resample)
                else:
                    # Zeros and ones are for 8 bits only.
                    bright = grayscale or (as_uint16 and image.mode == "1")
                    chosen = self.convert_pil(image, bright, -1 if as_uint16 else num_channels, return_palette_indices)
                    array = upscale_uint8_image(_pixels(chosen, size, resample), as_uint16)
        except FileNotFoundError:
            raise
        except (OSError, SyntaxError, ValueError) as error:
            message = str(error).removeprefix("imread: ")
            raise FormatError(f"imread: {name_of(path)}: {message}") from error
        return laid_out(with_channels(array, num_channels), channel_first)

    def imsave(
        self,
        path: Source,
        img: np.ndarray,
        channel_first: bool = False,
        as_uint16: bool = False,
        auto_scale: bool = True,
    ) -> None:
        """See `imsave`."""
        from PIL import Image

        img = to_write(img, channel_first, as_uint16, auto_scale)
        kind = _format_of(path)
        if img.dtype == np.uint16 and kind == "PNG":
            data = png16.written(img)
        elif img.dtype == np.uint16 and img.ndim == 3:
            raise ArgumentError(f"imsave: 16 bits per channel of colour can be written as PNG, not as {kind}")
        else:
            buffer = io.BytesIO()
            Image.fromarray(img).save(buffer, format=kind)
            data = buffer.getvalue()
        if not isinstance(path, (str, os.PathLike)):
            path.write(data)
            return
        with replacing(path, flush=False) as temporary, open(temporary, "wb") as file:
            file.write(data)

    def imresize(
        self, img: np.ndarray, size: Any, interpolate: str = "bilinear", channel_first: bool = False
    ) -> np.ndarray:
        """See `imresize`."""
        img = checked_image("imresize", img)
        size = checked_size("imresize", size)
        resample = _filter("imresize", interpolate)
        if img.ndim == 2:
            return self.pil_resize_from_ndarray(img, size, resample)
        img = np.transpose(img, (1, 2, 0)) if channel_first else img
        if img.shape[2] == 1:
            resized = self.pil_resize_from_ndarray(img[:, :, 0], size, resample)[:, :, np.newaxis]
        elif img.shape[2] <= 4:
            resized = self.pil_resize_from_ndarray(np.ascontiguousarray(img), size, resample)
        else:
            channels = [self.pil_resize_from_ndarray(img[:, :, i], size, resample) for i in range(img.shape[2])]
            resized = np.stack(channels, axis=2)
        return laid_out(resized, channel_first)


def _pixels(image: Any, size: tuple[int, int] | None, resample: Any) -> np.ndarray:
    """The pixels in 8 bits; of one bit zeros and ones; of more than 8 the lower ones, as NNabla 1.39 had them."""
    if image.mode == "1" and size is not None:
        return (np.asarray(image.convert("L").resize(size, resample=resample)) > 127).astype(np.uint8)
    array = np.asarray(image)
    if array.dtype != np.uint8:
        array = converted(array, np.uint8)
        return array if size is None else PilBackend.pil_resize_from_ndarray(array, size, resample)
    return array if size is None else np.asarray(image.resize(size, resample=resample))


@functools.cache
def _image_module() -> Any:
    """Pillow, imported once: saying ``import`` for each image would take a hundredth of its time."""
    from PIL import Image

    return Image


def _plain_pixels(source: Source) -> np.ndarray | None:
    """The pixels of a file that `plain_png` reads; None for others, which are left as they were."""
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            return _plain_pixels(file)
    if not (hasattr(source, "seekable") and source.seekable()):
        return None
    source.seek(0)
    data = source.read(_AT_ONCE)
    array = None
    if plain_png.is_plain(data):
        array = plain_png.pixels(data if len(data) < _AT_ONCE else data + source.read(), _image_module())
    if array is None:
        source.seek(0)
    return array


def _opened(source: Source) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(source)
    except UnidentifiedImageError as error:
        raise FormatError(f"imread: {name_of(source)} is no image that Pillow knows") from error
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FormatError(f"imread: {name_of(source)}: {error}") from error


def _is_deep(image: Any) -> bool:
    """Whether an image has more than 8 bits per channel."""
    return image.mode in ("I", "F", "I;16", "I;16B", "I;16L") or png16.is_16_bit(image)


def _deep(image: Any, source: Source, grayscale: bool, as_uint16: bool) -> np.ndarray:
    """The pixels of an image of more than 8 bits: ``uint16``, or ``float32`` and ``int32`` where a file has these."""
    if png16.is_16_bit(image):
        array = png16.read(image, lambda: _again(source))
    else:
        array = np.asarray(image)
        if image.mode.startswith("I;16"):
            array = array.astype(np.uint16)
    if array.dtype != np.uint16 and as_uint16:
        raise FormatError(f"its values are of type {array.dtype}, not of 8 or 16 bits")
    return grey(array) if grayscale else array


def _again(source: Source) -> Any:
    if not isinstance(source, (str, os.PathLike)):
        source.seek(0)
    return _opened(source)


def _format_of(path: str | os.PathLike[str] | BinaryIO) -> str:
    from PIL import Image

    if not isinstance(path, (str, os.PathLike)):
        return "PNG"
    extension = os.path.splitext(os.fspath(path))[1].lower()
    kind = Image.registered_extensions().get(extension)
    if kind is None or kind not in Image.SAVE:
        raise ArgumentError(f"imsave: unknown file extension {extension!r} of {os.fspath(path)!r}")
    return kind


def bits_of(source: Source) -> int:
    """Bits per channel of a file: 1, 8, 16 or 32."""
    stream = None if isinstance(source, (str, os.PathLike)) else source
    if stream is not None:
        stream.seek(0)
    with _opened(source) as image:
        bits = (
            16
            if png16.is_16_bit(image) or image.mode.startswith("I;16")
            else {"1": 1, "I": 32, "F": 32}.get(image.mode, 8)
        )
    if stream is not None:
        stream.seek(0)
    return bits
