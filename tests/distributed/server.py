"""Starts the processes of tests: imports the package once, and forks as many as a request wants.

Run as a script. Reads requests from its standard input, a line of JSON each, and answers with a line each.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import random
import signal
import socket
import sys
import time
from pathlib import Path

import nnabla.communicators
import nnabla.solvers  # noqa: F401


def free_port() -> int:
    """A port that nothing uses, outside of those that the system hands out by itself."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def variables(request: dict, rank: int, port: int) -> dict[str, str]:
    """What a launcher would set."""
    count, number = str(request["count"]), str(rank)
    if request["launcher"] == "Open MPI":
        return {
            "OMPI_COMM_WORLD_SIZE": count,
            "OMPI_COMM_WORLD_RANK": number,
            "OMPI_COMM_WORLD_LOCAL_RANK": number,
            "OMPI_COMM_WORLD_LOCAL_SIZE": count,
            "PMIX_NAMESPACE": f"test-{os.getppid()}-{port}",
        }
    if request["launcher"] == "Slurm":
        return {
            "SLURM_STEP_NUM_TASKS": count,
            "SLURM_PROCID": number,
            "SLURM_LOCALID": number,
            "SLURM_JOB_ID": f"{os.getppid()}{port}",
            "SLURM_STEP_ID": "0",
            "SLURM_STEP_NODELIST": "localhost",
        }
    return {
        "WORLD_SIZE": count,
        "RANK": number,
        "LOCAL_RANK": number,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def wait(children: list[int], request: dict, folder: Path) -> list[dict]:
    """Send the signals that the request asks for, wait for all processes, and say how and when each has ended."""
    begin = time.monotonic()
    results: list[dict | None] = [None] * len(children)
    signals = list(request.get("signals", ()))
    ready = None
    since = begin
    hung = False
    asleep: set[int] = set()
    while any(result is None for result in results):
        now = time.monotonic()
        if ready is None and len(list(folder.glob("ready*"))) == len(children):
            ready = now
        for order in list(signals):
            origin = begin if order.get("since") == "start" else ready
            if origin is not None and now - origin >= order["after"]:
                signals.remove(order)
                os.kill(children[order["rank"]], getattr(signal, order["name"]))
                since = time.monotonic()
                if order["name"] == "SIGSTOP":
                    asleep.add(order["rank"])
        if asleep and all(rank in asleep for rank, result in enumerate(results) if result is None):
            # The others have ended.
            for rank in asleep:
                os.kill(children[rank], signal.SIGKILL)
            asleep.clear()
        if now - begin > request["limit"] and not hung:
            hung = True
            for rank, pid in enumerate(children):
                if results[rank] is None:
                    os.kill(pid, signal.SIGKILL)
        for rank, pid in enumerate(children):
            if results[rank] is None:
                found, status = os.waitpid(pid, os.WNOHANG)
                if found:
                    results[rank] = {
                        "code": os.waitstatus_to_exitcode(status),
                        "seconds": time.monotonic() - since,
                        "hung": hung,
                        "output": (folder / f"{rank}.txt").read_text(errors="replace"),
                    }
        time.sleep(0.005)
    return results  # type: ignore[return-value]


def serve() -> tuple[dict, int] | None:
    """Answer requests; in a forked process, returns what it is to do."""
    while True:
        line = sys.stdin.readline()
        if not line:
            return None
        request = json.loads(line)
        port = free_port()
        children = []
        for rank in range(request["count"]):
            pid = os.fork()
            if pid == 0:
                os.environ.update(variables(request, rank, port))
                return request, rank
            children.append(pid)
        print(json.dumps(wait(children, request, Path(request["folder"]))), flush=True)


def play(request: dict, rank: int) -> None:
    """Be one process of a scenario."""
    output = os.open(Path(request["folder"]) / f"{rank}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    path = Path(__file__).with_name("scenarios.py")
    spec = importlib.util.spec_from_file_location("scenarios", path)
    assert spec is not None and spec.loader is not None
    scenarios = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scenarios)
    getattr(scenarios, request["scenario"])(Path(request["folder"]), **request["arguments"])


if __name__ == "__main__":
    # Else each process looks at all objects when it ends, and copies their memory for that, which takes seconds.
    gc.freeze()
    mine = serve()
    if mine is not None:
        play(*mine)
