"""One implementation in a process of its own: builds, times and checks cases as the driver asks.

Requests and replies are lines of JSON on standard input and output. An error is not caught: the process
ends with its traceback on standard error, and the driver reports it and starts another.

Usage: worker.py (nnabla | torch | torch_tuned | torch_compile | jax | onnxruntime) THREADS
"""

from __future__ import annotations

import functools
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cases import SIZE_MARK, Batch, Program, find_case

Build = Callable[[str, Path], "Program | None"]
Clear = Callable[[], None]


def load_implementation(name: str, threads: int) -> tuple[Build, Clear, str, str]:
    """The functions that build a case and forget it, the version of the library and where it lies."""
    if name == "nnabla":
        from workloads import programs

        return programs.build, programs.clear, programs.version(), programs.location()
    if name in ("torch", "torch_tuned", "torch_compile"):
        from peers import torch_peer as peer

        build = functools.partial(peer.build, compiled=name == "torch_compile", tuned=name != "torch")
    elif name == "jax":
        from peers import jax_peer as peer

        build = peer.build
    elif name == "onnxruntime":
        from peers import onnxruntime_peer as peer

        build = peer.build
    else:
        raise ValueError(f"unknown implementation {name!r}")
    peer.set_threads(threads)

    def from_file(case: str, parameters: Path) -> Program | None:
        if name == "torch" and SIZE_MARK in case:
            from functions import torch_program

            return torch_program.build(case.partition(SIZE_MARK)[0], parameters)
        if case.startswith("data_"):
            return peer.data_program(case, parameters.parent) if name == "torch" else None
        with np.load(parameters) as arrays:
            return build(case, dict(arrays))

    return from_file, peer.clear, peer.version(), ""


class Bench:
    """The case at hand."""

    def __init__(self, build: Build, clear: Clear) -> None:
        self._build, self._clear = build, clear
        self._program: Program | None = None
        self._batches: list[Batch] = []
        self._next = 0

    def prepare(self, case: str, parameters: str) -> dict:
        """Build a case; `supported` says whether this implementation has it."""
        found = find_case(case)
        self._program = self._build(found.program or case, Path(parameters))
        self._batches = found.data()
        self._next = 0
        return {"supported": self._program is not None}

    def drop(self) -> dict:
        self._program = None
        self._clear()
        gc.collect()
        return {}

    def run(self, steps: int, untimed: int = 0) -> dict:
        """Seconds that `steps` steps and the reading of the last result take."""
        self._steps(untimed)
        self._program.result()
        start = time.perf_counter()
        self._steps(steps)
        self._program.result()
        return {"seconds": time.perf_counter() - start}

    def check(self, steps: int) -> dict:
        self._steps(steps)
        values = (self._program.compared or self._program.result)()
        return {"values": np.ravel(values).astype(float).tolist()}

    def work(self) -> dict:
        """Floating point operations of a step; None where nobody counts them."""
        return {"operations": None if self._program.work is None else self._program.work()}

    def peak(self) -> dict:
        """Floating point operations in a second of a large matrix product: the best of some."""
        size = 2048
        a, b = (np.random.RandomState(i).rand(size, size).astype(np.float32) for i in range(2))
        seconds = []
        for _ in range(8):
            start = time.perf_counter()
            a @ b
            seconds.append(time.perf_counter() - start)
        return {"rate": 2 * size**3 / min(seconds)}

    def memory(self, steps: int) -> dict:
        """Bytes resident before the steps, and at their peak."""
        gc.collect()
        reset_peak()
        before = status_bytes("VmRSS")
        self._steps(steps)
        self._program.result()
        return {"before": before, "peak": status_bytes("VmHWM")}

    def _steps(self, count: int) -> None:
        step, batches, position = self._program.step, self._batches, self._next
        for i in range(position, position + count):
            step(*batches[i % len(batches)])
        self._next = position + count


def reset_peak() -> None:
    """Set the kernel's record of the peak to what is resident now (`man 5 proc`, clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def main() -> None:
    # Libraries log to standard output; the replies get a descriptor of their own.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    name, threads = sys.argv[1], int(sys.argv[2])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    try:
        build, clear, version, location = load_implementation(name, threads)
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), file=replies)
        return
    print(json.dumps({"version": version, "location": location}), file=replies)
    bench = Bench(build, clear)
    actions = {
        "prepare": bench.prepare,
        "drop": bench.drop,
        "run": bench.run,
        "check": bench.check,
        "work": bench.work,
        "peak": bench.peak,
        "memory": bench.memory,
    }
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(actions[request.pop("do")](**request)), file=replies)


if __name__ == "__main__":
    main()
