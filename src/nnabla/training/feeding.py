"""Data into the variables of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._nd_array import NdArray
from ..context import Context
from ..graph.variable import Variable
from ..logger import logger


def let_data_to_variable(
    variable: Variable,
    data: np.ndarray | NdArray,
    ctx: Context | None = None,
    data_name: str | None = None,
    variable_name: str | None = None,
) -> None:
    """Give a variable the values of an array, in the type of the array.

    Args:
        variable: gets the values.
        data: of its shape, or one that NumPy broadcasts to it.
        ctx: accepted for compatibility; functions bring values to their own context.
        data_name, variable_name: for the error.

    Raises:
        ValueError: the shapes do not fit. The log says which data and which variable.
    """
    values = data.data if isinstance(data, NdArray) else np.asarray(data)
    try:
        values = np.broadcast_to(values, variable.shape)
    except ValueError:
        logger.critical(
            'Shape does not match between data "%s" and variable "%s" (%s != %s).',
            data_name,
            variable_name,
            values.shape,
            variable.shape,
        )
        # The words are NumPy's: consoles look for them.
        raise ValueError(
            f"could not broadcast input array from shape {_shape(values.shape)} into shape {_shape(variable.shape)}"
        ) from None
    array = variable.data.cast(values.dtype)
    assert array is not None
    array[...] = values


def _shape(shape: tuple[int, ...]) -> str:
    return str(tuple(shape)).replace(" ", "")


class Feed:
    """Takes batch after batch of several data sets into the variables of a network.

    Args:
        iterators: functions that open the data sets, by name.
        assigned: names of data by the described variables that they are for.
        generated: what draws values, by the described variables that they are for.
        part: gives the part of an opened data set that is wanted; ``None`` for all.

    Attributes:
        batches: batches taken so far.
    """

    def __init__(
        self,
        iterators: Mapping[str, Any],
        assigned: Mapping[Any, str],
        generated: Mapping[Any, Any],
        part: Callable[[Any], Any] | None = None,
    ) -> None:
        self._whole = [make() for make in iterators.values()]
        self.iterators = self._whole if part is None else [part(each) for each in self._whole]
        self._assigned = list(assigned.items())
        self._generated = list(generated.items())
        self.batches = 0

    def next(self) -> None:
        """Take a batch of each data set.

        Raises:
            ValueError: no data set has data that a variable needs, or shapes do not fit.
        """
        data: dict[str, Any] = {}
        for iterator in self.iterators:
            data.update(zip(iterator.variables, iterator.next(), strict=True))
        self.batches += 1
        for described, name in self._assigned:
            if name not in data:
                raise ValueError(f'Data "{name}" for variable "{described.name}" is not found; there are {list(data)}')
            let_data_to_variable(described.variable_instance, data[name], None, name, described.name)
        for described, generate in self._generated:
            shape = described.variable_instance.shape
            values = np.asarray(generate(shape))
            let_data_to_variable(described.variable_instance, values, variable_name=described.name)

    def skip(self, batches: int) -> None:
        """Pass over batches that were taken before an interruption."""
        for iterator in self.iterators:
            iterator.skip(batches)
        self.batches += batches

    @property
    def size(self) -> int:
        """Samples of the first data set; 0 without one."""
        return int(self.iterators[0].size) if self.iterators else 0

    @property
    def batch_size(self) -> int:
        """Samples in a batch of the first data set."""
        return int(self.iterators[0].batch_size) if self.iterators else 1

    @property
    def progress(self) -> float:
        """How far the first data set is, in [0, 1]."""
        return self.iterators[0].position / self.size if self.size else 0.0

    def close(self) -> None:
        """Close the data sets."""
        for iterator in self.iterators:
            iterator.close()
        # Parts leave what they are of open. Closing twice does nothing.
        for iterator in self._whole:
            iterator.close()
