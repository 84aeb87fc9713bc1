"""Ways to read, write and resize images, and the choice among them."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, Union

import numpy as np

from ...config import nnabla_config
from ...errors import ArgumentError, ExtensionError

Source = Union[str, "os.PathLike[str]", BinaryIO]
"""A path, or a file opened in binary mode."""


def keeps_139(compat_139: bool | None) -> bool:
    """The argument, or what the configuration says where it is None."""
    return nnabla_config.getboolean("DATA_ITERATOR", "compat_139") if compat_139 is None else compat_139


def name_of(source: Source) -> str:
    """How messages call a path or a file."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return str(getattr(source, "name", "the file"))


def extension_of(source: Source) -> str:
    """The extension of a path or file, in lower case; that of PNG where it has no name."""
    if isinstance(source, (str, os.PathLike)):
        return os.path.splitext(os.fspath(source))[1].lower()
    name = getattr(source, "name", None)
    return os.path.splitext(name)[1].lower() if isinstance(name, str) else ".png"


class ImageUtilsBackend:
    """What every backend has, and, as `backend_manager`, the choice among them.

    A backend is a subclass with the methods `accept` and those of `imread`, `imsave` and `imresize` that it can do.
    Backends are asked in this order: the one that was set, Pillow, OpenCV, pypng, pydicom.
    """

    names: tuple[str, ...] = ()
    """What `set_backend` calls it; the first is the class's own."""
    extra: str | None = None
    """The extra of this package that its library belongs to, if it is not among what is always installed."""
    module: str = ""
    """The library's module."""
    rank: int = 0
    """Those of lower rank are asked first."""

    def __init__(self) -> None:
        self.next: ImageUtilsBackend | None = None
        self._chosen = ""

    def accept(self, *arguments: Any) -> str:
        """Whether a backend can do a task with a file: ``"OK"`` or ``"NG"``; given are path, extension and task."""
        return "NG"

    def imread(
        self,
        path: Source,
        grayscale: bool = False,
        size: Any = None,
        interpolate: str = "bilinear",
        channel_first: bool = False,
        as_uint16: bool = False,
        num_channels: int = -1,
        **kwargs: Any,
    ) -> np.ndarray:
        """See `imread`."""
        raise self._lacks("read")

    def imsave(
        self,
        path: Source,
        img: np.ndarray,
        channel_first: bool = False,
        as_uint16: bool = False,
        auto_scale: bool = True,
    ) -> None:
        """See `imsave`."""
        raise self._lacks("write")

    def imresize(
        self, img: np.ndarray, size: Any, interpolate: str = "bilinear", channel_first: bool = False
    ) -> np.ndarray:
        """See `imresize`."""
        raise self._lacks("resize")

    def _lacks(self, what: str) -> ArgumentError:
        return ArgumentError(f"{type(self).__name__} does not {what} images")

    def get_available_backends(self) -> list[str]:
        """Names of the backends whose library is installed."""
        return [backend.names[0] for backend in _backends if _is_installed(backend.module)]

    def get_backend(self) -> str:
        """Name of the backend that was set; empty if none was."""
        return self._chosen

    def set_backend(self, name: str) -> None:
        """Try this backend first from now on; an empty name undoes that.

        Raises:
            ArgumentError: there is no such backend.
            ExtensionError: its library is not installed.
        """
        self._chosen = self.get_backend_from_name(name).names[0] if name else ""

    def get_backend_from_name(self, name: str) -> ImageUtilsBackend:
        """The backend of that name; errors as for `set_backend`."""
        for backend in _backends:
            if name in backend.names:
                if not _is_installed(backend.module):
                    raise ExtensionError(
                        f"{backend.names[0]} needs the package {backend.module!r}: pip install nnabla[{backend.extra}]"
                    )
                return backend
        known = ", ".join(backend.names[0] for backend in _backends)
        raise ArgumentError(f"there is no image backend {name!r}; there are {known}")

    def get_best_backend(self, path: Source, operator: str) -> ImageUtilsBackend:
        """The backend for a file and a task: ``"load"``, ``"save"`` or ``"resize"``.

        Raises:
            ArgumentError: none can do it.
        """
        best = next(self._able(path, operator), None)
        if best is None:
            raise ArgumentError(f"no image backend can {operator} {name_of(path)!r}")
        return best

    def next_available(self, path: Source) -> ImageUtilsBackend:
        """The backend that reads a file if the best one cannot.

        Raises:
            ArgumentError: there is no other.
        """
        able = list(self._able(path, "load"))
        if len(able) < 2:
            raise ArgumentError(f"no other image backend can load {name_of(path)!r}")
        return able[1]

    def _able(self, path: Source, operator: str) -> Iterator[ImageUtilsBackend]:
        """Those that can do it, the best first."""
        extension = extension_of(path)
        backends = _backends
        if self._chosen:
            backends = sorted(_backends, key=lambda backend: backend.names[0] != self._chosen)
        for backend in backends:
            if _is_installed(backend.module) and backend.accept(path, extension, operator) != "NG":
                yield backend


_backends: list[ImageUtilsBackend] = []
"""All of them, in the order in which they are asked."""


@functools.cache
def _is_installed(module: str) -> bool:
    return not module or importlib.util.find_spec(module) is not None


def register(backend: type[ImageUtilsBackend]) -> type[ImageUtilsBackend]:
    """Add a backend to those that are asked; a decorator."""
    _backends.append(backend())
    _backends.sort(key=lambda each: each.rank)
    return backend


backend_manager = ImageUtilsBackend()
