"""The sweep of tools/sweep: a sample of it, and that it sees what it is there for. And a sample of the function tests
under the lowest instruction set.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools" / "sweep"))
try:
    from instruction_sets import available, heap_checker
finally:
    sys.path.remove(str(ROOT / "tools" / "sweep"))

LOWEST = available()[0]


def sweep(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "sweep"), "--sets", LOWEST.name, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)


def test_a_sample_of_every_layer_type_passes() -> None:
    done = sweep("--geometries", "60", "--threads", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    counts = dict(re.findall(r"^(\w+) +(\d+) +-$", done.stdout, re.MULTILINE))
    assert len(counts) >= 50 and sum(map(int, counts.values())) == 60
    wanted = {"convolution", "deconvolution", "fused_convolution", "inference", "max_pooling", "lstm", "batch_matmul"}
    assert wanted < set(counts)


FAULTY = """
import ctypes, time
from operators.arrays import normal
from operators.case import case
from registry import layer
import nnabla.functions as F

python = ctypes.pythonapi
python.PyMem_RawMalloc.restype, python.PyMem_RawFree.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

def overflow():
    memory = python.PyMem_RawMalloc(ctypes.c_size_t(40))
    ctypes.memset(memory, 1, 41)
    python.PyMem_RawFree(memory)

calls = 0
def wrong(x):
    global calls
    calls += 1
    return F.relu(x) * (1 + 1e-3 * calls)

F.right, F.wrong = F.relu, wrong
F.refuses = lambda x: F.reshape(x, (7,))
F.overflows = lambda x: overflow() or F.relu(x)
F.hangs = lambda x: time.sleep(60)

for name in ("right", "wrong", "refuses", "overflows", "hangs"):
    layer(name)(lambda r, name=name: case(name, normal(2, 3)))
"""


@pytest.mark.skipif(not heap_checker(), reason="glibc's heap checker is not there")
def test_wrong_values_crashes_damaged_heaps_and_hangs_are_seen(tmp_path: Path) -> None:
    """By layers that do just that, each with one that is right after it."""
    module = tmp_path / "faulty.py"
    module.write_text(FAULTY)
    done = sweep("--geometries", "5", "--threads", "1", "--limit", "8", "--module", str(module))
    assert done.returncode == 1
    kinds = dict(re.findall(r"1 threads: (\w+) of (\w+):\d+", done.stdout))
    assert kinds == {"wrong": "wrong", "refused": "refuses", "crash": "overflows", "hang": "hangs"}
    assert "SIGABRT" in done.stdout
    assert re.search(r"^right +1 +-$", done.stdout, re.MULTILINE)


SAMPLE = (
    "layers-convolution or layers-deconvolution or fused_convolution or depthwise or pooling or affine "
    "or batch_normalization or lstm or batch_matmul or softmax or interpolate"
)


@pytest.mark.skipif(LOWEST.flag == "", reason="the CPU has one instruction set only")
def test_a_sample_of_the_functions_under_the_lowest_instruction_set() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:xdist", "tests/operators/test_reference.py"]
    environment = {**os.environ, **LOWEST.variables, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [*command, "-k", f"test_static and ({SAMPLE})"], capture_output=True, text=True, timeout=900, check=False,
        env=environment, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", done.stdout).group(1)) >= 100
