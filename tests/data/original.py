"""The original NNabla 1.39, for tests in which both implementations read each other's files.

It is the Python that the variable NNABLA139_PYTHON names, or the environment that benchmarks/make_nnabla139_env.py
makes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

BESIDE = Path(__file__).resolve().parents[2] / "benchmarks" / ".nnabla139" / "bin" / "python"
ORIGINAL = os.environ.get("NNABLA139_PYTHON") or str(BESIDE)
needs_original = pytest.mark.skipif(
    shutil.which(ORIGINAL) is None,
    reason=f"no NNabla 1.39 at {ORIGINAL}: set NNABLA139_PYTHON, or run benchmarks/make_nnabla139_env.py",
)


def run_original(*arguments: str | os.PathLike[str]) -> str:
    """What a script prints that the original's Python runs."""
    settings = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([ORIGINAL, *arguments], env=settings, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout
