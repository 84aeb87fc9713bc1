"""The table: on a terminal, in Markdown, in JSON."""

from __future__ import annotations

import datetime
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import Effort, Row
from processes import Implementation

BEGIN = "<!-- results: begin (written by run.py --markdown) -->"
END = "<!-- results: end -->"


@dataclass(frozen=True)
class Report:
    """What one run of the driver found."""

    rows: Sequence[Row]
    columns: Sequence[Implementation]
    versions: dict[str, str]
    baseline: str
    threads: int
    effort: Effort

    def cells(self) -> list[list[str]]:
        """Header and rows. Peers' cells end with the ratio of the baseline to them."""
        base = next(column.label for column in self.columns if column.name == self.baseline)
        peers = [column for column in self.columns if column.name != self.baseline]
        table = [["", base, *(peer.label for peer in peers)]]
        for row in self.rows:
            names = [self.baseline, *(peer.name for peer in peers)]
            table.append([f"{row.title} ({row.unit})", *(self._cell(row, name) for name in names)])
        return table

    def _cell(self, row: Row, name: str) -> str:
        if name in row.failures:
            return "failed"
        if name not in row.figures:
            return "-"
        figure = significant(row.median(name))
        if name == self.baseline or self.baseline not in row.figures:
            return figure
        return f"{figure} ({row.ratio(self.baseline, name):.2f})"

    def failures(self) -> list[str]:
        return [f"{row.name}, {name}: {failure}" for row in self.rows for name, failure in row.failures.items()]

    def setting(self) -> str:
        """Date, machine, versions and effort in one sentence each."""
        day = datetime.date.today().isoformat()
        versions = ", ".join(f"{c.label}: {self.versions[c.name]}" for c in self.columns)
        return (
            f"{day}. {machine()}, {self.threads} threads. {versions}. "
            f"{self.effort.rounds} rounds, turns of {self.effort.turn_seconds:g} s."
        )

    def text(self) -> str:
        table = self.cells()
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
        lines = []
        for line in table:
            aligned = [
                line[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True)),
            ]
            lines.append("  ".join(aligned).rstrip())
        return "\n".join([self.setting(), "", *lines])

    def markdown(self) -> str:
        header, *body = self.cells()
        lines = [header, ["---", *["---:"] * (len(header) - 1)], *body]
        return "\n".join([self.setting(), "", *(f"| {' | '.join(line)} |" for line in lines)]) + "\n"

    def json(self) -> str:
        content = {
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": machine(),
            "threads": self.threads,
            "versions": self.versions,
            "baseline": self.baseline,
            "rounds": self.effort.rounds,
            "turn_seconds": self.effort.turn_seconds,
            "rows": [row.as_dict(self.baseline) for row in self.rows],
        }
        return json.dumps(content, indent=2) + "\n"


def write_markdown(path: Path, table: str) -> None:
    """Replace what stands between the two marks of `path`; a file that is not there yet gets only the table.

    Raises:
        ValueError: the file exists and lacks the marks.
    """
    section = f"{BEGIN}\n\n{table}\n{END}"
    if not path.exists():
        path.write_text(f"{section}\n", encoding="utf-8")
        return
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path}: expected the lines {BEGIN!r} and {END!r}")
    path.write_text(before + section + after, encoding="utf-8")


def significant(value: float) -> str:
    """Three significant digits, never in exponent form."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}"


def machine() -> str:
    """The processor by its name where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return f"{line.partition(':')[2].strip()}, {platform.system()}"
    return f"{platform.processor() or platform.machine()}, {platform.system()}"
