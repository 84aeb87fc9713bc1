"""The table: on a terminal, in Markdown, in JSON."""

from __future__ import annotations

import datetime
import json
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import Effort
from processes import BEFORE, Implementation
from rows import Row, spread

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
    peak: float | None = None
    """Floating point operations in a second that the machine is capable of."""
    busy: bool = False
    """Whether another process spun on every core in all of it."""

    def cells(self) -> list[list[str]]:
        """Header and rows. Peers' cells end with the ratio of the baseline to them."""
        base = next(column.label for column in self.columns if column.name == self.baseline)
        peers = [column for column in self.columns if column.name != self.baseline]
        shares = [[self._share(row)] for row in self.rows] if self.peak else [[]] * len(self.rows)
        table = [["", base, *(peer.label for peer in peers), *(["of the peak"] if self.peak else [])]]
        for row, share in zip(self.rows, shares, strict=True):
            names = [self.baseline, *(peer.name for peer in peers)]
            table.append([f"{row.title} ({row.unit})", *(self._cell(row, name) for name in names), *share])
        return table

    def _share(self, row: Row) -> str:
        """How much of the machine's peak the baseline reaches, where a row's arithmetic is counted."""
        if self.peak is None or row.work is None or self.baseline not in row.figures:
            return "-"
        return f"{row.work / (row.median(self.baseline) * 1e-3) / self.peak:.0%}"

    def _cell(self, row: Row, name: str) -> str:
        if name in row.failures:
            return "failed"
        if name not in row.figures:
            return "-"
        figure = significant(row.median(name))
        if name == self.baseline or self.baseline not in row.figures:
            return figure
        if row.is_noisy(self.baseline, name):
            return f"{figure} (?)"
        return f"{figure} ({row.ratio(self.baseline, name):.2f})"

    def failures(self) -> list[str]:
        return [f"{row.name}, {name}: {failure}" for row in self.rows for name, failure in row.failures.items()]

    def setting(self) -> str:
        """Date, machine, versions and effort in one sentence each."""
        day = datetime.date.today().isoformat()
        versions = ", ".join(f"{c.label}: {self.versions[c.name]}" for c in self.columns)
        peak = f" {self.peak / 1e9:.0f} GFLOP/s at the peak." if self.peak else ""
        busy = " Another process spun on every core." if self.busy else ""
        return (
            f"{day}. {machine()}, {self.threads} threads.{peak} {versions}. "
            f"{self.effort.rounds} rounds, turns of {self.effort.turn_seconds:g} s.{busy} {self.noise()}"
        )

    def noise(self) -> str:
        """How far the rounds of a figure lie apart."""
        labels = {column.name: column.label for column in self.columns}
        spreads = {
            f"{labels[name]} on {row.name}": spread(figures)
            for row in self.rows
            for name, figures in row.figures.items()
        }
        if not spreads:
            return ""
        worst = max(spreads, key=spreads.__getitem__)
        return (
            f"Noise: the middle half of a figure's rounds spans {statistics.median(spreads.values()):.1%} of it in the "
            f"median, {spreads[worst]:.0%} at most ({worst})."
        )

    def regressions(self) -> list[str]:
        """Names of the rows in which the baseline is slower, or larger, than the checkout from before."""
        return [
            row.name
            for row in self.rows
            if {self.baseline, BEFORE} <= row.figures.keys() and row.regressed(self.baseline, BEFORE)
        ]

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
            "peak": self.peak,
            "busy": self.busy,
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
