"""The rooms of docs/architecture.md: each imports only from rooms below it, and no modules import in a circle."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nnabla

PACKAGE = Path(nnabla.__file__).parent
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"

# From the ground up; docs/architecture.md shows the same list.
ROOMS = [
    ["errors", "dtypes", "_version", "config"],
    ["logger", "_memory", "_threads", "_private_torch", "_transfers", "_write_counts"],
    ["_init", "context", "random", "progress", "host_hooks"],
    ["_nd_array"],
    ["_array_view", "_dlpack"],
    ["files"],
    ["graph"],
    ["engine"],
    ["operators"],
    ["functions", "backward_function", "initializer", "ext_utils", "_arithmetic_ops", "_indexing"],
    ["parameter_files"],
    ["parameter"],
    ["network"],
    ["parametric_functions", "solvers"],
    ["core"],
    ["rewriting", "data", "distributed", "inspection", "testing"],
    ["converters"],
    ["models"],
    ["training"],
    ["cli"],
]
LEVEL = {name: level for level, names in enumerate(ROOMS) for name in names}

# What holds no code of its own: the paths that users import from, with imports only.
DOORS = {
    "_array",
    "_computation_graph",
    "_variable",
    "auto_forward",
    "autolog",
    "backward_functions",
    "callback",
    "communicator",
    "communicators",
    "contrib",
    "core/graph_def",
    "core/graph_optimizer",
    "experimental",
    "function",
    "function_bases",
    "grad",
    "lms",
    "mlflow_save_load_model",
    "monitor",
    "normalization_functions",
    "numpy_compat_functions",
    "recompute",
    "solver",
    "utils",
    "variable",
}

# Functions of a door that may pass on what another module knows.
PASSING_ON = ("__getattr__", "__dir__")

# The only ones that import modules whose names are not written there: what was asked for by name.
IMPORTS_BY_VARIABLE = {"", "ext_utils", "host_hooks", "data.audio.backends"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def is_door(module: str) -> bool:
    path = module.replace(".", "/")
    return path in DOORS or path.split("/")[0] in DOORS


def run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All of a tree but what is there for type checkers only."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")):
            yield child
            yield from run_time_nodes(child)


def is_import_by_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__")


def imports(module: str) -> set[str]:
    """The modules of the package that a module imports, wherever the import stands, and by name too."""
    path = MODULES[module]
    package = list(path.relative_to(PACKAGE).parts[:-1])
    found = set()
    for node in run_time_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            names = [name[1:] for name in names if name[0] == "nnabla"]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            inner = node.module.split(".") if node.module else []
            if not node.level:
                if inner[0] != "nnabla":
                    continue
                inner = inner[1:]
            names = [[*base, *inner, alias.name] for alias in node.names]
        elif is_import_by_name(node) and isinstance(node.args[0], ast.Constant):
            name = str(node.args[0].value).split(".")
            names = [name[1:]] if name[0] in ("", "nnabla") else []
        else:
            continue
        for name in names:
            known = [".".join(name[:n]) for n in range(len(name), 0, -1) if ".".join(name[:n]) in MODULES]
            found |= set(known[:1])
    return found - {module, ""}


IMPORTS = {module: imports(module) for module in MODULES}


def test_every_room_is_listed():
    unlisted = [m for m in MODULES if m and not is_door(m) and m.split(".")[0] not in LEVEL and m != "__main__"]
    assert unlisted == []


def test_rooms_import_only_from_below():
    wrong = []
    for module, others in IMPORTS.items():
        if not module or is_door(module):
            continue
        for other in others:
            room, from_room = module.split(".")[0], other.split(".")[0]
            if room == from_room and not is_door(other):
                continue
            if is_door(other) or LEVEL[from_room] >= LEVEL[room]:
                wrong.append(f"{module} imports {other}")
    assert wrong == []


def test_doors_hold_no_code():
    wrong = []
    for module, path in MODULES.items():
        if not is_door(module) or module in ("function_bases", "normalization_functions"):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            documentation = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            names = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            # State of a module can be read through its door.
            passing_on = isinstance(node, ast.FunctionDef) and node.name in PASSING_ON and len(node.body) == 1
            if not (isinstance(node, (ast.Import, ast.ImportFrom)) or documentation or names or passing_on):
                wrong.append(f"{module}:{node.lineno}")
    assert wrong == []


def circles() -> list[set[str]]:
    """Sets of more than one module that all reach each other (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(IMPORTS[module]):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            component = set(stack[stack.index(module) :])
            del stack[stack.index(module) :]
            if len(component) > 1:
                found.append(component)

    for module in MODULES:
        if module not in index:
            visit(module)
    return found


def test_no_circle():
    """Doors, imports inside of functions and by name included."""
    assert [sorted(circle) for circle in circles()] == []


def test_a_circle_would_be_found(monkeypatch):
    monkeypatch.setitem(IMPORTS, "graph.epoch", {"engine.plan"})
    (found,) = circles()
    assert {"graph.epoch", "engine.plan"} <= found


def test_imports_by_name_are_written_out():
    """Where the name is in a variable, nobody sees a circle."""
    unknown = set()
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if is_import_by_name(node) and not isinstance(node.args[0], ast.Constant):
                unknown.add(module)
    assert unknown == IMPORTS_BY_VARIABLE


def test_the_picture_shows_every_room():
    text = PICTURE.read_text(encoding="utf-8")
    block = text.partition("<!-- rooms -->\n```text\n")[2]
    shown = [line.split("  ")[0].replace("/", "").split() for line in block[: block.index("```")].splitlines()]
    assert shown == ROOMS


def test_graph_and_engine_know_no_function_by_name():
    from nnabla.graph.operator import registry

    names = set(registry) - {"Reshape"}  # Variable.reshape is a method of the public API
    wrong = []
    for path in [*sorted((PACKAGE / "graph").glob("*.py")), *sorted((PACKAGE / "engine").glob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in names:
                wrong.append(f"{path.name}:{node.lineno} names {node.value}")
    assert wrong == []


def dotted(node: ast.expr) -> str:
    """``torch.nn.functional.conv2d`` as it is written; empty for anything but names and attributes."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return base and f"{base}.{node.attr}"
    return ""


def torch_names(tree: ast.AST) -> dict[str, str]:
    """What names of a file stand for in torch, whatever they were imported or assigned as."""
    found = {"aten": "torch.ops.aten"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(alias.asname or "torch"): alias.name for alias in node.names if alias.name.startswith("torch")}
            found |= {"torch": "torch"}
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").startswith("torch"):
            found |= {(alias.asname or alias.name): f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            path = dotted(node.value)
            if isinstance(target, ast.Name) and path.partition(".")[0] in found:
                root, _, rest = path.partition(".")
                found[target.id] = f"{found[root]}.{rest}" if rest else found[root]
    return found


def convolutions_of_torch(source: str) -> list[str]:
    """Names of torch's convolution kernels in a file."""
    tree = ast.parse(source)
    names = torch_names(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            root, _, rest = dotted(node).partition(".")
            path = f"{names[root]}.{rest}" if root in names else ""
            if "conv" in path.lower():
                found.append(path)
    return found


def test_convolutions_of_torch_are_called_in_one_file():
    """`operators/convolution_kernels.py` knows which are safe; private names stand with the others."""
    wrong = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name not in ("convolution_kernels.py", "_private_torch.py")
        for name in convolutions_of_torch(path.read_text(encoding="utf-8"))
    ]
    assert wrong == []


def test_every_way_to_call_a_convolution_of_torch_is_seen():
    for source in (
        "import torch\ntorch.convolution(x)",
        "import torch.nn.functional as F\nF.conv2d(x)",
        "from torch.nn import functional\nfunctional.conv_transpose1d(x)",
        "from torch import conv3d as c\nc(x)",
        "from .kernels import aten\naten.convolution_backward(x)",
        "import torch\nk: Any = torch._C._nn\nk.slow_conv3d(x)",
        "import torch\ntorch.ops.mkldnn._convolution_pointwise(x)",
        "import torch\ntorch.nn.Conv2d(1, 2, 3)",
    ):
        assert convolutions_of_torch(source), source
    assert not convolutions_of_torch("import nnabla.functions as F\nimport torch\nF.convolution(x)\ntorch.relu(x)")
    kernels = (PACKAGE / "operators" / "convolution_kernels.py").read_text(encoding="utf-8")
    assert convolutions_of_torch(kernels)


# What `import nnabla` must not load: it is to take little longer than `import torch`. Rooms, and packages of others.
LOADED_WHEN_USED = {
    *("parameter_files", "parametric_functions", "solvers", "rewriting", "data", "distributed", "inspection"),
    *("testing", "converters", "training", "cli", "communicators", "monitor", "utils", "experimental"),
}
OTHERS_LOADED_WHEN_USED = {
    *("google", "h5py", "safetensors", "yaml", "tqdm", "PIL", "cv2", "png", "pydicom", "soundfile", "matplotlib"),
    *("scipy", "sklearn", "onnx", "fsspec", "aiohttp", "boto3", "statistics", "decimal", "sqlite3", "asyncio"),
    *("tensorboard", "graphviz", "mlflow", "pynvml"),
}


def test_import_loads_only_what_every_program_needs():
    script = """
import sys
import torch
before = set(sys.modules)
import nnabla
print("loaded", *(set(sys.modules) - before))
"""
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    loaded = next(line for line in result.stdout.splitlines() if line.startswith("loaded")).split()[1:]
    assert "nnabla.network.proto_graph" in loaded
    # The tables of messages, which every function adds its arguments to; nothing that reads or writes a file.
    tables = {f"nnabla.files{name}" for name in ("", ".messages", ".model_messages", ".wire")}
    assert {name for name in loaded if name.startswith("nnabla.files")} <= tables
    rooms = {name.split(".")[1] for name in loaded if name.startswith("nnabla.")}
    assert rooms & LOADED_WHEN_USED == set()
    assert {name.split(".")[0] for name in loaded} & OTHERS_LOADED_WHEN_USED == set()
    # Nothing of what compiles graphs.
    assert "nnabla.engine.compiling" in loaded
    assert not [name for name in loaded if name.startswith(("torch._inductor", "torch._dynamo", "torch._functorch"))]
    assert not {"nnabla.engine.compiled_plan", "nnabla.engine.inductor", "nnabla.engine.joint_step"} & set(loaded)


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


def test_computing_does_not_import_sympy():
    """Some of torch's functions on shapes do, which takes a second."""
    script = """
import sys
import nnabla as nn, nnabla.functions as F
F.einsum(nn.Variable((2, 5, 3)), nn.Variable((3, 4)), equation="...j,jk->...k").forward()
assert "sympy" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
