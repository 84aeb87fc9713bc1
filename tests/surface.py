"""NNabla 1.39's public names and signatures (`tests/reference/surface/`), compared with this package."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "reference" / "surface"
SURFACE = json.loads((FOLDER / "api_surface.json").read_text(encoding="utf-8"))
MODULES = SURFACE["modules"] | {
    f"nnabla.backward_function.{name}": {"functions": functions}
    for name, functions in SURFACE["backward_function_modules"]["modules"].items()
}


class Parameter(NamedTuple):
    """One parameter of a signature as the surface writes it; `default` is text, or None."""

    name: str
    default: str | None


def parameters(text: str) -> list[Parameter]:
    """The parameters in a text such as ``static (string key, hook=None)``; C types before names are dropped."""
    decorated = re.search(r"\[decorated (\(.*\))\]", text)
    text = decorated.group(1) if decorated else text
    inner = text[text.index("(") + 1 : text.rindex(")")]
    parts, depth, start = [], 0, 0
    for position, character in enumerate(inner + ","):
        depth += character in "([{<"
        depth -= character in ")]}>"
        if character == "," and not depth:
            parts.append(inner[start:position].strip())
            start = position + 1
    found = []
    for part in filter(None, parts):
        name, equals, default = part.partition("=")
        found.append(Parameter(name.split()[-1].split(":")[0], default.strip() if equals else None))
    return found


def missing() -> Iterator[str]:
    """What of 1.39's surface is not there, as dotted paths; with ``()`` behind it where the parameters differ."""
    for name, surface in sorted(MODULES.items()):
        if surface.get("skipped") == "shared library, not a Python module":
            yield name
            continue
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            # An extra that is not installed is no difference; the module itself must be there.
            if error.name is None or error.name.split(".")[0] in ("nnabla", "nnabla_ext"):
                yield name
            continue
        yield from _missing_names(name, module, surface)


def _missing_names(path: str, module: ModuleType, surface: dict[str, Any]) -> Iterator[str]:
    functions: dict[str, str] = dict(surface.get("functions", {}))
    for name, origin in surface.get("re_exports", {}).items():
        # Other modules' objects: that they are there; their own module says the rest.
        if not hasattr(module, name):
            yield f"{path}.{name}"
        elif path in ("nnabla.functions", "nnabla.parametric_functions") and origin.endswith(")"):
            functions[name] = origin[origin.index("(") :]
    for name in surface.get("values", {}):
        if not hasattr(module, name):
            yield f"{path}.{name}"
    for name, signature in functions.items():
        if not hasattr(module, name):
            yield f"{path}.{name}"
        elif not _accepts(getattr(module, name), signature):
            yield f"{path}.{name}()"
    for name, described in surface.get("classes", {}).items():
        if not hasattr(module, name):
            yield f"{path}.{name}"
        else:
            yield from _missing_members(f"{path}.{name}", getattr(module, name), described)


def _missing_members(path: str, cls: type, described: dict[str, Any]) -> Iterator[str]:
    if not _accepts(cls, described.get("constructor", "()")):
        yield f"{path}()"
    for name, signature in described.get("methods", {}).items():
        method = inspect.getattr_static(cls, name, None)
        if method is None:
            yield f"{path}.{name}"
        elif not name.startswith("__") and not _accepts(getattr(cls, name), signature, bound=method):
            yield f"{path}.{name}()"
    for name, access in described.get("properties", {}).items():
        found = inspect.getattr_static(cls, name, None)
        if found is None and name not in getattr(cls, "__annotations__", {}):
            yield f"{path}.{name}"
        elif access == "rw" and isinstance(found, property) and found.fset is None:
            yield f"{path}.{name} ="


def _accepts(function: Any, text: str, bound: Any = None) -> bool:
    """Whether a call that fits the signature `text` fits `function`, too, and means the same by position."""
    try:
        ours = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return callable(function)
    if bound is not None and not isinstance(bound, (staticmethod, classmethod)):
        ours = ours[1:]
    if any(p.kind is p.VAR_POSITIONAL for p in ours) and any(p.kind is p.VAR_KEYWORD for p in ours):
        return True
    by_name = {p.name: (position, p) for position, p in enumerate(ours)}
    collects = any(p.kind is p.VAR_KEYWORD for p in ours)
    for position, theirs in enumerate(parameters(text)):
        if theirs.name.startswith("*"):
            continue
        if theirs.name not in by_name:
            if collects and theirs.default is not None:
                continue
            return False
        at, own = by_name[theirs.name]
        if own.kind is not own.KEYWORD_ONLY and at != position:
            return False
        if theirs.default is not None and own.default is own.empty:
            return False
        if not _same_default(theirs.default, own.default):
            return False
    needed = [p for p in ours if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return {p.name for p in needed} <= {p.name for p in parameters(text)}


def _same_default(text: str | None, own: Any) -> bool:
    if text is None or own is inspect.Parameter.empty:
        return True
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return True  # an object that the surface names only
    if isinstance(value, (list, tuple)) and (own is None or isinstance(own, (list, tuple))):
        return list(value) == list(own or ())
    return bool(value == own)


def present() -> dict[str, tuple[int, int]]:
    """How many of 1.39's modules, and of the functions, classes and re-exported names in them, are there, and of how
    many. By name only: `missing` compares what the names take and have."""
    modules = names = all_names = 0
    for path, described in SURFACE["modules"].items():
        found = [name for kind in ("functions", "classes", "re_exports") for name in described.get(kind, {})]
        all_names += len(found)
        try:
            module = importlib.import_module(path)
        except ImportError:
            continue
        modules += 1
        names += sum(hasattr(module, name) for name in found)
    return {"modules": (modules, len(SURFACE["modules"])), "names": (names, all_names)}


if __name__ == "__main__":
    for kind, (there, all_there_are) in present().items():
        print(f"{there:,} of {all_there_are:,} public {kind} of NNabla 1.39")
