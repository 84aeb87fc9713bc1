"""What a worker reads batches from."""

from __future__ import annotations

from typing import Any

from ...data.making_iterators import data_iterator
from ...data.sources import DataSource

__all__ = ["Data", "DataSource", "data_iterator"]


class Data:
    """Base class of the data of one training: a data source and an iterator over it.

    A derived class defines `next` and `size`, and makes the source and the iterator: by a constructor of its own, or
    by ``__data_source__()`` and ``__data_iterator__(source)``, whose results this constructor keeps as
    ``_data_source`` and ``_data_iterator``.

    Example:
        >>> import numpy as np
        >>> class Squares(Data):
        ...     def __data_iterator__(self, data_source):
        ...         load = lambda i: (np.float32(i), np.float32(i * i))
        ...         return data_iterator_simple(load, 4, 2, with_memory_cache=False)
        ...     def next(self):
        ...         return self._data_iterator.next()
        ...     def size(self):
        ...         return self._data_iterator.size
        >>> from nnabla.data.making_iterators import data_iterator_simple
        >>> squares = Squares()
        >>> squares.size(), [values.tolist() for values in squares.next()]
        (4, [[0.0, 1.0], [0.0, 1.0]])
        >>> squares._data_iterator.close()
    """

    class CustomDataSource(DataSource):
        """A source without samples, to derive from."""

    def __init__(self) -> None:
        self._data_source: Any = self.__data_source__()
        self._data_iterator: Any = self.__data_iterator__(self._data_source)

    def __data_source__(self) -> Any:
        """The data source; by default an empty one."""
        return self.CustomDataSource()

    def __data_iterator__(self, data_source: Any) -> Any:
        """The iterator over `data_source`.

        Raises:
            NotImplementedError: a derived class does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __data_iterator__ or a constructor")

    def reset(self) -> None:
        """Begin a new epoch. Nothing by default."""

    def next(self) -> Any:
        """The arrays of the next batch.

        Raises:
            NotImplementedError: a derived class does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define next")

    def size(self) -> int:
        """Number of samples.

        Raises:
            NotImplementedError: a derived class does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define size")
