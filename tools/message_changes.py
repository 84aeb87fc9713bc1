"""Changes at random in the fields of protobuf messages."""

from __future__ import annotations

from typing import Any

import numpy as np

_INTEGERS = (0, 1, 2, -1, -2, 3, 7, 64, 255, 1000, 65536, 10**6, 2**31 - 1, 2**31, -(2**31), 2**40, 2**63 - 1, -(2**63))
_FLOATS = (0.0, 1.0, -1.0, 0.5, 1e-38, 1e30, float("inf"), float("-inf"), float("nan"))


def _messages(message: Any, found: list[Any]) -> list[Any]:
    """A message and all inside of it."""
    found.append(message)
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for inner in (value,) if hasattr(value, "DESCRIPTOR") else value:
            _messages(inner, found)
    return found


def _strings(messages: list[Any]) -> list[str]:
    """All texts in some messages."""
    found = []
    for message in messages:
        for field, value in message.ListFields():
            if field.type == field.TYPE_STRING:
                found += [value] if isinstance(value, str) else list(value)
    return found


def _value(field: Any, now: Any, texts: list[str], rng: np.random.RandomState) -> Any:
    """Another value for a field that is no message."""
    if field.type == field.TYPE_STRING:
        return ("", "z" * 300, "a/b//c", now[:-1], *texts)[rng.randint(4 + len(texts))]
    if field.type == field.TYPE_BYTES:
        return (b"", now[:-1], now + now[:4], b"\xff" * 40)[rng.randint(4)]
    if field.type == field.TYPE_BOOL:
        return not now
    if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        return _FLOATS[rng.randint(len(_FLOATS))]
    near = int(np.clip(now + rng.randint(-3, 4), -(2**63), 2**63 - 1))
    return near if rng.rand() < 0.4 else _INTEGERS[rng.randint(len(_INTEGERS))]


def change_fields(message: Any, rng: np.random.RandomState) -> None:
    """Change one to three fields of a message or of those inside of it."""
    messages = _messages(message, [])
    texts = _strings(messages)
    for _ in range(rng.randint(1, 4)):
        try:
            _change_field(messages[rng.randint(len(messages))], texts, rng)
        except ValueError:  # a number that the field does not hold
            continue


def _change_field(message: Any, texts: list[str], rng: np.random.RandomState) -> None:
    """One change of a random field: another value, an entry more, less or elsewhere, all gone, or one that is new."""
    fields = message.DESCRIPTOR.fields
    there = [field for field, _ in message.ListFields()]
    field = there[rng.randint(len(there))] if there and rng.rand() < 0.85 else fields[rng.randint(len(fields))]
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        for key in list(value)[: rng.randint(2)]:
            del value[key]
    elif hasattr(value, "DESCRIPTOR"):
        if rng.rand() < 0.5:
            message.ClearField(field.name)
        else:
            value.SetInParent()
    elif hasattr(value, "append") or hasattr(value, "add"):
        _change_entries(field, value, texts, rng)
    else:
        setattr(message, field.name, _value(field, value, texts, rng))


def _change_entries(field: Any, value: Any, texts: list[str], rng: np.random.RandomState) -> None:
    at, kind = rng.randint(len(value)) if len(value) else 0, rng.randint(6)
    if not len(value) or kind == 0:
        if field.message_type is not None:
            value.add()
        else:
            empty = {field.TYPE_STRING: "", field.TYPE_BYTES: b""}.get(field.type, 0)
            value.append(_value(field, empty, texts, rng))
    elif kind == 1:
        del value[at]
    elif kind == 2:
        value.extend([value[at]] * (1, 1, 2, 100)[rng.randint(4)])
    elif field.message_type is not None:
        value[at].CopyFrom(value[rng.randint(len(value))])
    else:
        value[at] = _value(field, value[at], texts, rng)
