"""Geometries in processes of their own: what crashes one of them or hangs is told, and the rest goes on in another."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

WORKER = Path(__file__).with_name("worker.py")
# Seconds until a process is up and has imported everything.
START = 120.0


class Item(NamedTuple):
    """A geometry: what a layer type draws from a seed."""

    layer: str
    seed: int


class Outcome(NamedTuple):
    """What became of a geometry: ``ok``, ``wrong``, ``refused``, ``crash`` or ``hang``."""

    item: Item
    kind: str
    detail: str


def outcomes(
    items: Sequence[Item], variables: dict[str, str], threads: int, limit: float, module: str | None = None
) -> Iterator[Outcome]:
    """Run geometries one after the other.

    Args:
        items: the geometries.
        variables: added to the environment.
        threads: number of threads.
        limit: seconds for each.
        module: a file with further layer types.
    """
    rest = list(items)
    while rest:
        done = 0
        for outcome in _process(rest, variables, threads, limit, module):
            done += 1
            yield outcome
        rest = rest[done:]


def _process(
    items: Sequence[Item], variables: dict[str, str], threads: int, limit: float, module: str | None
) -> Iterator[Outcome]:
    """The outcomes up to the first that ends the process; at least one."""
    command = [sys.executable, str(WORKER), "--threads", str(threads), *(["--module", module] if module else [])]
    # Threads that wait for each other do not keep cores busy meanwhile.
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
    environment |= {"NNABLA_THREADS": "all", **variables}
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as errors:
        given.writelines(f"{item.layer} {item.seed}\n" for item in items)
        given.seek(0)
        process = subprocess.Popen(
            command, env=environment, stdin=given, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            yield from _told(process, items, limit, errors)
        finally:
            process.kill()
            process.wait()


def _told(process: subprocess.Popen[str], items: Sequence[Item], limit: float, errors: IO[str]) -> Iterator[Outcome]:
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line.rstrip())
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()

    def line_within(seconds: float) -> str | None:
        """The next line. Counts the time in which this process runs: all of them may be stopped for a while."""
        for _ in range(round(seconds)):
            with contextlib.suppress(queue.Empty):
                return lines.get(timeout=1)
        raise TimeoutError

    wait = START
    for number, item in enumerate(items):
        try:
            if (line := line_within(wait)) is not None:
                assert line == f"start {item.layer} {item.seed}", line
                wait = limit
                line = line_within(limit)
            if line is not None and number == len(items) - 1:
                # The process ends. A damaged heap may show only now.
                rest = line_within(limit)
                assert rest is None, rest
        except TimeoutError:
            yield Outcome(item, "hang", f"no answer in {wait} s")
            return
        if line is None or (number == len(items) - 1 and process.wait()):
            yield Outcome(item, "crash", _end(process, errors))
            return
        kind, _, detail = line.partition(" ")
        yield Outcome(item, kind, detail)


def _end(process: subprocess.Popen[str], errors: IO[str]) -> str:
    code = process.wait()
    errors.seek(0)
    name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
    return f"{name} {errors.read()[-400:].strip()}"
