"""Parameters of the registry in files: which format an extension names, and what is checked whatever the format."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from .errors import ArgumentError, FormatError, shown
from .files import hdf5, parameter_messages, safetensors_files
from .files.atomic import replacing
from .files.model_files import LOADERS, Contents, extension_of, format_of, merged
from .files.stored import StoredParameter, checked, checked_names
from .graph.variable import Variable
from .logger import logger


def _write_messages(target: str | BinaryIO, params: Sequence[StoredParameter]) -> None:
    if isinstance(target, str):
        with open(target, "wb") as file:
            parameter_messages.write(file, params)
    else:
        parameter_messages.write(target, params)


SAVERS: dict[str, Callable[[str | BinaryIO, Sequence[StoredParameter]], None]] = {
    ".h5": hdf5.write,
    ".protobuf": _write_messages,
    ".safetensors": safetensors_files.write,
}


def values_of(param: Variable) -> np.ndarray:
    """The numbers of a parameter in C order; not to be written to."""
    return np.ascontiguousarray(param.data.get_data("r")).reshape(param.shape)


def stored_parameters(params: Mapping[str, Variable]) -> list[StoredParameter]:
    """Parameters as files hold them; their memory is not copied."""
    return [StoredParameter(name, values_of(param), bool(param.need_grad)) for name, param in params.items()]


def renamed(params: Sequence[StoredParameter], names: Mapping[str, str], function: str) -> list[StoredParameter]:
    """`params` with other names; those that `names` lacks keep theirs.

    Args:
        params: the parameters.
        names: new names by the present ones.
        function: that errors shall name.

    Raises:
        ArgumentError: a name is not there, two parameters would have the same one, or one would be that of a scope.
    """
    present = {entry.name for entry in params}
    for name in names:
        if name not in present:
            raise ArgumentError(f"{function}: names has {shown(name)!r}, and there is no parameter of that name")
    new = [names.get(entry.name, entry.name) for entry in params]
    try:
        found = checked_names(new)
    except ArgumentError as error:
        raise ArgumentError(f"{function}: names: {error}") from None
    for name, count in Counter(found).items():
        if count > 1:
            raise ArgumentError(f"{function}: names gives {count} parameters the name {shown(name)!r}")
    return [entry._replace(name=name) for entry, name in zip(params, found, strict=True)]


def save(
    path: Any,
    params: Mapping[str, Variable],
    extension: str | None = None,
    names: Mapping[str, str] | None = None,
) -> None:
    """Save `params` in the format that the extension names; see `nnabla.save_parameters`."""
    if isinstance(path, (list, tuple)):
        for one in path:
            save(one, params, extension, names)
        return
    extension = format_of(path, extension, SAVERS, "save_parameters")
    for name, param in params.items():
        if not isinstance(name, str):
            raise TypeError(f"save_parameters: the name {name!r} in params must be a string")
        if not isinstance(param, Variable):
            raise TypeError(f"save_parameters: params[{name!r}] must be a Variable, not {type(param).__name__}")
    try:
        checked_names(params)
    except ArgumentError as error:
        raise ArgumentError(f"save_parameters: {error}") from None
    stored = stored_parameters(params)
    if names is not None:
        stored = renamed(stored, names, "save_parameters")
    if isinstance(path, (str, os.PathLike)):
        with replacing(path) as temporary:
            SAVERS[extension](temporary, stored)
    else:
        SAVERS[extension](path, stored)
        if path.seekable():
            path.seek(0)
    logger.info("Parameter save (%s): %s", extension, path)


def load(
    path: Any, extension: str | None = None, function: str = "load_parameters", message: str = "Parameter load (%s): %s"
) -> Contents:
    """The contents of a file, or of several, ready to be registered; see `nnabla.load_parameters`.

    Args:
        path: of the file, or a file object, or a list of them.
        extension: its format, where it is a file object.
        function: that errors shall name.
        message: for the log, with places for extension and path.
    """
    if isinstance(path, (list, tuple)):
        return merged([load(one, extension, function, message) for one in path])
    ending = extension_of(path, extension, function)
    if ending and ending not in LOADERS:
        # As in NNabla: scripts name what need not be there, such as a checkpoint, and go on with what they have.
        logger.warning("%s is omitted.", path)
        return Contents([], None)
    ending = format_of(path, extension, LOADERS, function)
    source = "the file object"
    if isinstance(path, (str, os.PathLike)):
        source = repr(os.fspath(path))
        if os.path.isdir(path):
            raise IsADirectoryError(f"{function}: {source} is a folder")
        if not os.path.isfile(path):
            raise FileNotFoundError(f"{function}: there is no file {source}")
    where = f"{function}: {source}"
    try:
        found = LOADERS[ending](path, where, None)
    except MemoryError as error:
        raise FormatError(f"{where} does not fit into memory") from error
    logger.info(message, ending, path)
    return found._replace(parameters=checked(found.parameters, where))
