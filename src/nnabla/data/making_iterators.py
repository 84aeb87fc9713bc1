"""Data iterators for every kind of data set.

Example:
    >>> def load(i):
    ...     return np.full((2, 2), i, np.float32), i % 3
    >>> with data_iterator_simple(load, num_examples=6, batch_size=4) as batches:
    ...     x, y = batches.next()
    >>> x.shape, y
    ((4, 2, 2), array([0, 1, 2, 0]))
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from .cache_source import CacheDataSource
from .csv_source import CsvDataSource
from .file_cache import DataSourceWithFileCache
from .iterators import DataIterator, EpochCallback
from .memory_cache import DataSourceWithMemoryCache
from .simple_sources import ConcatDataSource, SimpleDataSource
from .sources import DataSource, Sample, checked_source
from .workers import Workers


def data_iterator(
    data_source: DataSource,
    batch_size: int,
    rng: np.random.RandomState | None = None,
    use_thread: bool = True,
    with_memory_cache: bool = True,
    with_file_cache: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    epoch_begin_callbacks: Iterable[EpochCallback] = (),
    epoch_end_callbacks: Iterable[EpochCallback] = (),
    stop_exhausted: bool = False,
    *,
    num_workers: int | Workers = 0,
    pin_memory: bool | None = None,
) -> DataIterator:
    """Minibatches from a data source.

    Args:
        data_source: where samples come from.
        batch_size: samples in a batch.
        rng: random generator of the caches, which shuffle if the source does; default one seeded with 313 for each.
        use_thread: read the next batch in a background thread.
        with_memory_cache: keep samples in memory; see `DataSourceWithMemoryCache`.
        with_file_cache: write all samples to files first and read them from there; see `DataSourceWithFileCache`.
        cache_dir: folder of these files; default one that is removed in the end.
        epoch_begin_callbacks: called with the number of every epoch that begins, but the first.
        epoch_end_callbacks: called with the number of every epoch that ends.
        stop_exhausted: raise StopIteration at the end of the first epoch.
        num_workers: how many processes read samples beside the program: batches, or, where a cache is to be filled,
            what goes into it. They are not started for samples that lie in memory. `Workers` is for threads and more
            settings.
        pin_memory: put batches into memory that a GPU reads by itself; default: if the iterator is made in the context
            of a GPU. See `DataIterator`.

    Raises:
        TypeError: `data_source` is not a DataSource; `batch_size` is not an integer.
        ArgumentError: `batch_size` is not positive, the data source has no samples, or processes cannot read it.
        DataSourceWithFileCacheError: a file of the cache could not be written.
    """
    checked_source("data_iterator", data_source)
    if with_file_cache:
        data_source = DataSourceWithFileCache(
            data_source, cache_dir, shuffle=data_source.shuffle, rng=rng, num_workers=num_workers
        )
    if with_memory_cache:
        data_source = DataSourceWithMemoryCache(
            data_source, shuffle=data_source.shuffle, rng=rng, num_workers=num_workers
        )
    return DataIterator(
        data_source,
        batch_size,
        use_thread=use_thread,
        epoch_begin_callbacks=epoch_begin_callbacks,
        epoch_end_callbacks=epoch_end_callbacks,
        stop_exhausted=stop_exhausted,
        num_workers=num_workers,
        pin_memory=pin_memory,
    )


def data_iterator_simple(
    load_func: Callable[[int], Sample],
    num_examples: int,
    batch_size: int,
    shuffle: bool = False,
    rng: np.random.RandomState | None = None,
    use_thread: bool = True,
    with_memory_cache: bool = False,
    with_file_cache: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    epoch_begin_callbacks: Iterable[EpochCallback] = (),
    epoch_end_callbacks: Iterable[EpochCallback] = (),
    stop_exhausted: bool = False,
    *,
    num_workers: int | Workers = 0,
    pin_memory: bool | None = None,
) -> DataIterator:
    """Minibatches of samples that a function returns by number.

    Args:
        load_func: called as ``load_func(i)`` with ``0 <= i < num_examples``; returns sample ``i`` as a tuple
            of arrays or scalars. It should copy what it overwrites in its next call.
        num_examples: number of samples.
        batch_size: samples in a batch.
        shuffle: whether each epoch has an order of its own.
        rng: random generator for that; default one seeded with 313. A memory cache has a generator of its
            own.

    The other arguments and the errors are those of `data_iterator`.

    Example:
        >>> images, labels = np.zeros((100, 8, 8)), np.arange(100) % 10
        >>> batches = data_iterator_simple(lambda i: (images[i], labels[i]), 100, batch_size=32, shuffle=True)
        >>> [array.shape for array in batches.next()]
        [(32, 8, 8), (32,)]
    """
    return data_iterator(
        SimpleDataSource(load_func, num_examples, shuffle=shuffle, rng=rng),
        batch_size,
        use_thread=use_thread,
        with_memory_cache=with_memory_cache,
        with_file_cache=with_file_cache,
        cache_dir=cache_dir,
        epoch_begin_callbacks=epoch_begin_callbacks,
        epoch_end_callbacks=epoch_end_callbacks,
        stop_exhausted=stop_exhausted,
        num_workers=num_workers,
        pin_memory=pin_memory,
    )


def data_iterator_concat_datasets(
    data_source_list: Sequence[DataSource],
    batch_size: int,
    shuffle: bool = False,
    rng: np.random.RandomState | None = None,
    use_thread: bool = True,
    with_memory_cache: bool = True,
    with_file_cache: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    epoch_begin_callbacks: Iterable[EpochCallback] = (),
    epoch_end_callbacks: Iterable[EpochCallback] = (),
    stop_exhausted: bool = False,
    *,
    num_workers: int | Workers = 0,
    pin_memory: bool | None = None,
) -> DataIterator:
    """Minibatches from several data sources as if they were one; see `ConcatDataSource`.

    Args:
        data_source_list: the data sources.
        batch_size: samples in a batch.
        shuffle: whether each epoch has an order of its own.
        rng: random generator for that; default one seeded with 313. A memory cache has a generator of its
            own.

    The other arguments and the errors are those of `data_iterator`.
    """
    return data_iterator(
        ConcatDataSource(data_source_list, shuffle=shuffle, rng=rng),
        batch_size,
        use_thread=use_thread,
        with_memory_cache=with_memory_cache,
        with_file_cache=with_file_cache,
        cache_dir=cache_dir,
        epoch_begin_callbacks=epoch_begin_callbacks,
        epoch_end_callbacks=epoch_end_callbacks,
        stop_exhausted=stop_exhausted,
        num_workers=num_workers,
        pin_memory=pin_memory,
    )


def data_iterator_csv_dataset(
    uri: str | os.PathLike[str],
    batch_size: int,
    shuffle: bool = False,
    rng: np.random.RandomState | None = None,
    use_thread: bool = True,
    normalize: bool = True,
    with_memory_cache: bool = True,
    with_file_cache: bool = True,
    cache_dir: str | os.PathLike[str] | None = None,
    epoch_begin_callbacks: Iterable[EpochCallback] = (),
    epoch_end_callbacks: Iterable[EpochCallback] = (),
    stop_exhausted: bool = False,
    *,
    num_workers: int | Workers = 0,
    pin_memory: bool | None = None,
) -> DataIterator:
    """Minibatches of the rows of a CSV file; see `CsvDataSource` for what cells can be.

    By default all samples are written to files first, which turns numbers into ``float32``, and kept in memory if they
    fit: the first two epochs have the same order then, even with `shuffle`. Without caches numbers are ``float64``.

    Args:
        uri: path of the file, or an address ``http(s)://`` or ``s3://``.
        batch_size: samples in a batch.
        shuffle: whether each epoch has an order of its own.
        rng: random generator for that; default one seeded with 313. Caches have generators of their own.
        normalize: divide images by their largest possible value, into [0, 1] and ``float64``; without it ``uint8``.
        with_memory_cache: keep samples in memory; see `DataSourceWithMemoryCache`.

    The other arguments are those of `data_iterator`.

    Raises:
        FormatError: the file is no CSV file, or a cell is wrong; the message names file, row, line and column.
        DataSourceWithFileCacheError: a file of the cache could not be written.

    Example:
        >>> import tempfile, os
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "numbers.csv")
        ...     with open(path, "w") as file:
        ...         _ = file.write("x__0,x__1,y\\n1,2,0\\n3,4,1\\n")
        ...     with data_iterator_csv_dataset(path, batch_size=2) as batches:
        ...         x, y = batches.next()
        >>> x.tolist(), y.tolist()
        ([[1.0, 2.0], [3.0, 4.0]], [[0.0], [1.0]])
    """
    return data_iterator(
        CsvDataSource(uri, shuffle=shuffle, rng=rng, normalize=normalize),
        batch_size,
        use_thread=use_thread,
        with_memory_cache=with_memory_cache,
        with_file_cache=with_file_cache,
        cache_dir=cache_dir,
        epoch_begin_callbacks=epoch_begin_callbacks,
        epoch_end_callbacks=epoch_end_callbacks,
        stop_exhausted=stop_exhausted,
        num_workers=num_workers,
        pin_memory=pin_memory,
    )


def data_iterator_cache(
    uri: str | os.PathLike[str],
    batch_size: int,
    shuffle: bool = False,
    rng: np.random.RandomState | None = None,
    use_thread: bool = True,
    normalize: bool = True,
    with_memory_cache: bool = True,
    epoch_begin_callbacks: Iterable[EpochCallback] = (),
    epoch_end_callbacks: Iterable[EpochCallback] = (),
    stop_exhausted: bool = False,
    *,
    num_workers: int | Workers = 0,
    pin_memory: bool | None = None,
) -> DataIterator:
    """Minibatches of the samples of a cache, as `CreateCache` or the command ``conv_dataset`` writes it.

    Args:
        uri: folder of the cache, or its address.
        batch_size: samples in a batch.
        shuffle: whether each epoch has an order of its own.
        rng: random generator for that; default one seeded with 313. A memory cache has a generator of its own.
        normalize: divide ``uint8`` values by 255 and ``uint16`` values by 65535, in ``float32``.
        with_memory_cache: keep samples in memory; see `DataSourceWithMemoryCache`.

    The other arguments are those of `data_iterator`.

    Raises:
        FormatError: there is no finished cache, or a file of it is damaged.
    """
    return data_iterator(
        CacheDataSource(uri, shuffle=shuffle, rng=rng, normalize=normalize),
        batch_size,
        use_thread=use_thread,
        with_memory_cache=with_memory_cache,
        epoch_begin_callbacks=epoch_begin_callbacks,
        epoch_end_callbacks=epoch_end_callbacks,
        stop_exhausted=stop_exhausted,
        num_workers=num_workers,
        pin_memory=pin_memory,
    )
