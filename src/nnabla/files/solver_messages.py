"""Solver states as protobuf messages: the part of NNabla's model format from `Optimizer` down to the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, FormatError, shown
from .messages import LARGEST, parse, parse_text, serialize
from .model_messages import MODEL, get_array, put_array

# By parameter name: number of updates, and arrays by name of the state.
Stored = dict[str, tuple[int, dict[str, np.ndarray]]]


def _packed(stored: Stored) -> Any:
    """A packed `Optimizer` message."""
    size = sum(4 * array.size for _, arrays in stored.values() for array in arrays.values())
    if size > LARGEST:
        raise ArgumentError(
            f"save_states: {size} bytes are more than a protobuf message can have ({LARGEST}); save to .h5 instead"
        )
    optimizer = MODEL.packed_message("Optimizer")()
    # Without parameters, there are no states, but a solver all the same.
    optimizer.solver.SetInParent()
    for key, (t, arrays) in stored.items():
        state = optimizer.solver.states[key]
        state.t = t
        for name, array in arrays.items():
            put_array(state.state_parameter[name], array)
    return optimizer


def fill(optimizer: Any, stored: Stored) -> None:
    """Put states into an `Optimizer` message (of any definition); those of the same parameters are replaced."""
    for key in stored:
        if key in optimizer.solver.states:
            del optimizer.solver.states[key]
    optimizer.MergeFromString(serialize(_packed(stored), "save_states"))


def contents(optimizer: Any, what: str) -> Stored:
    """The states in an `Optimizer` message (of any definition).

    Raises:
        FormatError: `what`, and why it is not what it should be.
    """
    return _contents(MODEL.packed_message("Optimizer").FromString(optimizer.SerializeToString()), what)


def _contents(packed: Any, what: str) -> Stored:
    stored: Stored = {}
    try:
        for key, state in packed.solver.states.items():
            arrays = {
                name: get_array(parameter, f"{what}: state {shown(name)!r} of {shown(key)!r}")
                for name, parameter in state.state_parameter.items()
            }
            stored[key] = (state.t, arrays)
    except UnicodeDecodeError as error:
        # Protobuf 4 does not look at the keys of a map until they are read.
        raise FormatError(f"{what} has a name that is not UTF-8: {error}") from error
    return stored


def serialized(stored: Stored) -> bytes:
    """A bare `Optimizer` message; the same states give the same bytes.

    Raises:
        ArgumentError: there are too many for a protobuf message.
    """
    return serialize(_packed(stored), "save_states")


def parsed(data: bytes, what: str) -> Stored:
    """The states in a serialized `Optimizer` message.

    Raises:
        FormatError: `what`, and what is wrong.
    """
    optimizer = MODEL.packed_message("Optimizer")()
    parse(optimizer, data, f"{what} is not a readable file of solver states", MODEL)
    # NNabla writes nothing at all for a solver without parameters.
    if data and not optimizer.HasField("solver"):
        raise FormatError(f"{what} holds no solver states")
    return _contents(optimizer, what)


def parsed_text(data: bytes, what: str) -> Stored:
    """The states in an `Optimizer` message in text form; what else an optimizer has is passed over.

    Raises:
        FormatError: `what`, and what is wrong.
    """
    optimizer = MODEL.message("Optimizer")()
    parse_text(optimizer, data, f"{what} is not a readable text of solver states")
    if data.strip() and not optimizer.HasField("solver"):
        raise FormatError(f"{what} holds no solver states")
    return contents(optimizer, what)
