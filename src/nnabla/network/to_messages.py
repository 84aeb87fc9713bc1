"""Described networks as messages of a model file."""

from __future__ import annotations

from typing import Any

from ..files.model_messages import MODEL
from .argument_values import put_arguments
from .initializers import StoredInitializer
from .loop_control import is_loop_control


def put_network(message: Any, network: Any) -> None:
    """Fill an empty message ``Network``."""
    message.name = network.name
    if network.batch_size is not None:
        message.batch_size = network.batch_size
    for name, times in network.repeat_info.items():
        message.repeat_info.add(id=name, times=times)
    for variable in (*network.variables.values(), *network.parameters.values()):
        put_variable(message.variable.add(), variable)
    # With a Delay, functions need their own outputs: as they come.
    looped = any(is_loop_control(function.type) for function in network.functions.values())
    for function in network.functions.values() if looped else network.forward_sequence():
        put_function(message.function.add(), function)


def put_variable(message: Any, variable: Any) -> None:
    """Fill an empty message ``Variable``."""
    message.name = variable.name
    message.type = variable.type
    message.repeat_id.extend(variable.repeat_id)
    # A scalar has a shape without dimensions.
    message.shape.SetInParent()
    message.shape.dim.extend(variable.shape)
    initializer = variable.initializer
    if isinstance(initializer, StoredInitializer):
        message.initializer.type = initializer.kind
        message.initializer.multiplier = initializer.multiplier


def put_function(message: Any, function: Any) -> None:
    """Fill an empty message ``Function``."""
    message.name = function.name or ""
    message.type = function.type
    message.repeat_id.extend(function.repeat_id)
    message.input.extend(function.inputs)
    message.output.extend(function.outputs)
    repeat, recurrent = function.repeat_param, function.recurrent_param
    if repeat is not None:
        message.repeat_param.SetInParent()
        message.repeat_param.repeat_id, message.repeat_param.times = repeat
    if recurrent is not None:
        message.recurrent_param.SetInParent()
        message.recurrent_param.repeat_id = recurrent.repeat_id
        message.recurrent_param.length = recurrent.length
        message.recurrent_param.axis = recurrent.axis
    put_arguments(message, function.type, function.args)


def network_message(network: Any) -> Any:
    """A message ``Network``."""
    message = MODEL.message("Network")()
    put_network(message, network)
    return message


def variable_message(variable: Any) -> Any:
    """A message ``Variable``."""
    message = MODEL.message("Variable")()
    put_variable(message, variable)
    return message


def function_message(function: Any) -> Any:
    """A message ``Function``."""
    message = MODEL.message("Function")()
    put_function(message, function)
    return message
