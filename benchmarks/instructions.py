"""Count the processor's instructions in a step, before and after a change, with Valgrind.

Times of a busy machine say little; the number of instructions on one thread is the same in every run, to a
thousandth. It knows nothing of memory and of branches, so it tells what a plan costs, not what a kernel does.

Usage: instructions.py CASE [CASE ...] --before CHECKOUT [--steps 100]
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cases import CASES
from processes import BEFORE, HERE, Implementation, implementations

# Steps of the first of two runs, after which plans are compiled and have found their number of threads.
WARM = 60
# What a row may grow by.
TOLERANCE = 1.03


def instructions(column: Implementation, case: str, steps: int, folder: Path) -> int:
    """Instructions of a process that runs `steps` steps of a case, and all that comes before."""
    requests = [
        {"do": "prepare", "case": case, "parameters": str(folder / f"{case}.npz")},
        {"do": "check", "steps": steps},
    ]
    valgrind = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
    done = subprocess.run(
        [*valgrind, column.python, str(HERE / "worker.py"), column.worker, "1"],
        input="".join(f"{json.dumps(request)}\n" for request in requests),
        env={**column.environment(1), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
    )
    return counted(done.stderr, done.stdout)


def counted(report: str, replies: str) -> int:
    """The number in Valgrind's report.

    Raises:
        RuntimeError: the worker has not answered, or there is none.
    """
    found = re.search(r"I\s+refs:\s+([\d,]+)", report)
    if found is None or '"values"' not in replies:
        lines = [line for line in report.splitlines() if not line.startswith("==")]
        raise RuntimeError(f"no instructions were counted: {lines[-1] if lines else 'no message'}")
    return int(found.group(1).replace(",", ""))


def per_step(column: Implementation, case: str, steps: int, folder: Path) -> float:
    """Instructions of one step: the difference of two runs, so that all else drops out."""
    return (instructions(column, case, WARM + steps, folder) - instructions(column, case, WARM, folder)) / steps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="+", choices=sorted(CASES), metavar="CASE")
    parser.add_argument("--before", type=Path, required=True, metavar="CHECKOUT")
    parser.add_argument("--steps", type=int, default=100, help="that are counted (default: 100)")
    given = parser.parse_args()
    if shutil.which("valgrind") is None:
        parser.error("there is no valgrind")
    columns = implementations(None, given.before)
    regressed = False
    with tempfile.TemporaryDirectory() as folder:
        for case in given.cases:
            after, before = (per_step(columns[name], case, given.steps, Path(folder)) for name in ("ours", BEFORE))
            more = after > TOLERANCE * before
            regressed = regressed or more
            print(f"{case}: {before:,.0f} before, {after:,.0f} now, {after / before:.3f}{' (more)' * more}", flush=True)
    return int(regressed)


if __name__ == "__main__":
    sys.exit(main())
