"""Run all that a change must pass, and say how long each part took. `make check` calls it in its environment."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

STAGES = {
    "format": [BIN / "ruff", "format", "--check", "."],
    "lint": [BIN / "ruff", "check", "."],
    "types": [BIN / "mypy"],
    "docs": [sys.executable, "tools/make_docs.py"],
    # Last, so that what it prints stands at the end.
    "test": ["make", "test"],
}


def main() -> int:
    """Run every stage, whether or not those before it passed; the number of those that failed."""
    results: list[tuple[str, float, int]] = []
    for name, command in STAGES.items():
        print(f"---- {name}", flush=True)
        start = time.monotonic()
        status = subprocess.run([str(part) for part in command], cwd=ROOT).returncode
        results.append((name, time.monotonic() - start, status))
    for name, seconds, status in results:
        print(f"{name:8} {seconds:6.0f} s  {'passed' if status == 0 else 'FAILED'}")
    return sum(status != 0 for _, _, status in results)


if __name__ == "__main__":
    sys.exit(main())
