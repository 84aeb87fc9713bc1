"""Described networks from the messages of a model file."""

from __future__ import annotations

from typing import Any

import numpy as np

from .argument_values import get_arguments
from .initializers import StoredInitializer, zeros
from .loop_control import Recurrent, Repeat, is_loop_control
from .proto_function import ProtoFunction
from .proto_variable import BUFFER, PARAMETER, ProtoVariable

LARGEST_NDIM = 64
"""Of NumPy's arrays."""


def read_network(network: Any, message: Any, rng: np.random.RandomState | None) -> None:
    """Add what stands in a message ``Network`` to an empty network; loops are not expanded.

    Variables that no function reads or computes are left out.

    Args:
        network: its `batch_size` is set, too, unless it has one.
        message: of any definition with these fields.
        rng: draws the values of what has an initializer.

    Raises:
        ValueError: names are missing or stand twice, a function is not known, or a shape is none.
    """
    if network.batch_size is None and message.batch_size > 0:
        network.batch_size = message.batch_size
    for loop in message.repeat_info:
        network.repeat_info[loop.id] = loop.times
    used = {name for function in message.function for name in (*function.input, *function.output)}
    for each in message.variable:
        if each.name in used:
            network.add_variable(read_variable(each, rng))
    for each in message.function:
        network.add_function(read_function(each, network))


def read_variable(message: Any, rng: np.random.RandomState | None) -> ProtoVariable:
    """The variable in a message ``Variable``.

    Raises:
        ValueError: it has more dimensions than an array can have.
    """
    if len(message.shape.dim) > LARGEST_NDIM:
        raise ValueError(f"variable {message.name!r} has {len(message.shape.dim)} dimensions")
    kind = PARAMETER if message.type == PARAMETER else BUFFER
    variable = ProtoVariable(tuple(message.shape.dim), message.name, kind == PARAMETER, kind)
    variable.repeat_id = list(message.repeat_id)
    if message.HasField("initializer") and message.initializer.type:
        variable.initializer = StoredInitializer(message.initializer.type, message.initializer.multiplier, rng)
    elif kind == PARAMETER:
        variable.initializer = zeros
    return variable


def read_function(message: Any, network: Any = None) -> ProtoFunction:
    """The function in a message ``Function``, for a network.

    Raises:
        ValueError: there is no function of that type.
    """
    args = {} if is_loop_control(message.type) else get_arguments(message)
    function = ProtoFunction(None, message.type, args, message.name, network)
    function.inputs = list(message.input)
    function.outputs = list(message.output)
    function.repeat_id = list(message.repeat_id)
    if message.HasField("repeat_param"):
        function.repeat_param = Repeat(message.repeat_param.repeat_id, message.repeat_param.times)
    if message.HasField("recurrent_param"):
        recurrent = message.recurrent_param
        function.recurrent_param = Recurrent(recurrent.repeat_id, recurrent.length, recurrent.axis)
    return function
