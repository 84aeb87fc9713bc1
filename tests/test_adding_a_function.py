"""docs/adding_a_function.md, followed to the letter in a copy of the repository: two files, the rest follows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "adding_a_function.md"
STEP = re.compile(r"^At the end of `([^`]+)`.*?^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy in which the page was followed."""
    root = tmp_path_factory.mktemp("copy")
    hidden = shutil.ignore_patterns("__pycache__", "_build")
    for folder in ("src", "tests", "tools", "docs", "benchmarks", "examples"):
        shutil.copytree(ROOT / folder, root / folder, ignore=hidden)
    for file in ("conftest.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, root / file)
    steps = STEP.findall(PAGE.read_text(encoding="utf-8"))
    assert [Path(file).parts[0] for file, _ in steps] == ["src", "tests"]
    for file, code in steps:
        with open(root / file, "a", encoding="utf-8") as target:
            target.write("\n\n" + code)
    return root


def run(copy, *command):
    return subprocess.run(
        [sys.executable, *command],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


def test_a_function_in_two_files(copy):
    program = """if True:
        import numpy as np, nnabla as nn, nnabla.functions as F, nnabla.function_bases as B
        x = nn.Variable.from_numpy_array(np.array([-1.5, 0.0, 1.5]), need_grad=True)
        y = F.squareplus(x)
        y.forward(); x.grad.zero(); y.backward(np.array([1.0, 2.0, 3.0]))
        print(y.d.tolist(), x.g.astype(float).round(4).tolist(), y.parent.info.type_name, dict(y.parent.info.args))
        second = nn.grad([nn.grad([y], [x])[0]], [x])[0]
        second.forward()
        print(second.d.astype(float).round(4).tolist())
        found = F.squareplus(nn.NdArray.from_numpy_array([1.5]), b=4)
        print(found.data.tolist(), F.squareplus.__doc__[:6], nn.__file__)
    """
    done = run(copy, "-W", "ignore", "-c", program)
    assert done.returncode == 0, done.stderr
    # By hand: y' = (1 + x / sqrt(x^2 + 4)) / 2, y'' = 2 / (x^2 + 4)^1.5.
    assert done.stdout.splitlines() == [
        "[0.5, 1.0, 2.0] [0.2, 1.0, 2.4] Squareplus {'b': 4.0}",
        "[0.128, 0.25, 0.128]",
        f"[2.0] Smooth {copy / 'src' / 'nnabla' / '__init__.py'}",
    ]


def test_the_suites_find_it(copy):
    """What compares all functions, and what covers each, passes; each suite takes the new cases by itself."""
    stub = run(copy, "tools/make_stubs.py")
    assert stub.returncode == 0, stub.stderr
    assert "def squareplus(x: Any, b: Any = ...," in (copy / "src/nnabla/functions.pyi").read_text(encoding="utf-8")
    options = ("-m", "pytest", "-q", "-rN", "--no-header")
    suites = [f"tests/operators/test_{name}.py" for name in ("beyond", "coverage", "gradients", "types", "bad_calls")]
    done = run(copy, *options, *suites, "-k", "squareplus or Squareplus")
    assert done.returncode == 0, done.stdout[-3000:]
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    assert passed > 15, done.stdout[-3000:]
    done = run(copy, *options, "tests/test_functions.py", "tests/test_docs.py")
    assert done.returncode == 0, done.stdout[-3000:]


def test_what_its_cases_leave_out_is_noticed(copy):
    """Without the case of another `b`, the measure of coverage says so."""
    cases = copy / "tests/operators/cases/activations.py"
    text = cases.read_text(encoding="utf-8")
    line = '    case("squareplus", normal(2, 3), args={"b": 0.25}, judge=squareplus),\n'
    assert text.count(line) == 1
    cases.write_text(text.replace(line, ""), encoding="utf-8")
    try:
        done = run(copy, "-m", "pytest", "-q", "tests/operators/test_coverage.py", "-k", "covered and Squareplus")
    finally:
        cases.write_text(text, encoding="utf-8")
    assert done.returncode == 1
    assert "b varied" in done.stdout
