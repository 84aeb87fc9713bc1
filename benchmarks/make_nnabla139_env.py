"""Make the environment of the peer NNabla 1.39: `python benchmarks/make_nnabla139_env.py [FOLDER]`.

NNabla 1.39 has wheels for Python 3.8 to 3.10 and needs NumPy 1 and an old protobuf, so it lives apart from
everything else. The default folder is where `run.py` looks for it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from processes import NNABLA139_ENVIRONMENT

REQUIREMENTS = ("nnabla==1.39.0", "numpy<2", "protobuf<3.21")


def candidates() -> Iterator[str]:
    """Interpreters that may be Python 3.10: on the PATH, then pyenv's."""
    on_path = shutil.which("python3.10")
    if on_path:
        yield on_path
    pyenv = shutil.which("pyenv")
    if pyenv:
        root = subprocess.run([pyenv, "root"], capture_output=True, text=True).stdout.strip()
        yield from sorted(str(path) for path in Path(root, "versions").glob("3.10*/bin/python"))


def is_python310(interpreter: str) -> bool:
    """pyenv puts a `python3.10` on the PATH that fails where no such version is selected, so ask."""
    code = "import sys; print(*sys.version_info[:2])"
    answer = subprocess.run([interpreter, "-c", code], capture_output=True, text=True)
    return answer.stdout.split() == ["3", "10"]


def main() -> int:
    parser = argparse.ArgumentParser(description="Make a Python 3.10 environment with NNabla 1.39.")
    parser.add_argument("folder", nargs="?", type=Path, default=NNABLA139_ENVIRONMENT)
    folder = parser.parse_args().folder
    interpreter = next((name for name in candidates() if is_python310(name)), None)
    if interpreter is None:
        print("error: NNabla 1.39 needs Python 3.10, and there is none on the PATH or in pyenv", file=sys.stderr)
        return 1
    subprocess.run([interpreter, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", *REQUIREMENTS], check=True)
    subprocess.run([str(python), "-c", "import nnabla; print(nnabla.__version__)"], check=True)
    print(f"made {folder}; run.py finds it there" if folder == NNABLA139_ENVIRONMENT else f"made {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
