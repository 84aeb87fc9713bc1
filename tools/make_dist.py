"""Builds the sdist and the wheel, and checks the wheel in environments of its own: `python tools/make_dist.py`.

The wheel must hold every file of the package. For every Python from 3.10 to 3.14 that is there, on the PATH or in
pyenv, it is installed into a fresh virtual environment, with the versions of constraints.txt. There, in an empty folder
outside of the repository, a network is trained, saved, loaded again and run by the command line, the quick start is
followed, and the examples in the docstrings of installed modules run under pytest.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
DOCTESTS = ("nnabla.graph", "nnabla.solvers", "nnabla.parametric_functions", "nnabla.models", "nnabla.training")

SMOKE = """
import numpy as np

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.utils.load import load
from nnabla.utils.save import save

x, t = nn.Variable((8, 4)), nn.Variable((8, 1))
y = PF.affine(F.relu(PF.affine(x, 16, name="hidden")), 3, name="out")
loss = F.mean(F.softmax_cross_entropy(y, t))
solver = S.Adam(0.05)
solver.set_parameters(nn.get_parameters())
rng = np.random.RandomState(0)
x.d, t.d = rng.randn(8, 4), rng.randint(0, 3, (8, 1))
losses = []
for _ in range(60):
    loss.forward(clear_no_need_grad=True)
    losses.append(float(loss.d))
    solver.zero_grad()
    loss.backward(clear_buffer=True)
    solver.update()
assert losses[-1] < 0.1 * losses[0], losses
y.forward()
expected = y.d.copy()
network = {"name": "net", "batch_size": 8, "outputs": {"y": y}, "names": {"x": x}}
executor = {"name": "run", "network": "net", "data": ["x"], "output": ["y"]}
save("net.nnp", {"networks": [network], "executors": [executor]})
nn.clear_parameters()
loaded = load("net.nnp").networks["net"]
loaded.variables["x"].variable_instance.d = x.d
loaded.variables["y"].variable_instance.forward()
assert np.array_equal(loaded.variables["y"].variable_instance.d, expected)
print(nn.__version__, nn.__file__)
"""


def build(folder: Path) -> Path:
    """The wheel, beside the sdist."""
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, ROOT], check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return wheel


def missing_files(wheel: Path) -> list[str]:
    """Files of the package that the wheel lacks."""
    held = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    files = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
    wanted = {path.as_posix() for path in files if "__pycache__" not in path.parts and ".egg-info" not in path.parts[0]}
    return sorted(wanted - held)


def interpreters() -> dict[str, str]:
    """The programs of the Pythons that are there, by their versions, such as ``"3.10"``."""
    found = {}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in VERSIONS:
        inside = map(str, sorted(pyenv.glob(f"{version}.*/bin/python")))
        for program in (*inside, shutil.which(f"python{version}"), sys.executable):
            # What is on the PATH may be a shim of a version that is not installed.
            if program is not None and version_of(program) == version:
                found[version] = program
                break
    return found


def version_of(program: str) -> str | None:
    """Major and minor version of a Python; None if it cannot make environments."""
    code = "import ensurepip, sys, venv; print('{}.{}'.format(*sys.version_info))"
    done = subprocess.run([program, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def check(wheel: Path, python: str) -> None:
    """Install the wheel for a Python and use it.

    Raises:
        subprocess.CalledProcessError: something does not work there.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
        binaries = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
        empty = folder / "empty"
        empty.mkdir()
        (empty / "x.bin").write_bytes(bytes(4 * 4))  # one sample
        # The quick start and the test that follows it, away from the repository.
        for file in ("docs/quick_start.md", "tests/test_quick_start.py"):
            (folder / file).parent.mkdir()
            shutil.copy(ROOT / file, folder / file)
        here = binaries / "python"
        pip = [here, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "-c", ROOT / "constraints.txt"]
        pytest = [here, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib"]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        for command in (
            [*pip, wheel],
            [here, "-c", SMOKE],
            [here, "-m", "nnabla", "version"],
            [binaries / "nnabla_cli", "infer", "-c", "net.nnp", "-o", "out", "x.bin"],
            [*pip, f"{wheel}[onnx]", "pytest"],
            [*pytest, "--doctest-modules", "--pyargs", *DOCTESTS],
            [*pytest, folder / "tests" / "test_quick_start.py"],
        ):
            subprocess.run(command, check=True, cwd=empty, env=environment)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder of the packages (default: dist)")
    parser.add_argument(
        "--pythons", nargs="+", metavar="3.N", help="check with these only (default: all that are there)"
    )
    args = parser.parse_args()
    folder = args.output
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("nnabla-*.whl"), *folder.glob("nnabla-*.tar.gz")]:
        old.unlink()
    wheel = build(folder)
    if missing := missing_files(wheel):
        print(f"{wheel.name} lacks {', '.join(missing)}", file=sys.stderr)
        return 1
    programs = interpreters()
    for version in args.pythons or VERSIONS:
        if version not in programs:
            print(f"Python {version}: there is none, not checked", flush=True)
            continue
        started = time.perf_counter()
        check(wheel, programs[version])
        print(f"Python {version}: {wheel.name} works ({time.perf_counter() - started:.0f} s)", flush=True)
    return int(any(version not in programs for version in args.pythons or ()))


if __name__ == "__main__":
    sys.exit(main())
