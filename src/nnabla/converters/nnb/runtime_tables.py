"""The configuration of the runtime's library: which of its functions are built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...graph.operator import registry
from .categories import categories, parameter_inputs
from .function_ids import numbers, types_of
from .kernels import KERNELS

# Of the types that files know.
_TYPES = {"B": "bool", "i": "int64", "f": "float", "iI": "repeated int64", "fF": "repeated float", "C": "Communicator"}

_STORED = {"shape": "Shape", "communicator": "Communicator"}

# The names that do not follow from function and format.
_UNIQUE_NAMES = {"HardSigmoid": "HardSigmoid", "Round": "Round_", "Ceil": "Ceil_", "Floor": "Floor_",
                 "Dropout": "Dropout_fi"}  # fmt: skip


def functions_yaml(types: Mapping[str, Sequence[str]]) -> str:
    """``functions.yaml`` of the runtime's code generator: all functions by categories, as `by_category` has them."""
    import yaml

    return str(yaml.safe_dump(by_category(types), default_flow_style=False, sort_keys=False))


def by_category(types: Mapping[str, Sequence[str]] | None = None) -> dict[str, dict[str, dict[str, Any]]]:
    """What the runtime's code generator is told of all functions, by categories.

    Each has its inputs, arguments and outputs, its numbers in files by the format of the arguments, the newest of them
    with the function's unique name, and whether the runtime has a kernel for it.

    Args:
        types: of the functions to be built, for which types: ``["ALL"]``, or some of ``FLOAT32``, ``FIXED16`` and
            ``FIXED8``. If given, ``func_type`` says so, and ``["None"]`` for functions that are not to be built.
    """
    found = {category: {name: _entry(name) for name in names} for category, names in categories().items()}
    if types is not None:
        for entries in found.values():
            for name, entry in entries.items():
                entry["func_type"] = list(types.get(name, ["None"]))
    return found


def _entry(name: str) -> dict[str, Any]:
    declaration = registry[name].declaration
    found = numbers()[name]
    entry: dict[str, Any] = {"snake_name": declaration.name}
    parameters = parameter_inputs().get(name, [])
    entry["inputs"] = {
        i.name: ({"optional": True} if i.optional else {"variadic": True} if i.variadic else {})
        | ({"parameter": True} if i.name in parameters else {})
        for i in declaration.inputs
    }
    kinds = types_of(found[-1].format)
    arguments = {
        a.name: {"type": _kind(a, kind)} | ({"available_values": list(a.choices)} if a.choices else {})
        for a, kind in zip(declaration.arguments, kinds, strict=False)
    }
    if arguments:
        entry["arguments"] = arguments
    entry["outputs"] = {y: {} for y in registry[name].outputs}
    entry["function_ids"] = {each.format or "Empty": each.id for each in found}
    entry["c_runtime"] = "support" if name in KERNELS else "not support"
    newest = found[-1]
    usual = f"{name}_{newest.format}" if newest.format else name
    entry["uniq_name"] = _UNIQUE_NAMES.get(name, usual)
    entry["id"] = newest.id
    return entry


def _kind(argument: Any, letter: str) -> str:
    return _STORED.get(argument.stored, str(argument.stored)) if argument.stored else _TYPES[letter]
