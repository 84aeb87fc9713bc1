"""Messages in the text form that protobuf and NNabla write: a line for each value, and for each end of a message.

protobuf reads any text, token by token in Python. What is written like this, as nearly all model files are, is read
here in a fraction of the time.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_NUMBER = re.compile(r"-?[0-9.]+(e[-+]?[0-9]+)?|-?inf|nan", re.ASCII)
_PLAIN = re.compile(r'"[^"\\]*"')


def parsed_lines(message: Any, text: str) -> bool:
    """Fill an empty message from its text form, if it is written line by line; say whether it was.

    If not, the message is empty again, and it is left to protobuf to read the text, or to say what is wrong with it.
    """
    try:
        _fill(message, text)
    except (KeyError, ValueError, TypeError, IndexError):
        message.Clear()
        return False
    return True


def _fill(message: Any, text: str) -> None:
    stack: list[tuple[Any, dict[str, tuple[str, bool]], set[str]]] = []
    fields, seen = _fields(message.DESCRIPTOR), set[str]()
    for line in text.split("\n"):
        line = line.strip(" ")
        if line == "}":
            message, fields, seen = stack.pop()
        elif line.endswith(" {"):
            name = line[:-2]
            kind, repeated = fields[name]
            if kind != "message":
                raise ValueError(line)
            if not repeated:
                _once(seen, message, name)
            stack.append((message, fields, seen))
            message = getattr(message, name).add() if repeated else getattr(message, name)
            message.SetInParent()
            fields, seen = _fields(message.DESCRIPTOR), set()
        elif line:
            name, _, written = line.partition(": ")
            kind, repeated = fields[name]
            value = _value(kind, written)
            if repeated:
                getattr(message, name).append(value)
            else:
                _once(seen, message, name)
                setattr(message, name, value)
    if stack:
        raise ValueError("a message has no end")


def _once(seen: set[str], message: Any, name: str) -> None:
    """A field that is no list, and of a group the only one."""
    group = message.DESCRIPTOR.fields_by_name[name].containing_oneof
    key = name if group is None else f"oneof {group.name}"
    if key in seen:
        raise ValueError(name)
    seen.add(key)


def _value(kind: str, written: str) -> Any:
    if kind == "string" and _PLAIN.fullmatch(written):
        return written[1:-1]
    if kind == "int" and _WHOLE.fullmatch(written):
        return int(written)
    if kind == "float" and _NUMBER.fullmatch(written):
        return float(written)
    if kind == "bool" and written in ("true", "false"):
        return written == "true"
    raise ValueError(written)


@cache
def _fields(descriptor: Any) -> dict[str, tuple[str, bool]]:
    """Kinds of the fields of a message by name, and whether each is a list; without maps."""
    found = {}
    for field in descriptor.fields:
        kind = _KINDS.get(field.cpp_type)
        if field.type == field.TYPE_BYTES or kind is None:
            continue
        if kind == "message" and field.message_type.GetOptions().map_entry:
            continue
        found[field.name] = (kind, _is_list(field))
    return found


# Numbers of protobuf's kinds of values in memory.
_KINDS = {1: "int", 2: "int", 3: "int", 4: "int", 5: "float", 6: "float", 7: "bool", 9: "string", 10: "message"}


def _is_list(field: Any) -> bool:
    # The older attribute warns in newer releases, which have the other one.
    return bool(field.is_repeated) if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
