"""What the schedules of the original NNabla give: the cases and their records.

    python tests/reference/record_learning_rates.py

writes ``tests/reference/learning_rates.json``. `tests/test_learning_rate_scheduler.py` runs the same cases on this
package. Only NNabla's public API is used here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nnabla as nn
import nnabla.utils.learning_rate_scheduler as L

VERSION = "1.39.0"
PATH = Path(__file__).resolve().parent / "learning_rates.json"
ITERATIONS = range(40)

# Class and arguments; for `LinearWarmupScheduler` the first argument is a schedule of the same form.
_SCHEDULES: list[tuple[str, list[Any]]] = [
    ("PolynomialScheduler", [0.1, 30, 1]),
    ("PolynomialScheduler", [0.3, 30, 2]),
    ("PolynomialScheduler", [0.7, 17.5, 3.0]),
    ("PolynomialScheduler", [0.1, 39, 0.5]),
    ("PolynomialScheduler", [0.1, 39, 0.9]),
    ("PolynomialScheduler", [0.1, 40, -1]),
    ("PolynomialScheduler", [0.1, 30, 0]),
    ("CosineScheduler", [0.1, 30]),
    ("CosineScheduler", [0.3, 7]),
    ("CosineScheduler", [2, 12.5]),
    ("StepScheduler", [0.1, 0.1, [10, 20, 30]]),
    ("StepScheduler", [0.1, 0.3, [30, 2, 2, 11]]),
    ("StepScheduler", [0.1, 0.7, [0, 5.5, 39]]),
    ("StepScheduler", [0.1, 0.7, []]),
    ("StepScheduler", [3, 2, [1, 4]]),
    ("ExponentialScheduler", [0.1, 0.9]),
    ("ExponentialScheduler", [0.1, 0.3, 7]),
    ("ExponentialScheduler", [0.1, 1.1, 2.5]),
    ("ExponentialScheduler", [1, 2, 10]),
]
CASES = [
    *_SCHEDULES,
    # Those that have a value in every iteration, with warm-ups of no, one, a few, and more iterations than there are.
    *(("LinearWarmupScheduler", [inner, length]) for inner in _SCHEDULES for length in (0, 1, 7, 60)),
    ("LinearWarmupScheduler", [("CosineScheduler", [0.1, 30]), 4.5]),
    ("LinearWarmupScheduler", [("CosineScheduler", [0.1, 30]), -3]),
    ("LinearWarmupScheduler", [("LinearWarmupScheduler", [("CosineScheduler", [0.1, 30]), 5]), 3]),
]


def schedule(case: tuple[str, list[Any]]) -> Any:
    """The object that a case describes."""
    name, arguments = case
    if name == "LinearWarmupScheduler":
        arguments = [schedule(arguments[0]), *arguments[1:]]
    return getattr(L, name)(*arguments)


def rates(case: tuple[str, list[Any]]) -> list[float]:
    """Learning rates of a whole run."""
    made = schedule(case)
    return [made.get_learning_rate(i) for i in ITERATIONS]


def main() -> None:
    """Records all cases."""
    if nn.__version__ != VERSION or not hasattr(nn, "_variable"):
        raise SystemExit(f"the reference is the original NNabla {VERSION}; this is {nn.__version__} at {nn.__file__}")
    lines = [f"{json.dumps(str(case))}: {json.dumps([float(rate) for rate in rates(case)])}" for case in CASES]
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{len(lines)} cases, {PATH.stat().st_size} bytes")


if __name__ == "__main__":
    main()
