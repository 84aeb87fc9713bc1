"""Arguments of a function in the message ``Function`` of a model file, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError
from ..graph.argument import REQUIRED, Argument
from ..graph.operator import registry
from ..operators.argument_messages import field_name


class Alone:
    """A communicator between one process and no other: files say that there is one, and nothing more."""

    size = 1
    rank = 0


communicator: Any = Alone()
"""What functions of files get that exchange arrays between processes; `nnabla.distributed` sets it."""


def put_arguments(message: Any, type_name: str, args: Mapping[str, Any]) -> None:
    """Fill the field of an empty message ``Function`` for the arguments of its type, if it has any.

    Args:
        message: the message.
        type_name: of the function; what is not registered has no arguments in files.
        args: values by name. Missing ones and ``None`` are left out.

    Raises:
        ArgumentError: a value cannot be held by a file.
    """
    cls = registry.get(type_name)
    if cls is None or not cls.declaration.arguments:
        return
    field = getattr(message, field_name(type_name))
    # Written even if all values are zero.
    field.SetInParent()
    for argument in cls.declaration.arguments:
        value = args.get(argument.name)
        if value is None or argument.stored == "communicator":
            continue
        try:
            _put(field, argument, value)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"{type_name}: files cannot hold {argument.name}={value!r}: {error}") from None


def _put(field: Any, argument: Argument, value: Any) -> None:
    name = argument.name
    if argument.stored == "shape":
        shape = getattr(field, name)
        shape.SetInParent()
        shape.dim.extend(value)
    elif argument.stored.startswith("repeated"):
        getattr(field, name).extend([argument.none if each is None else each for each in value])
    else:
        setattr(field, name, value)


def get_arguments(message: Any) -> dict[str, Any]:
    """The arguments in a message ``Function``, by name in their order.

    What the message of the arguments leaves out is zero, false, empty: that is how it was written. Sizes that a
    function can work out are None where there are none, and a choice that an older release did not have is the default.
    Where the message itself is missing, the function had no arguments in the release that wrote it: all have their
    defaults.

    Raises:
        ValueError: there is no function of that type.
    """
    cls = registry.get(message.type)
    if cls is None:
        raise ValueError(f'Function "{message.type}" is not supported.')
    arguments = cls.declaration.arguments
    if not arguments:
        return {}
    name = field_name(message.type)
    there = message.HasField(name)
    field = getattr(message, name)
    return {argument.name: _get(field, argument, there) for argument in arguments}


def _get(field: Any, argument: Argument, there: bool) -> Any:
    if argument.stored == "communicator":
        return communicator
    if not there and argument.default is not REQUIRED:
        return list(argument.default) if isinstance(argument.default, tuple) else argument.default
    value = getattr(field, argument.name)
    if argument.stored == "shape":
        return list(value.dim) or (None if argument.default is None else [])
    if value == "" and argument.choices and "" not in argument.choices and argument.default is not REQUIRED:
        return argument.default
    if not argument.stored.startswith("repeated"):
        return value
    return list(value) if argument.none is None else [None if each == argument.none else each for each in value]
