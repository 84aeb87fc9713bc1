"""The configuration of the runtime's library: which of its functions are built."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ...graph.operator import registry
from .function_ids import numbers, types_of
from .kernels import KERNELS

# Of the types that files know.
_TYPES = {"B": "bool", "i": "int64", "f": "float", "iI": "repeated int64", "fF": "repeated float", "C": "Communicator"}


def functions_yaml(names: Collection[str]) -> str:
    """``functions.yaml`` of the runtime's code generator, with the functions of these names.

    Each has its inputs, arguments and outputs, its numbers in files by the format of the arguments, and whether the
    runtime has a kernel for it.
    """
    import yaml

    content = {name: _entry(name) for name in sorted(names)}
    return str(yaml.safe_dump(content, default_flow_style=False, sort_keys=False))


def _entry(name: str) -> dict[str, Any]:
    declaration = registry[name].declaration
    found = numbers()[name]
    entry: dict[str, Any] = {"snake_name": declaration.name}
    entry["inputs"] = {
        i.name: {"optional": True} if i.optional else {"variadic": True} if i.variadic else {}
        for i in declaration.inputs
    }
    kinds = types_of(found[-1].format)
    entry["arguments"] = {
        a.name: {"type": _kind(a, kind)} for a, kind in zip(declaration.arguments, kinds, strict=False)
    }
    entry["outputs"] = {y: {} for y in registry[name].outputs}
    entry["function_ids"] = {each.format or "Empty": each.id for each in found}
    entry["c_runtime"] = "support" if name in KERNELS else "not support"
    return entry


def _kind(argument: Any, letter: str) -> str:
    return str(argument.stored) if argument.stored else _TYPES[letter]
