"""Records the messages of the original NNabla's model format: for each its fields by name, number and type.

    python tests/reference/record_messages.py

writes ``tests/reference/messages.json``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "messages.json"


def is_repeated(field: Any) -> bool:
    """Whether a field is repeated; protobuf of today says it in another way."""
    found = getattr(field, "is_repeated", None)
    return field.label == field.LABEL_REPEATED if found is None else bool(found)


def described(field: Any) -> list[Any]:
    """Name, number, type (of messages its name), whether repeated, and the group of which one field is set."""
    kind = field.message_type.full_name if field.message_type else field.type
    oneof = field.containing_oneof.name if field.containing_oneof else None
    return [field.name, field.number, kind, is_repeated(field), oneof]


def messages(module: Any) -> dict[str, Any]:
    """All messages of the module, those inside of others, too; fields by number."""
    found = {}
    for message in module.DESCRIPTOR.message_types_by_name.values():
        for each in (message, *message.nested_types):
            found[each.full_name] = sorted(map(described, each.fields), key=lambda entry: entry[1])
    return dict(sorted(found.items()))


if __name__ == "__main__":
    from nnabla.utils import nnabla_pb2

    lines = [f"{json.dumps(name)}: {json.dumps(fields)}" for name, fields in messages(nnabla_pb2).items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
