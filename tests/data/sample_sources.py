"""Data sources whose samples are their own numbers, for tests of data iterators and data sources."""

import numpy as np

from nnabla.utils import data_iterator as D
from nnabla.utils.data_source import DataSource


def rng(seed=5):
    return np.random.RandomState(seed)


def load(i):
    """Sample i."""
    return np.array(i), np.full((2, 3), i, np.float32)


class Reshuffled(DataSource):
    """A data source as users write them: a new order at every reset."""

    def __init__(self, size, shuffle=True, rng=None):
        super().__init__(shuffle=shuffle, rng=rng)
        self._size = size
        self._variables = ("x", "y")
        self.resets = -1
        self.reset()

    def _get_data(self, position):
        return load(self.indexes[position])

    def reset(self):
        self.resets += 1
        self.indexes = self._rng.permutation(self._size) if self._shuffle else np.arange(self._size)
        super().reset()


def simple(size, batch_size, *, memory=False, use_thread=False, **arguments):
    arguments = {"shuffle": True, "rng": rng(), **arguments}
    return D.data_iterator_simple(load, size, batch_size, use_thread=use_thread, with_memory_cache=memory, **arguments)


def samples(iterator, batches):
    return [iterator.next()[0].tolist() for _ in range(batches)]
