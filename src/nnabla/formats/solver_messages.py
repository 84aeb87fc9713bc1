"""Solver states as protobuf messages: the part of NNabla's model format from `Optimizer` down to the numbers."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..errors import FormatError

# By parameter name: number of updates, and arrays by name of the state.
Stored = dict[str, tuple[int, dict[str, np.ndarray]]]

# Fields as (name, number, type); "repeated" and "map" (from strings) stand before the type of the elements.
_MESSAGES = {
    "Shape": [("dim", 1, "repeated int64")],
    "SolverStateParameter": [("shape", 20, "Shape"), ("data", 100, "repeated float")],
    "SolverState": [("t", 1, "uint32"), ("state_parameter", 2, "map SolverStateParameter")],
    "Solver": [("states", 40, "map SolverState")],
    "Optimizer": [("solver", 30, "Solver")],
}


def _add_field(message: Any, name: str, number: int, declared: str) -> None:
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto

    label, _, kind = declared.rpartition(" ")
    if label == "map":
        # A map is a list of messages with a key and a value, named after the field.
        entry = message.nested_type.add(name="".join(part.title() for part in name.split("_")) + "Entry")
        entry.options.map_entry = True
        _add_field(entry, "key", 1, "string")
        _add_field(entry, "value", 2, kind)
        kind = f"{message.name}.{entry.name}"
    field = message.field.add(name=name, number=number)
    field.label = FieldDescriptorProto.LABEL_REPEATED if label else FieldDescriptorProto.LABEL_OPTIONAL
    if kind in ("int64", "uint32", "float", "string"):
        field.type = getattr(FieldDescriptorProto, f"TYPE_{kind.upper()}")
    else:
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{kind}"


@functools.cache
def _optimizer_class() -> Any:
    """The message class `Optimizer`, in a pool of its own: other definitions of the same names do not matter."""
    from google.protobuf import descriptor_pb2, descriptor_pool
    from google.protobuf.message_factory import GetMessageClass

    file = descriptor_pb2.FileDescriptorProto(name="nnabla_solver_states.proto", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields:
            _add_field(message, *field)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("Optimizer"))


def fill(optimizer: Any, stored: Stored) -> None:
    """Put states into an `Optimizer` message (of any definition); those of the same parameters are replaced."""
    # Without parameters, there are no states, but a solver all the same.
    optimizer.solver.SetInParent()
    for key, (t, arrays) in stored.items():
        state = optimizer.solver.states[key]
        state.Clear()
        state.t = t
        for name, array in arrays.items():
            parameter = state.state_parameter[name]
            parameter.shape.dim.extend(array.shape)
            parameter.data.extend(array.astype(np.float32, copy=False).ravel().tolist())


def contents(optimizer: Any, what: str) -> Stored:
    """The states in an `Optimizer` message.

    Raises:
        FormatError: `what`, and why it is not what it should be.
    """
    stored: Stored = {}
    for key, state in optimizer.solver.states.items():
        arrays = {}
        for name, parameter in state.state_parameter.items():
            shape = tuple(parameter.shape.dim)
            if any(dim < 0 for dim in shape) or math.prod(shape) != len(parameter.data):
                raise FormatError(
                    f"{what}: state {name!r} of {key!r} has {len(parameter.data)} numbers, not of shape {shape}"
                )
            arrays[name] = np.array(parameter.data, np.float32).reshape(shape)
        stored[key] = (state.t, arrays)
    return stored


def serialized(stored: Stored) -> bytes:
    """A bare `Optimizer` message; the same states give the same bytes."""
    optimizer = _optimizer_class()()
    fill(optimizer, stored)
    return bytes(optimizer.SerializeToString(deterministic=True))


def parsed(data: bytes, what: str) -> Stored:
    """The states in a serialized `Optimizer` message.

    Raises:
        FormatError: `what`, and what is wrong.
    """
    from google.protobuf.message import DecodeError

    optimizer = _optimizer_class()()
    try:
        optimizer.ParseFromString(data)
    except DecodeError as error:
        raise FormatError(f"{what} is not a readable file of solver states: {error}") from error
    # NNabla writes nothing at all for a solver without parameters.
    if data and not optimizer.HasField("solver"):
        raise FormatError(f"{what} holds no solver states")
    return contents(optimizer, what)


def parsed_text(data: bytes, what: str) -> Stored:
    """The states in an `Optimizer` message in text form; what else an optimizer has is passed over.

    Raises:
        FormatError: `what`, and what is wrong.
    """
    from google.protobuf import text_format

    optimizer = _optimizer_class()()
    try:
        text_format.Parse(data.decode(), optimizer, allow_unknown_field=True)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise FormatError(f"{what} is not a readable text of solver states: {error}") from error
    if data.strip() and not optimizer.HasField("solver"):
        raise FormatError(f"{what} holds no solver states")
    return contents(optimizer, what)
