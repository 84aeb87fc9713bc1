"""What a file of a data set holds, as an array, by the extension of its name."""

from __future__ import annotations

import csv
import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, FormatError
from . import npy_files
from .file_reader import ResourceFileReader, get_file_extension, scheme_of
from .images.backends import backend_manager, keeps_139
from .images.pillow import bits_of


def load(ext: str) -> Callable[..., np.ndarray]:
    """The function that loads files of an extension: of a file, and ``shape`` and ``normalize`` by name.

    Programs may add functions of their own to the dictionary ``_load_functions``.

    Raises:
        ArgumentError: there is none.

    Example:
        >>> load(".png").__name__
        'load_image'
    """
    if ext in _load_functions:
        return _load_functions[ext]
    known = ", ".join(_load_functions)
    raise ArgumentError(f"File format with extension {ext!r} is not supported; there are {known}")


def load_image(
    file: Any, shape: Sequence[int] | None = None, normalize: bool = False, *, compat_139: bool | None = None
) -> np.ndarray:
    """An image as an array of shape (channels, height, width).

    Args:
        file: path, address, or a file opened in binary mode.
        shape: shape to resize to; the number of channels must be the image's.
        normalize: divide by the largest value that the file's bits can hold, into [0, 1] and ``float64``.
        compat_139: with 16 bits per channel take the lower 8 of grey and the upper 8 of colour, and divide everything
            by 255, that of 1-bit images too. Default: option ``compat_139`` in section ``DATA_ITERATOR`` of the
            configuration, False.

    Returns:
        Without `normalize`, ``uint8``, or ``uint16`` for files of 16 bits; images of one bit have values 0 and 1.

    Raises:
        FormatError: it is no image, or a damaged one.
        ArgumentError: the channels are not those of `shape`.
    """
    image = _read_image(file, shape, compat_139)
    # By multiplication, which gives the very numbers of NNabla 1.39.
    return image * (1.0 / _largest(image, file, compat_139)) if normalize else image


def load_image_imread(file: Any, shape: Sequence[int] | None = None, max_range: float = 1.0) -> np.ndarray:
    """An image as an array of shape (channels, height, width), its values scaled to [0, max_range].

    Args:
        file: path, address, or a file opened in binary mode.
        shape: shape to resize to; the number of channels must be the image's.
        max_range: what the largest value that the file's bits can hold becomes; with 255 or below 0, values are as they
            stand in the file.
    """
    image = _read_image(file, shape, None)
    return image if max_range < 0 or max_range == 255 else image * (max_range / _largest(image, file, None))


def _read_image(file: Any, shape: Sequence[int] | None, compat_139: bool | None) -> np.ndarray:
    if shape is not None and len(shape) != 3:
        raise ArgumentError(f"load_image: shape must be (channels, height, width), not {tuple(shape)}")
    if isinstance(file, (str, os.PathLike)) and scheme_of(os.fspath(file)) != "file":
        with ResourceFileReader(file).open() as opened:
            return _read_image(opened, shape, compat_139)
    size = None if shape is None else (shape[2], shape[1])
    backend = backend_manager.get_best_backend(file, "load")
    image = backend.imread(file, size=size, channel_first=True, compat_139=compat_139)
    image = image[np.newaxis] if image.ndim == 2 else image
    if shape is not None and image.shape[0] != shape[0]:
        raise ArgumentError(
            f"load_image: the image has {image.shape[0]} channels, not the {shape[0]} of shape {tuple(shape)}"
        )
    return image


def _largest(image: np.ndarray, file: Any, compat_139: bool | None) -> float:
    """The largest value that an image could have."""
    # Ones are white in an image of one bit, and nearly black in others.
    if image.dtype == np.uint8 and image.max(initial=0) > 1:
        return 255.0
    if keeps_139(compat_139):
        return 255.0
    if image.dtype.kind == "f":
        return 1.0
    if image.dtype == np.uint8:
        return 1.0 if _bits(file) == 1 else 255.0
    return float(np.iinfo(image.dtype).max)


def _bits(file: Any) -> int:
    if isinstance(file, (str, os.PathLike)) and scheme_of(os.fspath(file)) != "file":
        with ResourceFileReader(file).open() as opened:
            return bits_of(opened)
    return bits_of(file)


def load_csv(file: Any, shape: Sequence[int] | None = None, normalize: bool = False) -> np.ndarray:
    """The numbers of a CSV file without a header, in ``float64``, of shape (rows, columns), or `shape`.

    Args:
        normalize: not used.

    Raises:
        FormatError: a cell is no number, or the rows differ in length.
    """
    with ResourceFileReader(file).open() as opened:
        data = opened.read()
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        rows = [[float(cell) for cell in row] for row in csv.reader(text.splitlines()) if row]
        table = np.array(rows, np.float64)
    except (ValueError, csv.Error) as error:
        raise FormatError(f"load_csv: {_name(file)} is no table of numbers: {error}") from error
    return _shaped("load_csv", table, shape, file)


def load_npy(path: Any, shape: Sequence[int] | None = None, normalize: bool = False) -> np.ndarray:
    """The array of an ``.npy`` file, in its own type; arrays of objects are refused, since they are pickles.

    Args:
        normalize: not used.

    Raises:
        FormatError: it is no such file, or truncated.
    """
    with ResourceFileReader(path).open() as opened:
        array = npy_files.read_array(opened, f"load_npy: {_name(path)}")
    return _shaped("load_npy", array, shape, path)


def load_wav(path: Any, shape: Sequence[int] | None = None, normalize: bool = False) -> np.ndarray:
    """The samples of a ``.wav`` file, of shape (samples, channels), or `shape`.

    They are not scaled: 8 bits give ``uint8`` (silence is 128), 16 bits ``int16``, 24 and 32 bits ``int32`` (24 bits
    times 256), floats ``float32`` or ``float64``. Divide by 2 to the power of 15 or 31 for values in [-1, 1).

    Args:
        normalize: not used.

    Raises:
        FormatError: it is no such file, or truncated.
    """
    from .audio.wav import read

    with ResourceFileReader(path).open() as opened:
        samples, _ = read(opened, _name(path))
    return _shaped("load_wav", samples, shape, path)


def load_audio(file: Any, shape: Sequence[int] | None = None, normalize: bool = False) -> np.ndarray:
    """The samples of an audio file; see `load_wav` and `load_audio_pydub`."""
    if get_file_extension(file) in (".wav", ""):
        return load_wav(file, shape, normalize)
    return load_audio_pydub(file, shape, normalize)


def load_audio_pydub(path: Any, shape: Sequence[int] | None = None, normalize: bool = False) -> np.ndarray:
    """The samples of an audio file, read by pydub, of shape (samples, channels), resampled to `shape`.

    Args:
        normalize: not used.
    """
    from .audio import auread, auresize

    with ResourceFileReader(path).open() as opened:
        samples = auread(opened)
    return samples if shape is None else auresize(samples, tuple(shape))


def _name(file: Any) -> str:
    return os.fspath(file) if isinstance(file, (str, os.PathLike)) else str(getattr(file, "name", "the file"))


def _shaped(function: str, array: np.ndarray, shape: Sequence[int] | None, file: Any) -> np.ndarray:
    if shape is None:
        return array
    try:
        return array.reshape(tuple(shape))
    except ValueError:
        raise ArgumentError(
            f"{function}: {_name(file)} holds {array.size} values of shape {array.shape}, which do not fit shape "
            f"{tuple(shape)}"
        ) from None


_load_functions: dict[str, Callable[..., np.ndarray]] = {
    **dict.fromkeys((".bmp", ".jpg", ".jpeg", ".png", ".gif", ".tif", ".tiff", ".dcm"), load_image),
    ".csv": load_csv,
    ".npy": load_npy,
    ".wav": load_audio,
}

pydub_available = importlib.util.find_spec("pydub") is not None
