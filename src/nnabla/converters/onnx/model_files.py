"""ONNX models in files; the arrays of large ones in a second file beside them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
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


@dataclasses.dataclass(frozen=True)
class Exported:
    """A model whose arrays stand beside the message, so that they are not in memory twice.

    Attributes:
        model: the message.
        arrays: what initializers in it hold, by their names; the others hold their bytes themselves.
    """

    model: ModelProto
    arrays: Mapping[str, np.ndarray]

    def filled(self) -> ModelProto:
        """The message with all bytes."""
        for held in self.model.graph.initializer:
            if held.name in self.arrays:
                held.raw_data = _bytes(self.arrays[held.name]).tobytes()
        return self.model


def save(model: ModelProto | Exported, path: str | os.PathLike[str], most_inside: int = MOST_INSIDE) -> None:
    """Write a model. Files of the same names are replaced, the model last.

    Args:
        model: its arrays are moved to the second file if there is one: it is of no use afterwards.
        path: of the file. Arrays of more bytes than `most_inside` in all are written to a file of that name with
            ``.data`` at the end, which belongs into the same folder.
        most_inside: in bytes.
    """
    source = model if isinstance(model, Exported) else Exported(model, {})
    target, message, beside = os.fspath(path), source.model, dict(source.arrays)
    if sum([_size(held, beside) for held in message.graph.initializer]) > most_inside:
        location = os.path.basename(target) + ".data"
        with replacing(target + ".data") as temporary, open(temporary, "wb") as file:
            for held in message.graph.initializer:
                length = _size(held, beside)
                if length >= _SMALL:
                    file.write(b"\0" * (-file.tell() % _PAGE))
                    start = file.tell()
                    file.write(_content(held, beside))
                    held.ClearField("raw_data")
                    beside.pop(held.name, None)
                    held.data_location = TensorProto.EXTERNAL
                    for key, value in (("location", location), ("offset", start), ("length", length)):
                        held.external_data.add(key=key, value=str(value))
    with replacing(target) as temporary, open(temporary, "wb") as file:
        for piece in _pieces(message, beside):
            file.write(piece)


def _bytes(array: np.ndarray) -> memoryview:
    """The bytes of an array as a file has them."""
    ordered = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    return ordered.reshape(-1).view(np.uint8).data


def _content(held: TensorProto, beside: Mapping[str, np.ndarray]) -> memoryview | bytes:
    return _bytes(beside[held.name]) if held.name in beside else held.raw_data


def _size(held: TensorProto, beside: Mapping[str, np.ndarray]) -> int:
    return beside[held.name].nbytes if held.name in beside else len(held.raw_data)


def _pieces(model: ModelProto, beside: Mapping[str, np.ndarray]) -> Iterator[bytes | memoryview]:
    """The bytes of a model, array by array, so that they are not in memory all at once."""
    yield _without(model, "graph").SerializeToString()
    rest = _without(model.graph, "initializer").SerializeToString()
    starts, size = [], len(rest)
    for held in model.graph.initializer:
        start, length = _without(held, "raw_data").SerializeToString(), _size(held, beside)
        if length:
            start += head(TensorProto.RAW_DATA_FIELD_NUMBER, length)
        start = head(GraphProto.INITIALIZER_FIELD_NUMBER, len(start) + length) + start
        starts.append(start)
        size += len(start) + length
    yield head(ModelProto.GRAPH_FIELD_NUMBER, size) + rest
    for start, held in zip(starts, model.graph.initializer, strict=True):
        yield start
        yield _content(held, beside)


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
