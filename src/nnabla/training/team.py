"""What the processes of one training do together. A process that is alone does nothing of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._nd_array import NdArray
from ..distributed.communicator import Communicator
from ..graph.hooks import CommunicatorBackwardCallback

# Elements of gradients that are sent together.
_PACK_SIZE = 1 << 21


class Team:
    """The processes of a communicator.

    Args:
        communicator: ``None`` for a process that is alone.
    """

    def __init__(self, communicator: Communicator | None) -> None:
        self._communicator = None if communicator is None or communicator.size == 1 else communicator
        self.size = 1 if self._communicator is None else self._communicator.size
        self.rank = 0 if self._communicator is None else self._communicator.rank
        self.local_rank = 0 if self._communicator is None else self._communicator.local_rank

    @property
    def is_first(self) -> bool:
        """Whether this is the process that speaks and writes for all."""
        return self.rank == 0

    def part_of(self, iterator: Any) -> Any:
        """The part of a data set that this process reads."""
        return iterator if self._communicator is None else iterator.slice(None, self.size, self.rank)

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """The first process does what is inside before the others do: it makes caches, which they find then."""
        if self._communicator is not None and not self.is_first:
            self._communicator.barrier()
        yield
        if self._communicator is not None and self.is_first:
            self._communicator.barrier()

    def share(self, arrays: Sequence[NdArray]) -> None:
        """Let all have the values of the first process."""
        if self._communicator is not None:
            self._communicator.bcast(arrays, 0)

    def means(self, gradients: Sequence[NdArray]) -> CommunicatorBackwardCallback | None:
        """What makes gradients the means over the processes, for `Variable.backward`."""
        if self._communicator is None:
            return None
        return self._communicator.all_reduce_callback(gradients, _PACK_SIZE, division=True)

    def mean(self, value: float) -> float:
        """The mean over the processes."""
        if self._communicator is None:
            return value
        array = NdArray.from_numpy_array(np.array([value], np.float64))
        self._communicator.all_reduce(array, division=True)
        return float(array.data[0])

    def any(self, flag: bool) -> bool:
        """Whether it is so in any process."""
        return self.mean(float(flag)) > 0

    def gathered(self, value: Any) -> list[Any]:
        """What each process has, by rank: anything that JSON can hold."""
        if self._communicator is None:
            return [value]
        return [json.loads(each) for each in self._communicator.gather_bytes(json.dumps(value).encode())]
