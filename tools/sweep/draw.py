"""Random sizes: small ones above all, and those around the blocks that kernels work in."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw(random.Random):
    """A stream of random choices."""

    def chance(self, share: float) -> bool:
        """True with this probability."""
        return self.random() < share

    def one_of(self, *values: T) -> T:
        return self.choice(values)

    def batch(self) -> int:
        """A number of samples. Some kernels take over at 16."""
        return self.one_of(1, 1, 2, 2, 3, 5, 16, 17)

    def channels(self, most: int = 65) -> int:
        """A number of channels. Vectors hold 4, 8 or 16, and blocks are made of them."""
        sizes = [1, 1, 2, 3, 3, 4, 4, 5, 7, 8, 8, 9, 12, 15, 16, 16, 17, 24, 31, 32, 33, 48, 64, 65]
        return self.choice([n for n in sizes if n <= most])

    def length(self, most: int = 14) -> int:
        """The length of a spatial axis."""
        return self.one_of(1, 1, 2, self.randint(1, min(5, most)), self.randint(1, most), self.randint(1, most))

    def lengths(self, n: int, most: int = 14) -> tuple[int, ...]:
        return tuple([self.length(most) for _ in range(n)])

    def shape(self, n_axes: int, elements: int = 4096) -> tuple[int, ...]:
        """Any shape with about so many elements at most."""
        found: list[int] = []
        for _ in range(n_axes):
            most = max(1, min(40, elements))
            found.append(self.one_of(1, 2, 3, self.randint(1, min(9, most)), self.randint(1, most)))
            elements //= found[-1]
        self.shuffle(found)
        return tuple(found)

    def axes_of(self, n_axes: int, least: int = 1) -> list[int]:
        """Some of the axes."""
        return sorted(self.sample(range(n_axes), self.randint(least, n_axes)))

    def permutation(self, n_axes: int) -> tuple[int, ...]:
        """An order of axes; half of the time that of channels last."""
        axes = list(range(n_axes))
        if n_axes > 2 and self.chance(0.5):
            return (0, *axes[2:], 1)
        self.shuffle(axes)
        return tuple(axes)


def product(sizes: Sequence[int]) -> int:
    result = 1
    for size in sizes:
        result *= size
    return result
