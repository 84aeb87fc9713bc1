"""How model files hold the arguments of functions: a message for each function that has any."""

from __future__ import annotations

from ..files.messages import Field, Tables
from ..graph.operator import registry

_MESSAGES = {"shape": "Shape", "communicator": "Communicator"}


def field_name(type_name: str) -> str:
    """The field of the message ``Function`` that holds the arguments: ``"affine_param"`` for ``"Affine"``."""
    return f"{registry[type_name].declaration.name}_param"


def argument_messages() -> Tables:
    """The messages with arguments, ``AffineParameter`` and so on, and the fields for them in ``Function``."""
    tables: dict[str, list[Field]] = {"Function": []}
    for type_name, cls in registry.items():
        declaration = cls.declaration
        if declaration.arguments or cls.empty_message:
            message = f"{type_name}Parameter"
            tables["Function"].append((field_name(type_name), declaration.number, f"oneof parameter {message}"))
            tables[message] = [
                (argument.name, position, _MESSAGES.get(argument.stored, argument.stored))
                for position, argument in enumerate(declaration.arguments, 1)
            ]
    return tables
