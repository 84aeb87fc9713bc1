"""Several processes for a test, connected over the loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nnabla

from .launching import VARIABLES


@pytest.fixture(scope="session")
def server() -> Iterator[subprocess.Popen[str]]:
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(nnabla.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("server.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    yield process
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


@pytest.fixture
def processes(server: subprocess.Popen[str], tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Call as ``processes(count, scenario, **arguments)`` to run a function of `scenarios` in so many processes.

    Returns what became of each: its exit ``code``, its ``output``, the ``seconds`` since the start or the last signal.
    Without `signals` all must end well.
    """

    def run(
        count: int,
        scenario: str,
        signals: list[dict[str, Any]] | None = None,
        limit: float = 120.0,
        launcher: str = "torchrun",
        **arguments: Any,
    ) -> list[dict[str, Any]]:
        folder = tmp_path / f"processes{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        request = {
            "count": count,
            "scenario": scenario,
            "arguments": arguments,
            "signals": signals or [],
            "launcher": launcher,
            "limit": limit,
            "folder": str(folder),
        }
        assert server.stdin is not None and server.stdout is not None
        print(json.dumps(request), file=server.stdin, flush=True)
        results: list[dict[str, Any]] = json.loads(server.stdout.readline())
        if signals is None:
            failed = [result for result in results if result["code"]]
            assert not failed, "\n".join(f"exit code {r['code']}:\n{r['output']}" for r in failed)
        return results

    return run
