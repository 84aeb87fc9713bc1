"""The rows of a table: figures of one case, what is said of them, and when a row counts as slower than before."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

# Relative distance between the quartiles of a ratio over the rounds, above which the ratio says nothing.
NOISY = 0.25
# A row has regressed if the median over the rounds of after / before is above the one and this part of the rounds is
# above 1; where each figure is a process of its own, if the quotient of the medians is above the other.
ALLOWED, PART, ALLOWED_OF_PROCESSES = 1.03, 0.75, 1.05
REGRESSION_ROUNDS, REGRESSION_PROCESSES = 15, 9
# Rounds between which both start anew.
REGRESSION_ROUNDS_OF_PROCESS = 3


@dataclass
class Row:
    """Figures of one case: by implementation, one for each round, in `unit`."""

    name: str
    title: str
    unit: str
    figures: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    """How far results lie from the first column's, where that was asked for."""
    work: float | None = None
    """Floating point operations of a step, where they are counted."""
    fresh: bool = False
    """Whether each figure comes from a process of its own, so that rounds have nothing in common."""

    def median(self, name: str) -> float:
        return statistics.median(self.figures[name])

    def ratios(self, name: str, peer: str) -> list[float]:
        """Of `name` to `peer` in each round: both ran side by side there, so slow spells count little."""
        return [a / b for a, b in zip(self.figures[name], self.figures[peer], strict=True)]

    def ratio(self, name: str, peer: str) -> float:
        """Median over the rounds."""
        return statistics.median(self.ratios(name, peer))

    def is_noisy(self, name: str, peer: str) -> bool:
        """Whether the rounds disagree too much about the ratio."""
        return spread(self.ratios(name, peer)) > NOISY

    def regressed(self, after: str, before: str) -> bool:
        """Whether `after` is slower, or larger, than `before`."""
        if self.fresh:
            return self.median(after) / self.median(before) > ALLOWED_OF_PROCESSES
        ratios = self.ratios(after, before)
        above = sum(ratio > 1 for ratio in ratios)
        return statistics.median(ratios) > ALLOWED and above >= PART * len(ratios)

    def as_dict(self, baseline: str) -> dict:
        medians = {name: self.median(name) for name in self.figures}
        peers = [name for name in self.figures if name != baseline and baseline in self.figures]
        ratios = {name: self.ratio(baseline, name) for name in peers}
        noisy = [name for name in peers if self.is_noisy(baseline, name)]
        return {**asdict(self), "medians": medians, "ratios": ratios, "noisy": noisy}


def spread(figures: Sequence[float]) -> float:
    """Distance between the quartiles, relative to the median; 0 for less than three figures."""
    if len(figures) < 3:
        return 0.0
    low, median, high = statistics.quantiles(figures, n=4, method="inclusive")
    return (high - low) / median
