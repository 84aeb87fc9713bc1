"""Private names of torch stand in `nnabla._private_torch` only, and its public replacements are true."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch

import nnabla
from nnabla import _private_torch

from .test_architecture import dotted, torch_names

SOURCE = Path(nnabla.__file__).parents[1]
THE_FILE = SOURCE / "nnabla" / "_private_torch.py"


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


# What is private of torch's objects, whatever the object is called; less what our own classes have, too.
OF_OBJECTS = {
    name for cls in (torch.Tensor, torch.UntypedStorage, torch.Generator) for name in dir(cls) if is_private(name)
} | {"_op", "_execution_engine"}


def own_names(trees: list[ast.AST]) -> set[str]:
    """Attributes that our classes define or set on themselves."""
    found = set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
            elif isinstance(node, ast.FunctionDef):
                found.add(node.name)
    return found


def private_names(source: str, own: set[str] = frozenset()) -> list[str]:
    """Private names of torch that a file uses."""
    tree = ast.parse(source)
    names = torch_names(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            paths = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            paths = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            root, _, rest = dotted(node).partition(".")
            paths = [f"{names[root]}.{rest}"] if root in names and is_private(node.attr) else []
            if not paths and node.attr in OF_OBJECTS - own:
                paths = [f"torch: .{node.attr}"]
        elif isinstance(node, ast.Call) and dotted(node.func) == "getattr" and isinstance(node.args[1], ast.Constant):
            root = dotted(node.args[0]).partition(".")[0]
            paths = [f"{names[root]}.{node.args[1].value}"] if root in names else []
        else:
            continue
        found += [p for p in paths if p.startswith("torch") and any(map(is_private, p.replace(" ", "").split(".")))]
    return found


FILES = {path: path.read_text(encoding="utf-8") for path in sorted(SOURCE.rglob("*.py")) if path != THE_FILE}


def test_private_names_of_torch_stand_in_one_file():
    own = own_names([ast.parse(text) for text in FILES.values()])
    wrong = {
        str(path.relative_to(SOURCE)): found for path, text in FILES.items() if (found := private_names(text, own))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch._foreach_add_(xs, ys)",
        "import torch\nf = torch._C._nn.mse_loss",
        "import torch as t\nt._VF.lstm",
        "from torch import _foreach_add_",
        "from torch._C import _nn",
        "import torch._dynamo",
        "from .kernels import aten\naten._prelu_kernel(x, w)",
        "import torch\ng = getattr(torch, '_foreach_add_')",
        "import torch\ntorch.ops.aten._softmax(x, 0, False)",
        "import torch\ntorch.ops.aten.relu.default._op(x)",
        "import torch\nlinear = torch.nn.functional._pad",
        "def f(tensor):\n    return tensor._version",
        "def f(tensor):\n    return tensor.untyped_storage()._cdata",
    ],
)
def test_every_way_to_a_private_name_is_seen(source):
    assert private_names(source)


def test_public_names_are_not_taken_for_private_ones():
    assert not private_names("import torch\ntorch.foo.__doc__\nself._tensor\nfrom ._private_torch import foreach_add_")
    assert private_names(THE_FILE.read_text(encoding="utf-8"))


def test_every_private_name_has_its_public_way_and_is_used():
    text = THE_FILE.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign):
            (name,) = [target.id for target in node.targets]
            assert len(lines[node.lineno - 1].split("  # ")[-1]) > 6, f"{name}: no public way beside it"
            used = [path for path, source in FILES.items() if name in source]
            assert used, f"{name} is used nowhere: remove it"


XS, YS, ZS = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(1)).add(0.1).unbind()
FOREACH = {
    "abs": ([], {}),
    "add": ([YS], {"alpha": -0.3}),
    "addcdiv": ([YS, ZS], {"value": 0.4}),
    "addcmul": ([YS, ZS], {"value": 0.4}),
    "clamp_max": ([0.5], {}),
    "clamp_min": ([0.5], {}),
    "div": ([YS], {}),
    "lerp": ([YS, 0.3], {}),
    "maximum": ([YS], {}),
    "mul": ([YS], {}),
    "norm": ([], {}),
    "reciprocal": ([], {}),
    "sign": ([], {}),
    "sqrt": ([], {}),
    "sub": ([YS], {}),
    "zero": ([], {}),
}


@pytest.mark.parametrize("name", [name for name in dir(_private_torch) if name.startswith("foreach_")])
def test_multi_tensor_functions_are_loops_over_tensors(name):
    args, kwargs = FOREACH[name.removeprefix("foreach_").removesuffix("_")]
    public = name.removeprefix("foreach_")
    if public == "maximum_":
        public = "maximum"
    expected = [
        getattr(x.clone(), public)(*[a[i] if isinstance(a, torch.Tensor) else a for a in args], **kwargs)
        for i, x in enumerate(XS)
    ]
    ours = [x.clone() for x in XS]
    results = getattr(_private_torch, name)(
        ours, *[list(a) if isinstance(a, torch.Tensor) else a for a in args], **kwargs
    )
    for y, reference in zip(ours if name.endswith("_") else results, expected, strict=True):
        torch.testing.assert_close(y, reference)


def test_gradients_of_soft_max_and_prelu_are_their_formulas():
    dy, y = YS, torch.softmax(XS, 1)
    ours = _private_torch.softmax_backward_data(dy, y, 1, y.dtype)
    torch.testing.assert_close(ours, y * (dy - (dy * y).sum(1, keepdim=True)))
    y = torch.log_softmax(XS, 1)
    ours = _private_torch.log_softmax_backward_data(dy, y, 1, y.dtype)
    torch.testing.assert_close(ours, dy - y.exp() * dy.sum(1, keepdim=True))
    x, slope = XS - 0.6, torch.full((1, 5), 0.25)
    torch.testing.assert_close(_private_torch.prelu_kernel(x, slope), torch.where(x > 0, x, slope * x))
    dx, dslope = _private_torch.prelu_kernel_backward(dy, x, slope)
    torch.testing.assert_close(dx, torch.where(x > 0, 1.0, slope) * dy)
    torch.testing.assert_close(dslope.expand(4, 5), torch.where(x > 0, 0.0, x) * dy)
