"""What measures how long work takes on a device."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any

import torch


class CpuClock:
    """Marks on the clock of the processor, whose work is done when a call returns."""

    def mark(self) -> Any:
        """Now."""
        return perf_counter_ns()

    def seconds(self, marks: Sequence[Any]) -> list[float]:
        """Seconds from the first mark to each."""
        return [(mark - marks[0]) * 1e-9 for mark in marks]


class CudaClock:
    """Marks in the queue of a GPU: events, which note when the work before them is done.

    Args:
        device: the GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def mark(self) -> Any:
        """When the work that is queued now will be done."""
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    def seconds(self, marks: Sequence[Any]) -> list[float]:
        """Seconds from the first mark to each; waits until the GPU has come to all of them."""
        torch.cuda.synchronize(self.device)
        return [marks[0].elapsed_time(mark) * 1e-3 for mark in marks]


Clock = CpuClock | CudaClock


def clock_of(device: torch.device) -> Clock:
    """The clock of a device."""
    return CudaClock(device) if device.type == "cuda" else CpuClock()
