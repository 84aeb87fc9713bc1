"""ONNX models in files; the arrays of large ones in a second file beside them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, TensorProto

from ...errors import ArgumentError, FormatError
from ...files.atomic import replacing
from ...files.wire import head

# Protobuf messages end at 2 GB. What is not an array takes the rest.
MOST_INSIDE = 2_000_000_000
# Arrays that are put into the second file begin at multiples of a page, so that runtimes may map them.
_PAGE = 4096
# Smaller ones stay in the model.
_SMALL = 1024


def save(model: ModelProto, path: str | os.PathLike[str], most_inside: int = MOST_INSIDE) -> None:
    """Write a model. Files of the same names are replaced, the model last.

    Args:
        model: its arrays are moved to the second file if there is one: it is of no use afterwards.
        path: of the file. Arrays of more bytes than `most_inside` in all are written to a file of that name with
            ``.data`` at the end, which belongs into the same folder.
        most_inside: in bytes.
    """
    target = os.fspath(path)
    arrays = model.graph.initializer
    if sum(len(array.raw_data) for array in arrays) > most_inside:
        location = os.path.basename(target) + ".data"
        with replacing(target + ".data") as temporary, open(temporary, "wb") as file:
            for array in arrays:
                if len(array.raw_data) >= _SMALL:
                    file.write(b"\0" * (-file.tell() % _PAGE))
                    start, length = file.tell(), file.write(array.raw_data)
                    array.ClearField("raw_data")
                    array.data_location = TensorProto.EXTERNAL
                    for key, value in (("location", location), ("offset", start), ("length", length)):
                        array.external_data.add(key=key, value=str(value))
    with replacing(target) as temporary, open(temporary, "wb") as file:
        for piece in _pieces(model):
            file.write(piece)


def _pieces(model: ModelProto) -> Iterator[bytes]:
    """The bytes of a model, array by array, so that they are not in memory all at once."""
    yield _without(model, "graph").SerializeToString()
    rest = _without(model.graph, "initializer").SerializeToString()
    starts, size = [], len(rest)
    for array in model.graph.initializer:
        start, length = _without(array, "raw_data").SerializeToString(), len(array.raw_data)
        if length:
            start += head(TensorProto.RAW_DATA_FIELD_NUMBER, length)
        start = head(GraphProto.INITIALIZER_FIELD_NUMBER, len(start) + length) + start
        starts.append(start)
        size += len(start) + length
    yield head(ModelProto.GRAPH_FIELD_NUMBER, size) + rest
    for start, array in zip(starts, model.graph.initializer, strict=True):
        yield start
        yield array.raw_data


def _without(message: Any, left_out: str) -> Any:
    """A copy that lacks a field."""
    copy = type(message)()
    for field, value in message.ListFields():
        if field.name == left_out:
            continue
        if hasattr(value, "extend"):
            getattr(copy, field.name).extend(value)
        elif hasattr(value, "CopyFrom"):
            getattr(copy, field.name).CopyFrom(value)
        else:
            setattr(copy, field.name, value)
    return copy


@dataclasses.dataclass(frozen=True)
class Source:
    """A model and where it comes from.

    Args:
        model: the message.
        where: what messages call it.
        folder: in which it is, if it is in a file.
        size: in bytes.
    """

    model: ModelProto
    where: str
    folder: str | None
    size: int


def read(model: Any) -> Source:
    """A model from a message or a path.

    Raises:
        ArgumentError: it is neither.
        FileNotFoundError: there is no such file.
        FormatError: it is no ONNX model.
    """
    if isinstance(model, ModelProto):
        return Source(model, "the model", None, model.ByteSize())
    if not isinstance(model, (str, os.PathLike)):
        raise ArgumentError(f"from_onnx: model must be a ModelProto or a path, not {type(model).__name__}")
    path = os.fspath(model)
    with open(path, "rb") as file:
        data = file.read()
    try:
        message = ModelProto.FromString(data)
    except DecodeError as error:
        raise FormatError(f"{path}: this is no ONNX model, or it is damaged: {error}") from None
    if not message.HasField("graph"):
        raise FormatError(f"{path}: this is no ONNX model, or it is damaged: it has no graph")
    return Source(message, path, os.path.dirname(os.path.abspath(path)), len(data))
