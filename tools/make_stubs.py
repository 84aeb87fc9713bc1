"""Write src/nnabla/functions.pyi, which tells editors and type checkers what `nnabla.functions` holds.

The module fills itself from the declarations of the operators, so that each stands in one place only. A test checks
that the stub is what this script writes.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import nnabla
from nnabla import functions

TARGET = Path(nnabla.__file__).with_name("functions.pyi")
HEADER = '''"""Made by tools/make_stubs.py from the operators' declarations."""

from typing import Any

'''


def parameter(p: inspect.Parameter) -> str:
    """One parameter as a stub shows it."""
    if p.kind is p.VAR_POSITIONAL:
        return f"*{p.name}: Any"
    if p.kind is p.VAR_KEYWORD:
        return f"**{p.name}: Any"
    return f"{p.name}: Any" if p.default is p.empty else f"{p.name}: Any = ..."


def stub() -> str:
    """The whole stub."""
    calls = {name: f for name, f in vars(functions).items() if inspect.isfunction(f) and not name.startswith("_")}
    lines = [
        f"def {name}({', '.join(parameter(p) for p in inspect.signature(f).parameters.values())}) -> Any: ..."
        for name, f in sorted(calls.items())
    ]
    return HEADER + "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(stub(), encoding="utf-8")
