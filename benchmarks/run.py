"""Measure this project beside its peers: `python benchmarks/run.py`. README.md says what and how."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cases import CASES
from measure import IMPORTS, MEMORY, Effort, check_case, measure_case, measure_import, measure_memory, measure_modes
from processes import BEFORE, Implementation, Pool, implementations
from report import Report, write_markdown
from rows import REGRESSION_PROCESSES, REGRESSION_ROUNDS, REGRESSION_ROUNDS_OF_PROCESS, Row

FULL = Effort(rounds=7, turn_seconds=0.5)
# What is measured besides the cases.
OTHERS = ("modes", *MEMORY, *IMPORTS)
QUICK = Effort(rounds=3, turn_seconds=0.1, warm_seconds=0.2)
# Load average of the last minute above which figures may be off.
QUIET = 0.5


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    names = [*CASES, *OTHERS]
    columns = list(implementations(None))
    parser = argparse.ArgumentParser(description="Measure this project beside its peers.")
    parser.add_argument(
        "--only", metavar="NAME", nargs="+", choices=names, help=f"measure only these of: {', '.join(names)}"
    )
    parser.add_argument(
        "--peers",
        metavar="PEER",
        nargs="+",
        choices=columns,
        help=f"compare with only these of: {', '.join(columns[1:])}",
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter turns; figures are rougher")
    parser.add_argument(
        "--rounds",
        type=positive,
        help=f"turns of each implementation (default {FULL.rounds}, with --before {REGRESSION_ROUNDS})",
    )
    parser.add_argument(
        "--before",
        metavar="CHECKOUT",
        type=checkout,
        help="a checkout of this project (git worktree add CHECKOUT COMMIT) that this one is compared with; peers "
        "only if --peers names them. The exit status is 1 if a row has regressed",
    )
    parser.add_argument("--busy", action="store_true", help="let another process spin on every core meanwhile")
    parser.add_argument("--threads", type=positive, default=_cores(), help="threads for each (default: all cores)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all figures")
    parser.add_argument(
        "--markdown", metavar="FILE", type=Path, help="write the table, between the marks if FILE has them"
    )
    parser.add_argument("--check", action="store_true", help="compare results after 3 steps, no timing")
    parser.add_argument(
        "--baseline",
        default="ours",
        choices=columns[:3],
        help="whose figures the ratios compare (default: ours)",
    )
    parser.add_argument(
        "--nnabla139",
        metavar="PYTHON",
        help="a Python that has NNabla 1.39 (default: $NNABLA139_PYTHON, then make_nnabla139_env.py's)",
    )
    options = parser.parse_args(arguments)
    if options.before and (options.rounds or REGRESSION_ROUNDS) < REGRESSION_ROUNDS:
        parser.error(f"--before needs at least {REGRESSION_ROUNDS} rounds")
    return options


def checkout(text: str) -> Path:
    path = Path(text).resolve()
    if not (path / "src" / "nnabla" / "__init__.py").is_file():
        raise argparse.ArgumentTypeError(f"there is no src/nnabla in {text}")
    return path


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def main() -> int:
    options = parse_arguments()
    every = implementations(options.nnabla139, options.before)
    usual = [BEFORE] if options.before else [name for name, column in every.items() if column.default]
    wanted = {options.baseline, *(options.peers or usual), *([BEFORE] if options.before else [])}
    effort = QUICK if options.quick else FULL
    if options.rounds or options.before:
        between = REGRESSION_ROUNDS_OF_PROCESS if options.before else None
        effort = dataclasses.replace(effort, rounds=options.rounds or REGRESSION_ROUNDS, rounds_of_process=between)
    columns = [column for name, column in every.items() if name in wanted]
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > QUIET:
        print(f"warning: others use this machine (load {os.getloadavg()[0]:.1f})", file=sys.stderr)
    with Pool(columns, options.threads) as pool:
        for name, reason in pool.missing.items():
            print(f"without {every[name].label}: {reason}", file=sys.stderr)
        if options.baseline not in pool.workers or BEFORE in pool.missing:
            print("error: nothing to compare without the baseline", file=sys.stderr)
            return 1
        present = [column for column in columns if column.name in pool.workers]
        chosen = options.only or [*CASES, *OTHERS]
        if options.check:
            return check(chosen, pool)
        report = measure(chosen, pool, present, options, effort)
    print(report.text())
    if options.before:
        found = report.regressions()
        print(f"\nRegressed: {', '.join(found) if found else 'nothing'}.")
    for failure in report.failures():
        print(f"failed: {failure}", file=sys.stderr)
    if options.markdown:
        write_markdown(options.markdown, report.markdown())
    complete = len(report.rows) == len(chosen) and all(options.baseline in row.figures for row in report.rows)
    return 0 if complete and not report.regressions() else 1


def measure(
    chosen: Sequence[str],
    pool: Pool,
    columns: Sequence[Implementation],
    options: argparse.Namespace,
    effort: Effort,
) -> Report:
    """Measure what was chosen, row by row; the figures so far are written after each, and an interrupt keeps them."""
    rows: list[Row] = []
    versions = {name: worker.version for name, worker in pool.workers.items()}
    fresh_processes = REGRESSION_PROCESSES if options.before else None
    peak = pool.workers[options.baseline].ask("peak")["rate"]
    report = Report(rows, columns, versions, options.baseline, options.threads, effort, None, options.busy)
    try:
        for name in chosen:
            if options.baseline not in pool.workers:
                print(f"error: no {name} and what follows, for want of the baseline", file=sys.stderr)
                break
            print(f"measuring {name}", file=sys.stderr, flush=True)
            if name in CASES:
                rows.append(measure_case(CASES[name], pool, effort, busy=options.busy))
            elif name in IMPORTS:
                rows.append(measure_import(name, columns, options.threads, fresh_processes or 3 * effort.rounds))
            elif name == "modes":
                rows.append(measure_modes(pool, options.baseline, effort.rounds))
            else:
                rows.append(measure_memory(name, columns, options.threads, fresh_processes or min(5, effort.rounds)))
            report = dataclasses.replace(report, peak=peak if any(row.work for row in rows) else None)
            if options.json:
                options.json.write_text(report.json(), encoding="utf-8")
    except KeyboardInterrupt:
        print("interrupted: these are the figures until then", file=sys.stderr)
    return report


def check(chosen: Sequence[str], pool: Pool) -> int:
    """Print how far the results lie apart; 1 if one is beyond the tolerance or there is only one."""
    compared, all_hold = 0, True
    for name in chosen:
        if name not in CASES or not CASES[name].compared:
            continue
        for agreement in check_case(CASES[name], pool):
            verdict = "ok" if agreement.holds else "DIFFERS"
            detail = agreement.failure or f"{agreement.difference:.1e} of {agreement.case.tolerance:.0e}"
            print(f"{name:18} {agreement.name:14} {verdict:8} {detail}", flush=True)
            compared += 1
            all_hold = all_hold and agreement.holds
    if compared == 0:
        print("error: nothing to compare", file=sys.stderr)
    return 0 if compared and all_hold else 1


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
