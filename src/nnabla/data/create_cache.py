"""Making caches of CSV data sets, as the command ``conv_dataset`` does."""

from __future__ import annotations

import os

import numpy as np

from .cache_files import CacheFile
from .csv_source import CsvDataSource
from .file_cache import write_cache


class CreateCache(CsvDataSource):
    """Writes the samples of a CSV data set to a cache; see `nnabla.data.cache_files` for its files.

    Args:
        input_csv_filename: path or address.
        rng: random generator for the order; default one of its own, seeded with 313.
        shuffle: write the samples in an order of their own.
        num_of_threads: how many read files at a time; default: option ``data_source_file_cache_num_of_threads`` in
            section ``DATA_ITERATOR`` of the configuration.
        allow_outside: let cells name files outside of the folder of the CSV file; see `CsvDataSource`.

    Raises:
        FormatError: the file is no CSV file in UTF-8, or its header is wrong.
        FileNotFoundError: there is no such file.
    """

    def __init__(
        self,
        input_csv_filename: str | os.PathLike[str],
        rng: np.random.RandomState | None = None,
        shuffle: bool = False,
        num_of_threads: int | None = None,
        *,
        allow_outside: bool | None = None,
    ) -> None:
        super().__init__(input_csv_filename, shuffle=shuffle, rng=rng, allow_outside=allow_outside)
        self._num_of_threads = num_of_threads

    def create(
        self,
        output_cache_dirname: str | os.PathLike[str],
        normalize: bool = True,
        cache_file_name_prefix: str = "cache",
    ) -> list[CacheFile]:
        """Write the cache; one that is there is replaced.

        Args:
            output_cache_dirname: folder, made if it is not there.
            normalize: divide images by their largest possible value; the cache holds ``float64`` then, else ``uint8``.
            cache_file_name_prefix: what the names of the files begin with.

        Returns:
            The files.

        Raises:
            FormatError: a cell is wrong; the message names file, row, line and column.
            DataSourceWithFileCacheError: a file could not be written. There is no finished cache then.
        """
        folder = os.fspath(output_cache_dirname)
        os.makedirs(folder, exist_ok=True)
        self._normalize = normalize
        return write_cache(self, folder, cache_file_name_prefix, self._num_of_threads, "CreateCache")
