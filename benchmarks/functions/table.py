"""The table of functions: figures, ratios, medians, and what is slower than it may be."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from cases import FUNCTION_TOLERANCE, SIZE_MARK
from report import Report, significant
from rows import Row

# No function may take longer than this times PyTorch.
LIMIT = 1.2
OURS, TORCH, ORIGINAL = "ours", "torch", "nnabla139"


@dataclass(frozen=True)
class FunctionTable:
    """The rows of one run, those of the highest ratios to PyTorch first."""

    report: Report

    def _peers(self) -> list[str]:
        present = {column.name for column in self.report.columns}
        return [name for name in (TORCH, ORIGINAL) if name in present]

    def ratios(self, peer: str, size: str | None = None) -> dict[str, float]:
        """By row, of those that both have."""
        return {
            row.name: row.ratio(OURS, peer)
            for row in self.report.rows
            if peer in row.figures and OURS in row.figures and size in (None, row.name.partition(SIZE_MARK)[2])
        }

    def offenders(self) -> list[str]:
        """Rows that take longer than `LIMIT` times PyTorch, the worst first."""
        over = {name: ratio for name, ratio in self.ratios(TORCH).items() if ratio > LIMIT}
        return sorted(over, key=over.__getitem__, reverse=True)

    def strangers(self) -> list[tuple[str, str, float]]:
        """Row, implementation and distance where results are not those of this project."""
        return [
            (row.name, name, difference)
            for row in self.report.rows
            for name, difference in row.differences.items()
            if not difference <= FUNCTION_TOLERANCE
        ]

    def summary(self) -> list[str]:
        """Medians and offenders, a sentence each."""
        lines = []
        for peer in self._peers():
            parts = []
            for size in ("small", "large", None):
                found = sorted(self.ratios(peer, size).values())
                if found:
                    parts.append(f"{size or 'both'} {statistics.median(found):.2f} of {len(found)}")
            label = next(c.label for c in self.report.columns if c.name == peer)
            lines.append(f"Median of the ratios to {label}: {', '.join(parts)}.")
        over, ratios = self.offenders(), self.ratios(TORCH)
        named = ", ".join(f"{name} {ratios[name]:.2f}" for name in over) or "none"
        lines.append(f"More than {LIMIT} times PyTorch ({len(over)}): {named}.")
        for name, implementation, difference in self.strangers():
            lines.append(f"Other results: {name}, {implementation}, by {difference:.1e}.")
        return lines

    def _rows(self) -> Sequence[Row]:
        ratios = self.ratios(TORCH)
        return sorted(self.report.rows, key=lambda row: ratios.get(row.name, 0.0), reverse=True)

    def cells(self) -> list[list[str]]:
        """Header and rows: microseconds per step, and ratios of this project to the others."""
        peers = self._peers()
        labels = {column.name: column.label for column in self.report.columns}
        table = [["function, size", "ours (us)"]]
        for peer in peers:
            table[0] += [f"{labels[peer]} (us)", "ratio"]
        for row in self._rows():
            line = [row.name, significant(row.median(OURS) * 1e3) if OURS in row.figures else "failed"]
            for peer in peers:
                if peer not in row.figures:
                    line += ["failed" if peer in row.failures else "-", ""]
                    continue
                ratio = f"{row.ratio(OURS, peer):.2f}" if OURS in row.figures else ""
                line += [significant(row.median(peer) * 1e3), ratio]
            table.append(line)
        return table

    def text(self) -> str:
        table = self.cells()
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
        lines = [
            "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
            for line in table
        ]
        return "\n".join([self.report.setting(), "", *lines, "", *self.summary()])

    def markdown(self) -> str:
        header, *body = self.cells()
        lines = [header, ["---", *["---:"] * (len(header) - 1)], *body]
        summary = "\n".join(f"* {line}" for line in self.summary())
        rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"{self.report.setting()}\n\n{summary}\n\n{rows}\n"
