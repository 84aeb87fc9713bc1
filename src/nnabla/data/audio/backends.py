"""What reads audio files other than wave files, and the choice of what reads those."""

from __future__ import annotations

import importlib
import importlib.util
import io
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from ...errors import ArgumentError, ExtensionError, FormatError

_SUBTYPES = {"PCM_U8": "int16", "PCM_S8": "int16", "PCM_16": "int16"}
"""What soundfile can give without loss; the rest is read in 32 bits, or as floats."""


class AudioUtilsBackendManager:
    """The choice of what reads wave files: ``"wave"``, code of our own, or ``"soundfile"``."""

    def __init__(self) -> None:
        self.backends: dict[str, str] = {"wave": "nnabla.data.audio.wav", "soundfile": "soundfile"}
        self._backend = "wave"

    def get_available_backends(self) -> list[str]:
        """Names of those that are installed."""
        return [name for name, module in self.backends.items() if importlib.util.find_spec(module) is not None]

    @property
    def backend(self) -> str:
        """Name of the one in use; ``"pydub"``, which NNabla 1.39 had, is taken for ``"wave"``."""
        return self._backend

    @backend.setter
    def backend(self, name: str) -> None:
        name = "wave" if name == "pydub" else name
        if name not in self.backends:
            raise ArgumentError(f"there is no audio backend {name!r}; there are {', '.join(self.backends)}")
        if name not in self.get_available_backends():
            raise ExtensionError(f"the audio backend {name!r} is not installed: pip install nnabla[audio]")
        self._backend = name

    @property
    def module(self) -> ModuleType:
        """The module of the backend in use."""
        return importlib.import_module(self.backends[self._backend])


backend_manager = AudioUtilsBackendManager()


class SoundFile:
    """libsndfile, by the package soundfile."""

    def __init__(self) -> None:
        import soundfile

        self._library: Any = soundfile

    def read(self, file: BinaryIO, name: str) -> np.ndarray:
        """Samples of shape (samples, channels): ``int16``, ``int32`` for more bits, else ``float32``.

        Raises:
            FormatError: it is no file that the library reads.
        """
        try:
            with self._library.SoundFile(io.BytesIO(file.read())) as sound:
                subtype = sound.subtype
                kind = _SUBTYPES.get(subtype, "int32" if subtype.startswith("PCM") else "float32")
                samples: np.ndarray = sound.read(dtype=kind, always_2d=True)
                return samples
        except self._library.LibsndfileError as error:
            raise FormatError(f"auread: {name}: {error}") from error

    def write(self, file: BinaryIO, samples: np.ndarray, frame_rate: int, extension: str) -> None:
        """Write ``int16`` or ``int32``.

        Raises:
            ArgumentError: the library does not write such files.
        """
        kind = extension.lstrip(".").upper()
        if kind not in self._library.available_formats():
            known = ", ".join(sorted(self._library.available_formats()))
            raise ArgumentError(f"ausave: unknown file extension {extension!r}; there are .wav and {known}")
        if samples.dtype not in (np.int16, np.int32):
            raise ArgumentError(f"ausave: {extension} takes int16 or int32, not {samples.dtype}")
        try:
            self._library.write(file, samples, frame_rate, format=kind)
        except (self._library.LibsndfileError, TypeError, ValueError) as error:
            raise ArgumentError(f"ausave: cannot write {extension}: {error}") from error


def sound_file(function: str, name: str) -> SoundFile:
    """libsndfile.

    Raises:
        ExtensionError: it is not installed; the message names the function and the file.
    """
    try:
        return SoundFile()
    except ImportError as error:
        raise ExtensionError(
            f"{function}: {name} is no wave file, and other formats need soundfile: pip install nnabla[audio]"
        ) from error
