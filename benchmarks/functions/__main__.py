"""Measure every function on its own: `PYTHONPATH=benchmarks python -m functions`. README.md says what and how."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cases import SIZE_MARK, find_case
from measure import Effort, measure_case
from processes import Pool, implementations
from report import Report, write_markdown
from run import positive

from functions.formulas import FORMULAS
from functions.table import ORIGINAL, OURS, TORCH, FunctionTable

# For glibc: freed memory stays with the process. Else arrays of 16 MiB come from the system in some turns and not in
# others, and the page faults of one take as long as a point-wise kernel.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}
EFFORT = Effort(rounds=5, turn_seconds=0.04, warm_seconds=0.0)
SIZES = ("small", "large")


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in FORMULAS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no function measured is called {', '.join(unknown)}")
    return names


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="functions", description="Measure every function on its own.")
    parser.add_argument("--only", metavar="NAMES", type=_names, help="only these functions, with commas between")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=SIZES, help="default: both")
    parser.add_argument(
        "--peers", nargs="*", choices=(TORCH, ORIGINAL), default=(TORCH, ORIGINAL), help="default: both"
    )
    parser.add_argument("--rounds", type=positive, default=EFFORT.rounds, help="turns of each (default %(default)s)")
    parser.add_argument(
        "--turn", type=float, metavar="SECONDS", default=EFFORT.turn_seconds, help="of a turn (default %(default)s)"
    )
    parser.add_argument("--threads", type=positive, default=2, help="threads for each (default %(default)s)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all figures")
    parser.add_argument(
        "--markdown", metavar="FILE", type=Path, help="write the table, between the marks if FILE has them"
    )
    parser.add_argument(
        "--nnabla139",
        metavar="PYTHON",
        help="a Python that has NNabla 1.39 (default: $NNABLA139_PYTHON, then make_nnabla139_env.py's)",
    )
    return parser.parse_args(arguments)


def main() -> int:
    options = parse_arguments()
    os.environ.update(MEMORY)
    wanted = (OURS, *options.peers)
    columns = [column for name, column in implementations(options.nnabla139).items() if name in wanted]
    effort = Effort(options.rounds, options.turn, warm_seconds=0.0)
    rows = []
    with Pool(columns, options.threads) as pool:
        for name, reason in pool.missing.items():
            print(f"without {name}: {reason}", file=sys.stderr)
        if OURS in pool.missing:
            return 1
        versions = {name: worker.version for name, worker in pool.workers.items()}
        columns = [column for column in columns if column.name in pool.workers]
        for name in options.only or FORMULAS:
            for size in options.sizes:
                print(f"measuring {name}, {size}", file=sys.stderr, flush=True)
                case = find_case(f"{name}{SIZE_MARK}{size}")
                rows.append(measure_case(case, pool, effort, compared=True))
    report = Report(rows, columns, versions, OURS, options.threads, effort)
    table = FunctionTable(report)
    print(table.text())
    for failure in report.failures():
        print(f"failed: {failure}", file=sys.stderr)
    if options.json:
        options.json.write_text(report.json(), encoding="utf-8")
    if options.markdown:
        write_markdown(options.markdown, table.markdown())
    wrong = [name for name, implementation, _ in table.strangers() if implementation == TORCH]
    return 0 if not wrong and all(OURS in row.figures for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
