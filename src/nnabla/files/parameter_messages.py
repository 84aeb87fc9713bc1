"""Parameters as protobuf messages: NNabla's `.protobuf` parameter files, and those inside whole models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

from ..errors import ArgumentError, shown
from .messages import LARGEST, parse, parse_text, serialize
from .model_messages import MODEL, get_array, put_array
from .stored import StoredParameter


def write(file: BinaryIO, params: Sequence[StoredParameter]) -> None:
    """Write an `NNablaProtoBuf` that has only parameters. All numbers become float32.

    Raises:
        ArgumentError: there are too many for a protobuf message, or a name is not text. Nothing is written then.
    """
    # For the name twice its length (UTF-8 and lengths), for the rest of what is not numbers a generous bound.
    size = sum(4 * values.size + 4 * len(name) + 11 * values.ndim + 100 for name, values, _ in params)
    if size > LARGEST:
        raise ArgumentError(
            f"save_parameters: {size} bytes are more than a protobuf message can have ({LARGEST}); save to .h5 instead"
        )
    # The bytes of a message with two parameters are those of two messages one after the other.
    for stored in params:
        message = MODEL.packed_message("NNablaProtoBuf")()
        _put(message.parameter.add(), stored)
        file.write(serialize(message, "save_parameters"))


def _put(message: Any, stored: StoredParameter) -> None:
    try:
        message.variable_name = stored.name
    except (UnicodeEncodeError, ValueError) as error:
        raise ArgumentError(f"save_parameters: {stored.name!r} cannot be the name of a parameter: {error}") from None
    put_array(message, stored.values)
    message.need_grad = bool(stored.need_grad)


def merged(proto: Any, model: Any, parameters: Iterable[StoredParameter]) -> Any:
    """`proto` with what it lacks of `model` and `parameters` added.

    Args:
        proto: an `NNablaProtoBuf` of any definition, or None for a new one.
        model: an `NNablaProtoBuf`, or None.
        parameters: those that `model` has are left out.
    """
    there = set() if model is None else {message.variable_name for message in model.parameter}
    if proto is None:
        proto = MODEL.message("NNablaProtoBuf")() if model is None else model
    elif isinstance(proto, type(model)):
        proto.MergeFrom(model)
    elif model is not None:
        proto.MergeFromString(serialize(model, "load_parameters"))
    for stored in parameters:
        if stored.name not in there:
            message = MODEL.packed_message("Parameter")()
            _put(message, stored)
            proto.parameter.add().MergeFromString(serialize(message, "load_parameters"))
    return proto


def contents(model: Any, where: str) -> list[StoredParameter]:
    """The parameters in an `NNablaProtoBuf` of any definition.

    Raises:
        FormatError: `where`, and that the numbers of one do not fill its shape.
    """
    packed = MODEL.packed_message("Parameter")
    return [_stored(packed.FromString(message.SerializeToString()), where) for message in model.parameter]


def _stored(message: Any, where: str) -> StoredParameter:
    name = message.variable_name
    return StoredParameter(name, get_array(message, f"{where}: parameter {shown(name)!r}"), message.need_grad)


def read(data: bytes, where: str) -> tuple[list[StoredParameter], Any]:
    """The parameters in a binary `NNablaProtoBuf`, and the message.

    Raises:
        FormatError: `where`, and what is wrong with the data.
    """
    packed, model = MODEL.packed_message("NNablaProtoBuf")(), MODEL.message("NNablaProtoBuf")()
    parse(packed, data, f"{where} is not a readable protobuf file", MODEL)
    stored = [_stored(message, where) for message in packed.parameter]
    parse(model, data, f"{where} is not a readable protobuf file")
    return stored, model


def read_text(data: bytes, where: str) -> tuple[list[StoredParameter], Any]:
    """The parameters in an `NNablaProtoBuf` in text form, and the message.

    Raises:
        FormatError: `where`, and what is wrong with the text.
    """
    model = MODEL.message("NNablaProtoBuf")()
    parse_text(model, data, f"{where} is not a readable model in text form")
    return contents(model, where), model
