"""Samples from the caches that `CreateCache` and the command ``conv_dataset`` write."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from ..errors import ArgumentError
from .cache_files import CacheFile, find_files, find_variables, read_file
from .file_cache import CachedSamples


class CacheDataSource(CachedSamples):
    """The samples of a cache; see `nnabla.data.cache_files` for its files.

    With HDF5 files, which do not say in which order, variables are in the order of their names.

    Args:
        cachedir: folder, or its address.
        shuffle: whether each epoch has an order of its own: of the files, and of the samples within each.
        rng: random generator for that; default one of its own, seeded with 313.
        normalize: divide ``uint8`` values by 255 and ``uint16`` values by 65535, in ``float32``. A cache that was made
            with ``normalize`` holds such values divided already, in ``float64``.
        allow_outside: let the index name files outside of the folder; default: option ``allow_files_outside`` in
            section ``DATA_ITERATOR`` of the configuration, False.

    Raises:
        FileNotFoundError: there is no such folder.
        FormatError: it holds no cache, or one that was never finished.
    """

    def __init__(
        self,
        cachedir: str | os.PathLike[str],
        shuffle: bool = False,
        rng: np.random.RandomState | None = None,
        normalize: bool = False,
        *,
        allow_outside: bool | None = None,
    ) -> None:
        folder = os.fspath(cachedir)
        files = find_files(folder, "CacheDataSource", allow_outside)
        super().__init__(files, find_variables(folder, files, "CacheDataSource"), shuffle, rng)
        self._cachedir = folder
        self._allow_outside = allow_outside
        self._normalize = normalize
        self._generation = -1
        self.reset()

    def _get_arrays_of_generation(self, start: int, stop: int, generation: int) -> tuple[np.ndarray, ...]:
        arrays = super()._get_arrays_of_generation(start, stop, generation)
        return tuple(_normalized(array) for array in arrays) if self._normalize else arrays

    def initialize_cache_files(self, filename: str) -> None:
        """Read from this HDF5 file of the folder and no other."""
        self._start_over([CacheFile(os.path.join(self._cachedir, filename), None)])

    def initialize_cache_files_with_index(self, index_filename: str) -> None:
        """Read from the files that an index lists, in its order."""
        folder = os.path.dirname(os.path.join(self._cachedir, index_filename))
        self._start_over(find_files(folder, "CacheDataSource", self._allow_outside))

    def initialize_cache_info(self, info_filename: str) -> None:
        """Take the names of the variables from a ``cache_info.csv``."""
        folder = os.path.dirname(os.path.join(self._cachedir, info_filename))
        self._variables = find_variables(folder, self._rows.files, "CacheDataSource")
        self._start_over(self._rows.files)

    def _start_over(self, files: Sequence[CacheFile]) -> None:
        self._rows.close()
        self._use(files, list(self._variables or ()))
        self._generation = -1
        self.reset()


def _normalized(array: np.ndarray) -> np.ndarray:
    if array.dtype in (np.uint8, np.uint16):
        # By multiplication, which gives the very numbers of NNabla 1.39.
        return array.astype(np.float32) * np.float32(1 / np.iinfo(array.dtype).max)
    return array


class CachePrefetcher:
    """Reads a file of a cache in a thread of its own.

    Args:
        cachedir: folder of the cache.
        variables: names of the variables, in the order of the arrays.
    """

    def __init__(self, cachedir: str, variables: Sequence[str]) -> None:
        self.file_name: str | None = None
        self._cachedir = cachedir
        self._variables = list(variables)
        self._thread = ThreadPoolExecutor(1, "nnabla-cache-prefetcher")
        self._coming: Future[dict[str, np.ndarray]] | None = None

    def read_cache(self, file_name: str, variables: Sequence[str]) -> dict[str, np.ndarray]:
        """The arrays of a file, by name of the variable, read now.

        Raises:
            FormatError: it is not there, damaged, or does not hold these variables.
        """
        return read_file(file_name, list(variables))

    def request(self, cache_file_name: str) -> None:
        """Begin to read a file."""
        self.file_name = cache_file_name
        self._coming = self._thread.submit(self.read_cache, cache_file_name, self._variables)

    def check_if_hit(self, fn: str) -> bool:
        """Whether this is the file that was requested last."""
        return fn == self.file_name

    def read(self) -> dict[str, np.ndarray]:
        """The arrays of the file that was requested; waits for them.

        Raises:
            ArgumentError: none was requested since the last `read`.
            FormatError: as for `read_cache`.
        """
        if self._coming is None:
            raise ArgumentError("CachePrefetcher.read: no file was requested")
        coming, self._coming, self.file_name = self._coming, None, None
        return coming.result()

    def close(self) -> None:
        """Wait for the thread."""
        self._thread.shutdown(cancel_futures=True)


class CacheReaderWithPrefetch:
    """Reads files of a cache while others are being read ahead.

    Args:
        cachedir: folder of the cache.
        num_threads: how many files are read ahead at most.
        variables: names of the variables, in the order of the arrays.
    """

    def __init__(self, cachedir: str, num_threads: int, variables: Sequence[str]) -> None:
        self._variables = list(variables)
        self._prefetchers = [CachePrefetcher(cachedir, variables) for _ in range(num_threads)]

    def open_and_prefetch_cache(self, file_name: str, file_names_to_prefetch: Sequence[str]) -> dict[str, np.ndarray]:
        """The arrays of a file, by name of the variable; then begin to read others.

        Raises:
            FormatError: the file is not there, damaged, or does not hold the variables.
        """
        hit = next((p for p in self._prefetchers if p.check_if_hit(file_name)), None)
        arrays = read_file(file_name, self._variables) if hit is None else hit.read()
        wanted = [name for name in file_names_to_prefetch if not any(p.check_if_hit(name) for p in self._prefetchers)]
        idle = [p for p in self._prefetchers if p.file_name not in file_names_to_prefetch]
        for prefetcher, name in zip(idle, wanted, strict=False):
            prefetcher.request(name)
        return arrays

    def close(self) -> None:
        """Wait for the threads."""
        for prefetcher in self._prefetchers:
            prefetcher.close()
