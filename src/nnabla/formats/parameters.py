"""Parameter files by format."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ArgumentError
from ..graph.variable import Variable
from ..logger import logger
from . import hdf5

SAVERS: dict[str, Callable[[Any, Mapping[str, Variable]], None]] = {".h5": hdf5.save_parameters}
LOADERS: dict[str, Callable[[Any], hdf5.Loaded]] = {".h5": hdf5.load_parameters}


def _format_of(path: Any, extension: str | None, known: Mapping[str, Any], function: str) -> str:
    if isinstance(path, (str, os.PathLike)):
        extension = os.path.splitext(os.fspath(path))[1]
    if extension is None or extension not in known:
        raise ArgumentError(f"{function}: the extension must be one of {sorted(known)}, not {extension!r}")
    return extension


def save(path: Any, params: Mapping[str, Variable], extension: str | None = None) -> None:
    """Save `params` in the format that the extension names; see `nnabla.save_parameters`."""
    extension = _format_of(path, extension, SAVERS, "save_parameters")
    for name, param in params.items():
        if not isinstance(param, Variable):
            raise TypeError(f"save_parameters: params[{name!r}] must be a Variable, not {type(param).__name__}")
    SAVERS[extension](path, params)
    logger.info("Parameter save (%s): %s", extension, path)


def load(path: Any, extension: str | None = None) -> hdf5.Loaded:
    """Name, values and need_grad of all parameters in a file; see `nnabla.load_parameters`."""
    extension = _format_of(path, extension, LOADERS, "load_parameters")
    loaded = LOADERS[extension](path)
    logger.info("Parameter load (%s): %s", extension, path)
    return loaded
