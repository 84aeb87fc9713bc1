"""How long each function takes while its graph runs, and each part of a training step around it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..graph.function import Function
from .clocks import Clock


class Span(NamedTuple):
    """A piece of time.

    Attributes:
        label: what it was spent on: ``"forward"``, ``"update"``, ...; of a function the part of the step that it ran
            in.
        function: that ran; ``None`` for a part of the step.
        start, end: in seconds since the timer was made.
    """

    label: str
    function: Function | None
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


class FunctionTimer:
    """Measures the functions of graphs by its hooks, and parts of a step around them.

    Hooks cost a microsecond for each function, which is spent between functions: not in what is measured.

    Args:
        clock: of the device that computes.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> from nnabla.inspection.clocks import CpuClock
        >>> timer = FunctionTimer(CpuClock())
        >>> y = F.relu(nn.Variable((2, 3)))
        >>> with timer.part("forward"):
        ...     y.forward(function_pre_hook=timer.pre_hook, function_post_hook=timer.post_hook)
        >>> [(span.label, span.function) for span in timer.spans()]
        [('forward', None), ('forward', ReLU)]
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: list[Any] = [clock.mark()]
        # Label, function, and where its marks stand.
        self._noted: list[tuple[str, Function | None, int, int]] = []
        self._label = ""
        self._begun = 0

    def _mark(self) -> int:
        self._marks.append(self._clock.mark())
        return len(self._marks) - 1

    def pre_hook(self, function: Function) -> None:
        """To be called before a function."""
        self._begun = self._mark()

    def post_hook(self, function: Function) -> None:
        """To be called after a function."""
        self._noted.append((self._label, function, self._begun, self._mark()))

    @contextmanager
    def part(self, label: str) -> Iterator[None]:
        """Measure what is done inside, and give functions that run there its label."""
        outer, self._label = self._label, label
        place = len(self._noted)
        begun = self._mark()
        try:
            yield
        finally:
            # Before the functions in it.
            self._noted.insert(place, (label, None, begun, self._mark()))
            self._label = outer

    def spans(self) -> list[Span]:
        """All that was measured, in the order in which it began."""
        times = self._clock.seconds(self._marks)
        return [Span(label, function, times[start], times[end]) for label, function, start, end in self._noted]


def seconds_by_function(spans: list[Span], label: str) -> dict[Function, list[float]]:
    """For each function the seconds of each of its runs in parts of that label."""
    found: dict[Function, list[float]] = defaultdict(list)
    for span in spans:
        if span.function is not None and span.label == label:
            found[span.function].append(span.seconds)
    return dict(found)
