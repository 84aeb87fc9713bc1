"""Settings of NNB files: types of variables and implementations of functions, and the template of a network's."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from ...errors import ArgumentError, FormatError, shown
from .model import FRACTION_BITS, SETTINGS, DataType
from .runtime_network import RuntimeNetwork
from .stored_types import FLOAT, StoredType

_NAMES = {name: type for type, name in SETTINGS.items()}
LARGEST_IMPLEMENT = 65535


def stored_type(text: Any, what: str) -> StoredType:
    """The type that a text such as ``FIXED16_5`` names.

    Raises:
        ArgumentError: it names none.
    """
    found = re.fullmatch(r"(FLOAT32|FIXED16|FIXED8|SIGN)(?:_([0-9]{1,3}))?", text if isinstance(text, str) else "")
    if found is None:
        raise ArgumentError(
            f"{what} must be FLOAT32, SIGN, FIXED16, FIXED8, or the latter with _ and the number of fraction bits, "
            f"not {shown(repr(text))}"
        )
    type = _NAMES[found[1]]
    if found[2] is None:
        return StoredType(type, None if type in (DataType.INT16, DataType.INT8) else 0)
    if type in (DataType.FLOAT, DataType.SIGN) or int(found[2]) > FRACTION_BITS:
        raise ArgumentError(
            f"{what}: {text} is not possible; FIXED16 and FIXED8 have 0 to {FRACTION_BITS} fraction bits"
        )
    return StoredType(type, int(found[2]))


@dataclasses.dataclass
class Settings:
    """What is asked for.

    Attributes:
        default: of variables without an entry.
        variables: types by the names of variables.
        implement: numbers by the names of functions.
    """

    default: StoredType = FLOAT
    variables: dict[str, StoredType] = dataclasses.field(default_factory=dict)
    implement: dict[str, int] = dataclasses.field(default_factory=dict)


def read_settings(text: str, path: str, default: StoredType = FLOAT) -> Settings:
    """Settings in YAML: ``functions: {NAME: {implement: NUMBER}}`` and ``variables: {NAME: TYPE}``.

    Args:
        text: the content.
        path: of the file, for errors.
        default: of variables without an entry.

    Raises:
        FormatError: it is something else.
    """
    import yaml

    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FormatError(f"{path}: not YAML: {shown(str(error).splitlines()[0])}") from None
    content = {} if content is None else content
    if not isinstance(content, dict) or set(content) - {"functions", "variables"}:
        raise FormatError(f"{path}: settings must have the entries functions and variables, and no others")
    functions, variables = content.get("functions") or {}, content.get("variables") or {}
    if not isinstance(functions, dict) or not isinstance(variables, dict):
        raise FormatError(f"{path}: functions and variables must list entries by names")
    settings = Settings(default)
    for name, entry in functions.items():
        number = entry.get("implement", 0) if isinstance(entry, dict) else None
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < LARGEST_IMPLEMENT:
            raise FormatError(
                f"{path}: function {name!r} must have implement, a number from 0 to {LARGEST_IMPLEMENT - 1}"
            )
        settings.implement[str(name)] = number
    for name, entry in variables.items():
        try:
            settings.variables[str(name)] = stored_type(entry, f"type of variable {name!r}")
        except ArgumentError as error:
            raise FormatError(f"{path}: {error}") from None
    return settings


def template(network: RuntimeNetwork, default: StoredType) -> str:
    """Settings with every function and variable of a network, to be edited."""
    import yaml

    names = dict.fromkeys(step.name for step in network.steps)
    content: Mapping[str, Any] = {
        "functions": {name: {"implement": 0} for name in names},
        "variables": {
            name: str(network.types.get(name, default)) for name in network.shapes if name not in network.like
        },
    }
    return str(yaml.safe_dump(dict(content), default_flow_style=False, sort_keys=False, allow_unicode=True))
