"""Door to `nnabla.data.loaders` and `nnabla.data.file_reader`."""

from ..data.audio import auread, auresize
from ..data.downloads import download, get_data_home
from ..data.file_reader import FileReader, ResourceFileReader, get_file_extension
from ..data.images import imread, imresize
from ..data.loaders import (
    _load_functions,
    load,
    load_audio,
    load_audio_pydub,
    load_csv,
    load_image,
    load_image_imread,
    load_npy,
    load_wav,
    pydub_available,
)
from ..logger import logger

__all__ = [
    "FileReader",
    "ResourceFileReader",
    "_load_functions",
    "auread",
    "auresize",
    "download",
    "get_data_home",
    "get_file_extension",
    "imread",
    "imresize",
    "load",
    "load_audio",
    "load_audio_pydub",
    "load_csv",
    "load_image",
    "load_image_imread",
    "load_npy",
    "load_wav",
    "logger",
    "pydub_available",
]
