"""One case: a call of one public function, with everything that the suites need to know about it."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .arrays import Array

Derivative = Literal["exact", "surrogate", "undefined"]


@dataclass(frozen=True)
class Tolerance:
    """How far a result may lie from the record, and why: ``relative * |expected| + floor``.

    Args:
        relative: allowed error as a ratio of each expected value.
        floor: allowed error as a ratio of the largest expected value of the array: terms of that size were
            added up.
        absolute: a fixed floor instead.
        reason: the fact about the function that asks for it.
    """

    relative: float = 1e-5
    floor: float = 1e-6
    absolute: float | None = None
    reason: str = ""


STRICT = Tolerance()
WIDE_RANGE = Tolerance(
    absolute=1e-7, reason="values of very different sizes: a floor for the largest would hide the rest"
)


@dataclass(frozen=True)
class Case:
    """A call ``F.<function>(*inputs, **args)``; `case` makes it, and its table gives it category and number.

    Args:
        function: public name in `nnabla.functions`; or the name of a class in `nnabla.function`, whose calls reach
            what no public function does.
        inputs: what the inputs hold, in calling order; ``None`` is an omitted optional input.
        args: keyword arguments, as sorted pairs.
        grad: positions of the inputs that want a gradient.
        derivative: ``"exact"`` where `backward` is the true derivative, which `test_gradients.py` checks by
            differences; ``"surrogate"`` where NNabla defines another one on purpose (a rounding passes the
            gradient straight on); ``"undefined"`` where an input sits on a kink, a pole or an overflow:
            recorded, but not a derivative.
        updates: positions of the inputs that the function writes to (running statistics).
        tolerance: against the record.
        beyond: why the original is no judge of this case (it refuses what this package can do, or computes
            nonsense); such a case has no record, and only the other suites run it.
        judge: NumPy, given the inputs in float64 and the arguments by name, for a function that the original lacks.
            Such a case is beyond, and counts for what the cases of a function must cover.
        dtype: what the inputs hold their values in.
        category: name of the table.
        number: counts the function's cases in the table.
    """

    function: str
    inputs: tuple[Array | None, ...]
    args: tuple[tuple[str, Any], ...]
    grad: tuple[int, ...]
    derivative: Derivative
    updates: tuple[int, ...]
    tolerance: Tolerance
    beyond: str
    judge: Callable[..., Any] | None = None
    dtype: str = "float32"
    category: str = ""
    number: int = 0

    def __str__(self) -> str:
        """The readable name of a test: the table, the function, the number and the arguments."""
        words = [f"{name}={value}".replace(" ", "") for name, value in self.args]
        words += [self.dtype] if self.dtype != "float32" else []
        return "-".join([self.category, self.function, str(self.number), *words])

    @property
    def definition(self) -> str:
        """All that decides the recorded numbers: the name of the case's record, and the seed of its inputs.

        It says nothing of the place of the case, so cases may be inserted, moved and put into other tables.
        """
        text = repr((self.function, self.inputs, self.args, self.grad, self.updates))
        return text if self.dtype == "float32" else f"{text} {self.dtype}"

    @property
    def is_node(self) -> bool:
        """Whether `function` is the name of a class."""
        return self.function[0].isupper()

    def random_state(self, purpose: str) -> np.random.RandomState:
        """The case's own stream of random numbers for `purpose`, which its definition decides."""
        return np.random.RandomState(zlib.crc32(f"{self.definition}/{purpose}".encode()))

    def arrays(self) -> list[np.ndarray | None]:
        """The inputs, float64."""
        rng = self.random_state("inputs")
        return [None if spec is None else spec.draw(rng) for spec in self.inputs]


def case(
    function: str,
    *inputs: Array | None,
    args: dict[str, Any] | None = None,
    grad: tuple[int, ...] | None = None,
    derivative: Derivative = "exact",
    updates: tuple[int, ...] = (),
    tolerance: Tolerance = STRICT,
    beyond: str = "",
    judge: Callable[..., Any] | None = None,
    dtype: str = "float32",
) -> Case:
    """A case of `function`; `grad` defaults to every real input, except those that the function updates."""
    if judge is not None and not beyond:
        beyond = "the original has no such function"
    if tolerance != STRICT and not tolerance.reason:
        raise ValueError(f"{function}: a tolerance of its own needs a reason")
    if grad is None:
        real = [i for i, spec in enumerate(inputs) if spec is not None and spec.real]
        grad = tuple(i for i in real if i not in updates)
    frozen = tuple(sorted((args or {}).items()))
    return Case(function, inputs, frozen, grad, derivative, updates, tolerance, beyond, judge, dtype)


def numbered(category: str, cases: list[Case]) -> list[Case]:
    """The cases of a table with their category, and a number that counts each function's cases."""
    seen: dict[str, int] = {}
    result = []
    for item in cases:
        number = seen.get(item.function, 0)
        seen[item.function] = number + 1
        result.append(dataclasses.replace(item, category=category, number=number))
    return result
