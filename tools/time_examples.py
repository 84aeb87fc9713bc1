"""Runs every example with its defaults and writes docs/examples.md's figures: `python tools/time_examples.py`.

One after the other, on one thread, in an empty folder and a process of its own. A row of the page's table says which
command is run and what it shows; the seconds, the result (the line that begins with ``result:``) and the pictures are
written anew, of those that succeed, the last picture small in docs/pictures. Something that fails or takes longer than
`LIMIT` is named, and the exit status is 1. Seconds are those of the processor, also of what a script starts: on a
machine that does nothing else it is what passes.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import re
import resource
import shlex
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import NamedTuple

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "examples.md"
LIMIT = 120
ROW = re.compile(r"^\| `(python examples/[^`]+)` \| ([^|]*) \|[^|]*\|[^|]*\|[^|]*\|$", re.MULTILINE)
MEASURED = re.compile(r"^Measured .*$", re.MULTILINE)


class Outcome(NamedTuple):
    """What a run of an example gave.

    Attributes:
        seconds: of the processor, for the whole process.
        result: what it says of itself.
        pictures: the PNG files that it wrote, by their names, in their order.
    """

    seconds: float
    result: str
    pictures: dict[str, bytes]

    def cells(self) -> str:
        """The last three cells of its row: the last picture is shown, others are named."""
        *others, shown = [*self.pictures] or [""]
        pictures = f"![{shown.partition('.')[0]}](pictures/{shown})" if shown else "-"
        pictures = ", ".join([pictures, *(f"`{name}`" for name in others)])
        return f"{self.seconds:.0f} | {self.result.replace('|', '/')} | {pictures}"


def commands(page: str) -> list[str]:
    """The commands of the page's tables, in their order."""
    return [match[1] for match in ROW.finditer(page)]


def filled(page: str, outcomes: dict[str, Outcome], machine: str) -> str:
    """The page with these outcomes in its rows; others stay as they are."""

    def row(match: re.Match[str]) -> str:
        outcome = outcomes.get(match[1])
        return match[0] if outcome is None else f"| `{match[1]}` | {match[2]} | {outcome.cells()} |"

    return MEASURED.sub(f"Measured on {machine}.", ROW.sub(row, page))


def small(picture: bytes) -> bytes:
    """A picture for the table: at most 360 pixels wide, of 64 colors."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.thumbnail((360, 360), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    image.quantize(64).save(written, "PNG", optimize=True)
    return written.getvalue()


def run(command: str, limit: float = LIMIT, patience: float = 5) -> Outcome:
    """Run one command in an empty folder; on a busy machine it may take `patience` times as long as the limit.

    Raises:
        RuntimeError: it failed, took too long, or did not say its result.
    """
    _, script, *options = shlex.split(command)
    places = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places)), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            done = subprocess.run(
                [sys.executable, str(ROOT / script), *options],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=patience * limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{script}: not done after {patience * limit:.0f} s") from None
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found = sorted(Path(folder).rglob("*.png"), key=lambda path: path.stat().st_mtime_ns)
        # Data that a script makes of pictures is no picture of its result.
        found = [path for path in found if "pictures" not in path.parts and "dataset" not in path.parts]
        pictures = {path.name: path.read_bytes() for path in found}
    if seconds > limit:
        raise RuntimeError(f"{script}: took {seconds:.0f} s, more than {limit:.0f}")
    if done.returncode:
        raise RuntimeError(f"{script}: exit status {done.returncode}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
    results = re.findall(r"^result: (.+)$", done.stdout, re.MULTILINE)
    if not results:
        raise RuntimeError(f"{script}: no line that begins with 'result: '\n{done.stdout[-1000:]}")
    # Of several the last: a tutorial may run another first.
    return Outcome(seconds, results[-1], pictures)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="those whose command has one of these words in it")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="folder for all pictures in their full size")
    args = parser.parse_args()
    failed = False
    for command in commands(PAGE.read_text(encoding="utf-8")):
        if args.only and not any(word in command for word in args.only):
            continue
        try:
            outcome = run(command)
        except RuntimeError as error:
            failed = True
            print(f"FAILED: {error}", flush=True)
            continue
        print(f"{outcome.seconds:6.1f} s  {command}: {outcome.result}", flush=True)
        machine = f"{date.today()}, {platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        folder = PAGE.parent / "pictures"
        for place in [folder, *filter(None, [args.pictures])]:
            place.mkdir(parents=True, exist_ok=True)
        for name, picture in outcome.pictures.items():
            if args.pictures is not None:
                (args.pictures / name).write_bytes(picture)
            if name == [*outcome.pictures][-1]:
                (folder / name).write_bytes(small(picture))
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(filled(page, {command: outcome}, machine), encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
