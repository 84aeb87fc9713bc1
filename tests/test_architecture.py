"""The rooms of docs/architecture.md: each imports only from itself and those below it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import nnabla

PACKAGE = Path(nnabla.__file__).parent
# From the ground up. A module that is not listed stands on top of all of these.
ROOMS = [
    ["errors", "dtypes", "_version", "config", "_init", "_memory"],
    ["logger", "context", "random"],
    ["_nd_array", "_array_view"],
    ["graph"],
    ["operators"],
    ["functions", "function", "variable", "callback", "auto_forward", "recompute", "initializer", "ext_utils"],
    ["_arithmetic_ops", "_indexing"],
    ["formats", "parameter"],
    ["parametric_functions", "solvers", "solver"],
    ["core", "experimental"],
]
LEVEL = {name: level for level, names in enumerate(ROOMS) for name in names}


def imported_rooms(path: Path) -> set[str]:
    """First components below nnabla of everything that a file imports, wherever the import stands."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(parts[: len(parts) - node.level]) if node.level else []
            module = (node.module or "").split(".") if node.module else []
            names = (
                [["nnabla", *base, *module, alias.name] for alias in node.names]
                if node.level
                else [[*module, alias.name] for alias in node.names]
            )
        else:
            continue
        found |= {name[1] for name in names if name[0] == "nnabla" and len(name) > 1}
    return found


def test_rooms_import_only_from_below():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if room not in LEVEL:
            continue
        for other in imported_rooms(path):
            if LEVEL.get(other, -1) > LEVEL[room] or (other not in LEVEL and (PACKAGE / f"{other}.py").exists()):
                wrong.append(f"{path.relative_to(PACKAGE)} imports {other}")
    # Solver states are files of the solvers' own objects.
    assert [w for w in wrong if w != "formats/solver_states.py imports solvers"] == []


def test_the_graph_knows_no_function_by_name():
    from nnabla.graph.operator import registry

    names = set(registry) - {"Reshape"}  # Variable.reshape is a method of the public API
    wrong = []
    for path in sorted((PACKAGE / "graph").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in names:
                wrong.append(f"{path.name}:{node.lineno} names {node.value}")
    assert wrong == []


def test_modules_that_nnabla_has_without_import():
    """As in ``nn.solver.Solver``; they are loaded when they are asked for, not with the package."""
    script = """
import sys
import nnabla as nn
assert "nnabla.solvers" not in sys.modules
assert nn.solver.Solver is sys.modules["nnabla.solvers"].Solver
assert nn.variable.Variable is nn.Variable
for name in ("function_bases", "normalization_functions", "numpy_compat_functions", "utils"):
    assert getattr(nn, name) is sys.modules[f"nnabla.{name}"]
assert not hasattr(nn, "nothing")
"""
    subprocess.run([sys.executable, "-c", script], check=True)
