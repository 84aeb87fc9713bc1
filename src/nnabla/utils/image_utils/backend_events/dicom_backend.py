"""Door to `nnabla.data.images.dicom`."""

from ....data.images.backends import ImageUtilsBackend
from ....data.images.dicom import DicomBackend

__all__ = [
    "DicomBackend",
    "ImageUtilsBackend",
]
