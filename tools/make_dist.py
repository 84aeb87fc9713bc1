"""Builds the sdist and the wheel, and checks the wheel in an environment of its own: `python tools/make_dist.py`.

The wheel must hold every file of the package. It is installed into a fresh virtual environment, with the versions of
constraints.txt, where a network is trained, saved and loaded again from an empty folder outside of the repository.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

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


def check(wheel: Path) -> None:
    """Install the wheel and use it.

    Raises:
        subprocess.CalledProcessError: something does not work there.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "venv", with_pip=True)
        binaries = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
        empty = folder / "empty"
        empty.mkdir()
        pip = [binaries / "python", "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", wheel]
        for command in (
            pip,
            [binaries / "python", "-c", SMOKE],
            [binaries / "python", "-m", "nnabla", "version"],
            [binaries / "nnabla_cli", "infer", "-c", "net.nnp", "-o", "out", "x.bin"],
        ):
            if "infer" in command:
                (empty / "x.bin").write_bytes(bytes(4 * 4))  # one sample
            subprocess.run(command, check=True, cwd=empty)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder of the packages (default: dist)")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("nnabla-*.whl"), *folder.glob("nnabla-*.tar.gz")]:
        old.unlink()
    wheel = build(folder)
    if missing := missing_files(wheel):
        print(f"{wheel.name} lacks {', '.join(missing)}", file=sys.stderr)
        return 1
    check(wheel)
    print(f"{wheel.name} works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
