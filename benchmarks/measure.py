"""The measurements: time per step in turns, agreement of results, memory at the peak, time of an import."""

from __future__ import annotations

import random
import subprocess
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cases import Case
from processes import BEFORE, Implementation, Pool, Worker, WorkerError, busy_machine
from rows import Row

CHECK_STEPS = 3
MEMORY_WARM_STEPS = 3
# Title, case and number of steps.
MEMORY = {
    "memory": ("Memory of ResNet-18's training step", "resnet18", 3),
    "memory_unet": ("Memory of U-Net's training step, 2x3x256x256", "unet_large", 3),
    "memory_load": ("Memory of loading ResNet-152 from an .nnp of 230 MiB", "model_load", 1),
    "memory_save": ("Memory of saving ResNet-152 to an .nnp", "model_save", 1),
}
# torch.compile and JAX compile in their first steps, which says nothing about training.
MEMORY_COLUMNS = ("ours", "nnabla139", "torch", "torch_tuned", BEFORE)
# Steps of either mode in each round, after some untimed ones.
MODE_STEPS, MODE_WARM_STEPS = 8, 3
IMPORTS = {
    "import": ("import of the package", "import {module}"),
    "import_api": (
        "import with functions, parametric_functions, solvers",
        "import nnabla.functions, nnabla.parametric_functions, nnabla.solvers",
    ),
}


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    turn_seconds: float
    """Of one implementation in a round."""
    rounds_of_process: int | None = None
    """After so many rounds every implementation goes on in a new process; None for never. Where its memory happens to
    lie makes one process up to a tenth faster than another, for as long as it lives."""
    warm_seconds: float = 2.0
    """Of every process before its first turn: what finds out how it runs best has done so then, as in training."""


def measure_case(case: Case, pool: Pool, effort: Effort, compared: bool = False, busy: bool = False) -> Row:
    """Milliseconds per step. In each round every implementation has one turn, in an order that is drawn anew: threads
    that wait for work go on spinning into the next one's turn.

    Args:
        case: what is measured.
        pool: the workers.
        effort: rounds, and length of a turn.
        compared: whether results of the first step are compared before.
        busy: whether another process spins on every core meanwhile, whatever the case says.
    """
    row = Row(case.name, case.title, "ms")
    step = effort.rounds_of_process or effort.rounds
    with busy_machine(pool.threads) if busy or case.busy else nullcontext():
        for first in range(0, effort.rounds, step):
            if first:
                for name in pool.workers:
                    pool.restart(name)
            _take_turns(case, pool, effort, range(first, min(first + step, effort.rounds)), row, compared and not first)
    row.figures = {name: figures for name, figures in row.figures.items() if name not in row.failures}
    return row


def _take_turns(case: Case, pool: Pool, effort: Effort, rounds: range, row: Row, compared: bool) -> None:
    """Rounds in the processes that run."""
    with TemporaryDirectory() as folder:
        ready = _prepare(case, pool, Path(folder), row)
        if compared:
            values = _results(ready, pool, row, steps=1)
            first = next(iter(values), "")
            row.differences = {name: _difference(value, values[first]) for name, value in values.items()}
            ready = list(values)
        if ready and row.work is None:
            row.work = pool.workers[ready[0]].ask("work")["operations"]
        steps: dict[str, int] = {}
        for name in ready:
            with _reported(row, name, pool):
                steps[name] = _steps_per_turn(pool.workers[name], effort.turn_seconds * case.turn, effort.warm_seconds)
        for i in rounds:
            for name in random.Random(i).sample(list(steps), len(steps)):
                count = steps[name]
                with _reported(row, name, pool):
                    # The untimed steps bring code and data back into the caches after the others' turns.
                    seconds = pool.workers[name].ask("run", steps=count, untimed=max(1, count // 5))["seconds"]
                    row.figures.setdefault(name, []).append(seconds / count * 1e3)
            steps = {name: count for name, count in steps.items() if name not in row.failures}
        _drop(ready, row, pool)


@dataclass(frozen=True)
class Agreement:
    """How far the result of an implementation is from the baseline's after `CHECK_STEPS` steps."""

    case: Case
    name: str
    difference: float
    failure: str = ""

    @property
    def holds(self) -> bool:
        return not self.failure and self.difference <= self.case.tolerance


def check_case(case: Case, pool: Pool) -> list[Agreement]:
    """Results from the same parameters and data, each compared with the first that there is."""
    row = Row(case.name, case.title, "")
    with TemporaryDirectory() as folder:
        ready = _prepare(case, pool, Path(folder), row)
        values = _results(ready, pool, row, CHECK_STEPS)
        _drop(ready, row, pool)
    agreements = [Agreement(case, name, float("inf"), failure) for name, failure in row.failures.items()]
    if values:
        _, reference = values.popitem(last=False)
        agreements += [Agreement(case, name, _difference(value, reference)) for name, value in values.items()]
    return agreements


def measure_modes(pool: Pool, name: str, rounds: int) -> Row:
    """Time of the 12-conv CNN's step in dynamic mode, divided by that in static mode; both in turns in one process.

    Args:
        pool: the workers.
        name: which of them is measured.
        rounds: how often.
    """
    row = Row("modes", "12-conv CNN, dynamic mode", "static mode = 1")
    cases = ("cnn12_static", "cnn12_dynamic")
    with TemporaryDirectory() as folder, _reported(row, name, pool):
        for _ in range(rounds):
            seconds = []
            for case in cases:
                worker = pool.workers[name]
                worker.ask("prepare", case=case, parameters=f"{folder}/{case}.npz")
                reply = worker.ask("run", steps=MODE_STEPS, untimed=MODE_WARM_STEPS)
                seconds.append(reply["seconds"])
                worker.ask("drop")
            row.figures.setdefault(name, []).append(seconds[1] / seconds[0])
    return row


def measure_memory(name: str, columns: Sequence[Implementation], threads: int, rounds: int) -> Row:
    """MiB that steps take on top of what is resident before them.

    Each figure comes from a fresh process, in which the network, its parameters and the data are in memory
    already and LeNet has been trained for three steps, so that the pages of the libraries are, too.
    """
    title, case, steps = MEMORY[name]
    row = Row(name, title, "MiB", fresh=True)
    chosen = [column for column in columns if column.name in MEMORY_COLUMNS]
    for _ in range(rounds):
        with TemporaryDirectory() as folder:
            for column in chosen:
                if column.name in row.failures:
                    continue
                with Worker(column, threads) as worker, _reported(row, column.name):
                    worker.ask("prepare", case="lenet", parameters=f"{folder}/lenet.npz")
                    worker.ask("run", steps=MEMORY_WARM_STEPS)
                    worker.ask("drop")
                    if worker.ask("prepare", case=case, parameters=f"{folder}/{case}.npz")["supported"]:
                        reply = worker.ask("memory", steps=steps)
                        mebibytes = (reply["peak"] - reply["before"]) / 2**20
                        row.figures.setdefault(column.name, []).append(mebibytes)
    row.figures = {name: figures for name, figures in row.figures.items() if name not in row.failures}
    return row


def measure_import(name: str, columns: Sequence[Implementation], threads: int, processes: int) -> Row:
    """Milliseconds of an import in a fresh process; the first of each fills the disk cache and is dropped."""
    title, statement = IMPORTS[name]
    row = Row(name, title[0].upper() + title[1:], "ms", fresh=True)
    for i in range(processes + 1):
        for column in random.sample(columns, len(columns)):
            if column.module is None or column.name in row.failures:
                continue
            # The other libraries have one package to import, whatever of it is used.
            code = statement if column.module == "nnabla" else "import {module}"
            code = f"import time; t = time.perf_counter(); {code.format(module=column.module)}; "
            finished = subprocess.run(
                [column.python, "-c", f"{code}print(time.perf_counter() - t)"],
                env=column.environment(threads),
                capture_output=True,
                text=True,
            )
            if finished.returncode != 0:
                row.failures[column.name] = finished.stderr.strip().splitlines()[-1]
                row.figures.pop(column.name, None)
            elif i > 0:
                # NNabla logs to the same stream while it starts.
                seconds = float(finished.stdout.strip().splitlines()[-1])
                row.figures.setdefault(column.name, []).append(seconds * 1e3)
    return row


@contextmanager
def _reported(row: Row, name: str, pool: Pool | None = None) -> Iterator[None]:
    """Note the end of a worker in `row` and replace it, so that one failure does not end the run."""
    try:
        yield
    except WorkerError as error:
        row.failures[name] = str(error)
        if pool is not None:
            pool.restart(name)
            if name in pool.missing:
                row.failures[name] += f"; not started again: {pool.missing[name]}"


def _prepare(case: Case, pool: Pool, folder: Path, row: Row) -> list[str]:
    """Build the case everywhere, from the parameters of the first column; the names that have it."""
    ready = []
    parameters = folder / "parameters.npz"
    for name, worker in pool.workers.items():
        cases = worker.implementation.cases
        if cases is not None and (case.program or case.name) not in cases:
            continue
        if worker.implementation.worker != "nnabla" and not parameters.exists():
            row.failures[name] = "no NNabla made the parameters to start from"
            continue
        with _reported(row, name, pool):
            reply = worker.ask("prepare", case=case.name, parameters=str(parameters))
            if reply["supported"]:
                ready.append(name)
    return ready


def _results(names: Sequence[str], pool: Pool, row: Row, steps: int) -> OrderedDict[str, list[float]]:
    """What the implementations are compared by after `steps` steps, of those that take them."""
    values: OrderedDict[str, list[float]] = OrderedDict()
    for name in names:
        with _reported(row, name, pool):
            values[name] = pool.workers[name].ask("check", steps=steps)["values"]
    return values


def _drop(names: Sequence[str], row: Row, pool: Pool) -> None:
    for name in names:
        if name not in row.failures:
            pool.workers[name].ask("drop")


def _steps_per_turn(worker: Worker, turn_seconds: float, warm_seconds: float) -> int:
    """Warm up, then tell how many steps fit in a turn; at least one."""
    worker.ask("run", steps=2)
    count, seconds = 1, worker.ask("run", steps=1)["seconds"]
    while seconds < turn_seconds / 4:
        count *= 4
        seconds = worker.ask("run", steps=count)["seconds"]
    warm = seconds
    while warm < warm_seconds:
        seconds = worker.ask("run", steps=count)["seconds"]
        warm += seconds
    return max(1, round(turn_seconds * count / seconds))


def _difference(values: Sequence[float], reference: Sequence[float]) -> float:
    """Largest difference, relative to references above 1; infinite for another size or NaN."""
    if len(values) != len(reference):
        return float("inf")
    differences = [abs(v - r) / max(1.0, abs(r)) for v, r in zip(values, reference, strict=True)]
    return max(d if d == d else float("inf") for d in differences)
