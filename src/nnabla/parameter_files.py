"""Parameter files: which format an extension names, and what is checked whatever the format."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple, NoReturn

import numpy as np

from .errors import ArgumentError, FormatError, shown
from .files import archives, hdf5, parameter_messages, safetensors_files
from .files.atomic import replacing
from .files.expansion import MESSAGES, NUMBERS, TEXT
from .files.messages import message_in_file, text_in_file
from .files.stored import StoredParameter, checked, checked_names
from .graph.variable import Variable
from .logger import logger

File = str | os.PathLike[str] | BinaryIO


class Contents(NamedTuple):
    """What a parameter file holds."""

    parameters: list[StoredParameter]
    """In the order in which they were saved."""
    model: Any
    """A message `NNablaProtoBuf` with what stands in the file in that form; None for `.h5` and `.safetensors`."""


def _write_messages(target: str | BinaryIO, params: Sequence[StoredParameter]) -> None:
    if isinstance(target, str):
        with open(target, "wb") as file:
            parameter_messages.write(file, params)
    else:
        parameter_messages.write(target, params)


def _bytes(source: File, where: str, on_disk: Callable[[Any, str], bytes], text: bool = False) -> bytes:
    if isinstance(source, (str, os.PathLike)):
        return on_disk(source, where)
    data: Any = source.read()
    if isinstance(data, str):
        if not text:
            raise TypeError(f"{where} must be opened in binary mode")
        return data.encode()
    return bytes(data)


def _read_h5(source: File, where: str, packed: int | None = None) -> Contents:
    return Contents(hdf5.read(source, where, packed), None)


def _read_messages(source: File, where: str, packed: int | None = None) -> Contents:
    return Contents(*parameter_messages.read(_bytes(source, where, message_in_file), where))


def _read_text(source: File, where: str, packed: int | None = None) -> Contents:
    return Contents(*parameter_messages.read_text(_bytes(source, where, text_in_file, text=True), where))


def _read_safetensors(source: File, where: str, packed: int | None = None) -> Contents:
    return Contents(safetensors_files.read(_bytes(source, where, safetensors_files.file_contents), where), None)


def _read_archive(source: File, where: str, packed: int | None = None) -> Contents:
    found = []
    for name, data, size in archives.members(source, ALLOWANCES, where):
        member = f"{where}: member {shown(name)!r}"
        found.append(MEMBERS[os.path.splitext(name)[1]](io.BytesIO(data), member, size))
    return _merged(found)


def _merged(found: Sequence[Contents]) -> Contents:
    """All parameters, in order; a later one takes the place of one of the same name when it is registered."""
    model: Any = None
    for contents in found:
        if model is None:
            model = contents.model
        elif contents.model is not None:
            model.MergeFrom(contents.model)
    return Contents([stored for contents in found for stored in contents.parameters], model)


# The last argument is what a member of an archive takes there, in bytes.
Reader = Callable[[File, str, int | None], Contents]

SAVERS: dict[str, Callable[[str | BinaryIO, Sequence[StoredParameter]], None]] = {
    ".h5": hdf5.write,
    ".protobuf": _write_messages,
    ".safetensors": safetensors_files.write,
}
MEMBERS: dict[str, Reader] = {
    ".h5": _read_h5,
    ".nntxt": _read_text,
    ".protobuf": _read_messages,
    ".prototxt": _read_text,
}
ALLOWANCES = {".h5": NUMBERS, ".protobuf": MESSAGES, ".nntxt": TEXT, ".prototxt": TEXT}
"""How densely members of an archive may be packed."""
LOADERS: dict[str, Reader] = {**MEMBERS, ".nnp": _read_archive, ".safetensors": _read_safetensors}


def _extension(path: Any, extension: str | None, function: str) -> str | None:
    """What names the format: the end of a path, or the argument for a file object."""
    if isinstance(path, (str, os.PathLike)):
        return os.path.splitext(os.fspath(path))[1]
    if not hasattr(path, "read") and not hasattr(path, "write"):
        raise TypeError(f"{function}: path must be a path, a file object or a list of them, not {path!r}")
    return extension


def _refuse_format(extension: str | None, known: Mapping[str, Any], function: str) -> NoReturn:
    raise ArgumentError(f"{function}: the extension must be one of {sorted(known)}, not {extension!r}")


def values_of(param: Variable) -> np.ndarray:
    """The numbers of a parameter in C order; not to be written to."""
    return np.ascontiguousarray(param.data.get_data("r")).reshape(param.shape)


def save(path: Any, params: Mapping[str, Variable], extension: str | None = None) -> None:
    """Save `params` in the format that the extension names; see `nnabla.save_parameters`."""
    if isinstance(path, (list, tuple)):
        for one in path:
            save(one, params, extension)
        return
    extension = _extension(path, extension, "save_parameters")
    if extension is None or extension not in SAVERS:
        _refuse_format(extension, SAVERS, "save_parameters")
    for name, param in params.items():
        if not isinstance(name, str):
            raise TypeError(f"save_parameters: the name {name!r} in params must be a string")
        if not isinstance(param, Variable):
            raise TypeError(f"save_parameters: params[{name!r}] must be a Variable, not {type(param).__name__}")
    try:
        checked_names(params)
    except ArgumentError as error:
        raise ArgumentError(f"save_parameters: {error}") from None
    stored = [StoredParameter(name, values_of(param), bool(param.need_grad)) for name, param in params.items()]
    if isinstance(path, (str, os.PathLike)):
        with replacing(path) as temporary:
            SAVERS[extension](temporary, stored)
    else:
        SAVERS[extension](path, stored)
        if path.seekable():
            path.seek(0)
    logger.info("Parameter save (%s): %s", extension, path)


def load(path: Any, extension: str | None = None) -> Contents:
    """The contents of a file, or of several, ready to be registered; see `nnabla.load_parameters`."""
    if isinstance(path, (list, tuple)):
        return _merged([load(one, extension) for one in path])
    extension = _extension(path, extension, "load_parameters")
    if not extension:
        _refuse_format(extension, LOADERS, "load_parameters")
    if extension not in LOADERS:
        # As in NNabla: scripts name what need not be there, a checkpoint or a folder, and go on with what they have.
        logger.warning("%s is omitted.", path)
        return Contents([], None)
    source = "the file object"
    if isinstance(path, (str, os.PathLike)):
        source = repr(os.fspath(path))
        if os.path.isdir(path):
            raise IsADirectoryError(f"load_parameters: {source} is a folder")
        if not os.path.isfile(path):
            raise FileNotFoundError(f"load_parameters: there is no file {source}")
    where = f"load_parameters: {source}"
    try:
        found = LOADERS[extension](path, where, None)
    except MemoryError as error:
        raise FormatError(f"{where} does not fit into memory") from error
    logger.info("Parameter load (%s): %s", extension, path)
    return Contents(checked(found.parameters, where), found.model)
