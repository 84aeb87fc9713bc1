"""Model files of every format: which one an extension names, what stands in it, and writing it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from ..errors import ArgumentError, shown
from . import archives, hdf5, parameter_messages, safetensors_files
from .atomic import replacing
from .expansion import MESSAGES, NUMBERS, TEXT
from .messages import message_file, message_in_file, serialize, text_in_file
from .stored import StoredParameter

File = str | os.PathLike[str] | BinaryIO

VERSION = "0.1"
"""Of the archives, as their member ``nnp_version.txt`` says."""


def nnp_version() -> str:
    """The version of the archives that are written."""
    return VERSION


class Contents(NamedTuple):
    """What a model file holds."""

    parameters: list[StoredParameter]
    """In the order in which they were saved."""
    model: Any = None
    """A message `NNablaProtoBuf` with what stands in the file in that form; None for `.h5` and `.safetensors`.

    Parameters are in it if they stand there in text form.
    """
    messages: Sequence[StoredParameter] = ()
    """Those of the parameters that stand in the file as binary messages."""
    states: Sequence[tuple[str, bytes]] = ()
    """Solver states: names and contents of the members of an archive that hold them."""


# ---- reading -----------------------------------------------------------------------------------------------


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
    return Contents(hdf5.read(source, where, packed))


def _read_messages(source: File, where: str, packed: int | None = None) -> Contents:
    if isinstance(source, (str, os.PathLike)):
        with message_file(source, where) as (file, size):
            stored, model = parameter_messages.read(file, size, where)
    else:
        file, size = _measured(source, where)
        stored, model = parameter_messages.read(file, size, where)
    return Contents(stored, model, stored)


def _measured(source: BinaryIO, where: str) -> tuple[BinaryIO, int]:
    """A file object, and the bytes that are left in it."""
    if isinstance(source, (io.BytesIO, io.BufferedReader)) and source.seekable():
        start = source.tell()
        size = source.seek(0, io.SEEK_END) - start
        source.seek(start)
        return source, size
    data = _bytes(source, where, message_in_file)
    return io.BytesIO(data), len(data)


def _read_text(source: File, where: str, packed: int | None = None) -> Contents:
    return Contents(*parameter_messages.read_text(_bytes(source, where, text_in_file, text=True), where))


def _read_safetensors(source: File, where: str, packed: int | None = None) -> Contents:
    return Contents(safetensors_files.read(_bytes(source, where, safetensors_files.file_contents), where))


def _read_states(source: File, where: str, packed: int | None = None) -> Contents:
    return Contents([], states=[("", _bytes(source, where, message_in_file))])


def _read_archive(source: File, where: str, packed: int | None = None) -> Contents:
    found = []
    for name, file, _, size in archives.members(source, ALLOWANCES, where):
        member = f"{where}: member {shown(name)!r}"
        contents = MEMBERS[os.path.splitext(name)[1]](file, member, size)
        found.append(contents._replace(states=[(name, content) for _, content in contents.states]))
    return merged(found)


def merged(found: Sequence[Contents]) -> Contents:
    """What several files hold, in order; a later parameter takes the place of one of its name when it is registered.

    Their models are put together in the first of these.
    """
    models = [contents.model for contents in found if contents.model is not None]
    for model in models[1:]:
        models[0].MergeFrom(model)
    return Contents(
        [stored for contents in found for stored in contents.parameters],
        models[0] if models else None,
        [stored for contents in found for stored in contents.messages],
        [state for contents in found for state in contents.states],
    )


# The last argument is what a member of an archive takes there, in bytes.
Reader = Callable[[File, str, int | None], Contents]

_MODELS: dict[str, Reader] = {
    ".h5": _read_h5,
    ".nntxt": _read_text,
    ".protobuf": _read_messages,
    ".prototxt": _read_text,
}
MEMBERS: dict[str, Reader] = {**_MODELS, ".optimizer": _read_states}
ALLOWANCES = {
    ".h5": NUMBERS,
    ".optimizer": NUMBERS,
    ".protobuf": MESSAGES,
    ".nntxt": TEXT,
    ".prototxt": TEXT,
}
"""How densely members of an archive may be packed."""
LOADERS: dict[str, Reader] = {**_MODELS, ".nnp": _read_archive, ".safetensors": _read_safetensors}


def extension_of(path: Any, extension: str | None, function: str) -> str | None:
    """What names the format: the end of a path, or the argument for a file object."""
    if isinstance(path, (str, os.PathLike)):
        return os.path.splitext(os.fspath(path))[1]
    if not hasattr(path, "read") and not hasattr(path, "write"):
        raise TypeError(f"{function}: path must be a path, a file object or a list of them, not {path!r}")
    return extension


def format_of(path: Any, extension: str | None, known: Mapping[str, Any], function: str) -> str:
    """The extension of a path, or `extension` for a file object.

    Raises:
        ArgumentError: `function`, and that it is none of `known`.
        TypeError: `path` is neither a path nor a file object.
    """
    extension = extension_of(path, extension, function)
    if extension is None or extension not in known:
        raise ArgumentError(f"{function}: the extension must be one of {sorted(known)}, not {extension!r}")
    return extension


# ---- writing -----------------------------------------------------------------------------------------------


class Model(NamedTuple):
    """What is to be written.

    Args:
        message: an `NNablaProtoBuf`, with parameters only where these are wanted in text and messages.
        parameters: all of them.
        parameter_format: of the member of an archive with the parameters: ``".h5"`` or ``".protobuf"``; ``""`` for no
            such member.
        states: members of an archive with solver states: a name, and what writes it to a file.
    """

    message: Any
    parameters: Sequence[StoredParameter]
    parameter_format: str = ".h5"
    states: Sequence[tuple[str, Callable[[BinaryIO], None]]] = ()


def text_of(message: Any) -> bytes:
    """The text form of a message."""
    from google.protobuf import text_format

    return text_format.MessageToString(message).encode()


def _write_text(file: BinaryIO, model: Model) -> None:
    file.write(text_of(model.message))


def _write_messages(file: BinaryIO, model: Model) -> None:
    file.write(serialize(model.message, "save"))


def _write_archive(file: BinaryIO, model: Model) -> None:
    members: list[tuple[str, archives.Contents]] = [
        ("nnp_version.txt", f"{VERSION}\n".encode()),
        ("network.nntxt", text_of(model.message)),
    ]
    if model.parameter_format == ".h5":
        members.append(("parameter.h5", lambda target: hdf5.write(target, model.parameters)))
    elif model.parameter_format:
        members.append(("parameter.protobuf", lambda target: parameter_messages.write(target, model.parameters)))
    archives.write(file, [*members, *model.states])


WRITERS: dict[str, Callable[[BinaryIO, Model], None]] = {
    ".nnp": _write_archive,
    ".nntxt": _write_text,
    ".protobuf": _write_messages,
    ".prototxt": _write_text,
}


def write(target: Any, extension: str, model: Model) -> None:
    """Write a model in the format that `extension`, one of `WRITERS`, names.

    A file at a path is written beside it and then renamed. A file object is written from where it stands and then set
    back to its start.

    Raises:
        ArgumentError: the format cannot hold it.
        FileNotFoundError: the directory does not exist.
    """
    if isinstance(target, (str, os.PathLike)):
        with replacing(target) as temporary, open(temporary, "wb+") as file:
            WRITERS[extension](file, model)
    elif isinstance(target, io.TextIOBase):
        if extension not in (".nntxt", ".prototxt"):
            raise TypeError(f"save: a file object for {extension} must be opened in binary mode")
        target.write(text_of(model.message).decode())
        target.seek(0)
    else:
        WRITERS[extension](target, model)
        if target.seekable():
            target.seek(0)
