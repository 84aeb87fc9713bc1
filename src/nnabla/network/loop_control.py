"""Functions of a described network that stand for loops, and what they say about them."""

from __future__ import annotations

from typing import NamedTuple

LOOP_CONTROL = ("RepeatStart", "RepeatEnd", "RecurrentInput", "RecurrentOutput", "Delay")


def is_loop_control(type_name: str) -> bool:
    """Whether a type of function stands for a loop, and computes nothing itself."""
    return type_name in LOOP_CONTROL


class RepeatInfo:
    """A loop of a network.

    Args:
        id: its name.
        times: how often its functions stand after one another.
    """

    def __init__(self, id: str, times: int) -> None:
        self.id = id
        self.times = times


class Repeat(NamedTuple):
    """What RepeatStart and RepeatEnd say: the loop that they begin and end, and how often it is gone through."""

    repeat_id: str
    times: int


class Recurrent(NamedTuple):
    """What RecurrentInput, RecurrentOutput and Delay say: the loop over time, its length, and the axis of time."""

    repeat_id: str
    length: int
    axis: int


class LoopControlFunction:
    """What stands for a loop where functions are expected.

    Attributes:
        arguments: values by name.
    """

    def __init__(self) -> None:
        self.arguments: dict[str, object] = {}
