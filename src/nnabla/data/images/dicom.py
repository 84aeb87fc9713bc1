"""DICOM files, as medical devices write them, by pydicom."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ...errors import FormatError
from .backends import ImageUtilsBackend, Source, name_of, register
from .pillow import PilBackend
from .values import checked_channels, checked_size, converted, grey, laid_out, with_channels


@register
class DicomBackend(ImageUtilsBackend):
    """Reads DICOM files.

    Values pass through the file's modality table (rescale slope and intercept) and its window, if it has these, and are
    then scaled by the number of bits that are allocated: their largest number becomes 255. ``MONOCHROME1``, where small
    values are bright, is inverted.
    """

    names = ("DicomBackend", "dicom", "pydicom")
    extra = "images"
    module = "pydicom"
    rank = 3

    def accept(self, path: Source, ext: str, operator: str) -> str:
        """``"OK"`` for reading ``.dcm``."""
        return "OK" if ext in (".dcm", ".dicom") and operator == "load" else "NG"

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
        """See `imread`; without `grayscale` there are always 3 channels, or 4 if `num_channels` is 4."""
        checked_channels("imread", grayscale, num_channels)
        size = None if size is None else checked_size("imread", size)
        img = _pixels(path, as_uint16)
        if grayscale:
            img = with_channels(grey(img), num_channels)
        else:
            img = with_channels(img, 4 if num_channels == 4 else 3)
        if size is not None:
            img = PilBackend().imresize(img, size, interpolate)
        return laid_out(img, channel_first)


def _pixels(path: Source, as_uint16: bool) -> np.ndarray:
    import pydicom
    from pydicom.errors import InvalidDicomError
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

    largest, dtype = (65535, np.uint16) if as_uint16 else (255, np.uint8)
    try:
        dataset = pydicom.dcmread(os.fspath(path) if isinstance(path, (str, os.PathLike)) else path)
        values = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset)
        bits, kind = dataset.BitsAllocated, dataset.PhotometricInterpretation
    except (InvalidDicomError, AttributeError, ValueError, NotImplementedError, RuntimeError) as error:
        raise FormatError(f"imread: {name_of(path)} is no DICOM image that pydicom can read: {error}") from error
    # Fractions are cut off, but not those that are errors of rounding.
    scaled = np.asarray(values, np.float64) * (largest / (2.0**bits - 1)) + 1e-6
    img = converted(scaled.clip(0, largest), dtype)
    return largest - img if kind == "MONOCHROME1" else img
