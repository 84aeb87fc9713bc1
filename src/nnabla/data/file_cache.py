"""Caches of data sets in files: making them, and reading their samples in an order of each epoch's own."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np

from ..config import nnabla_config
from ..errors import ArgumentError
from ..logger import logger
from ..progress import progress
from . import cache_files
from .cache_files import CacheFile, CacheRows
from .columns import Column, put
from .file_reader import FileReader
from .read_ahead import ReadAhead, read_ahead
from .sources import DataSource, EpochOrders, Sample, checked_source
from .workers import Workers, checked_workers


class DataSourceWithFileCacheError(Exception):
    """A cache could not be made."""


def cache_format() -> str:
    """The extension of the files of new caches: option ``cache_file_format`` in section ``DATA_ITERATOR``.

    Raises:
        ArgumentError: the option is none of the formats.
    """
    extension = nnabla_config.get("DATA_ITERATOR", "cache_file_format")
    if extension not in cache_files.FORMATS:
        known = " or ".join(cache_files.FORMATS)
        raise ArgumentError(
            f"configuration: cache_file_format in section DATA_ITERATOR must be {known}, not {extension!r}"
        )
    return extension


def write_cache(
    source: DataSource,
    folder: str,
    prefix: str = "cache",
    threads: int | None = None,
    caller: str = "cache",
    flush: bool = True,
    workers: Workers | None = None,
) -> list[CacheFile]:
    """Write the samples of a source, in its present order, to files; a cache that is there is replaced.

    At most two files' worth of samples are in memory. Numbers, and lists of them, become ``float32``; arrays keep their
    type.

    Args:
        source: where samples come from.
        folder: it must exist.
        prefix: what the names of the files begin with.
        threads: how many read samples at a time where that gains something; default: option
            ``data_source_file_cache_num_of_threads`` in section ``DATA_ITERATOR`` of the configuration.
        caller: what messages begin with.
        flush: have the files on the disk before the cache counts as finished.
        workers: who reads samples.

    Returns:
        The files.

    Raises:
        DataSourceWithFileCacheError: a file could not be written. The folder holds no finished cache then.
        Exception: whatever the source raised; likewise.
    """
    extension = cache_format()
    rows = int(nnabla_config.get("DATA_ITERATOR", "data_source_file_cache_size"))
    if rows < 1:
        raise ArgumentError(
            f"configuration: data_source_file_cache_size in section DATA_ITERATOR must be positive, not {rows}"
        )
    if threads is None:
        threads = int(nnabla_config.get("DATA_ITERATOR", "data_source_file_cache_num_of_threads"))
    variables = list(source.variables or ())
    pieces = [(start, min(start + rows, source.size)) for start in range(0, source.size, rows)]
    files = [
        CacheFile(os.path.join(folder, f"{prefix}_{start:08}_{stop - 1:08}{extension}"), stop - start)
        for start, stop in pieces
    ]
    writing = _Writing(caller, folder)
    ahead = read_ahead(source, workers)
    if workers is not None and workers.kind == "thread":
        threads = workers.count
    try:
        with writing:
            cache_files.start_over(folder)
        with ThreadPoolExecutor(1, "nnabla-cache-writer") as writer:
            written: Future[None] | None = None
            arrays = _read_pieces(source, pieces, variables, max(1, threads), caller, ahead)
            for number, (file, values) in enumerate(zip(files, arrays, strict=True)):
                progress(f"Create cache {os.path.basename(file.path)}", (number + 1) / len(files))
                with writing:
                    _ = written and written.result()
                written = writer.submit(cache_files.write_file, file.path, values, flush)
            with writing:
                _ = written and written.result()
                _write_lists(source, folder, files, variables, extension, flush)
    finally:
        if ahead is not None:
            ahead.stop()
        progress(None)
    return files


class _Writing:
    """Turns what the system raises in the block into an error that says which cache could not be written."""

    def __init__(self, caller: str, folder: str) -> None:
        self._caller, self._folder = caller, folder

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise DataSourceWithFileCacheError(
                f"{self._caller}: the cache in {self._folder} could not be written: {error}"
            ) from error


def _read_pieces(
    source: DataSource,
    pieces: Sequence[tuple[int, int]],
    variables: Sequence[str],
    threads: int,
    caller: str,
    ahead: ReadAhead | None,
) -> Iterator[dict[str, np.ndarray]]:
    """The samples of each piece, as arrays by name."""
    pool = ThreadPoolExecutor(threads, "nnabla-cache-reader") if threads > 1 and source._reads_concurrently else None
    try:
        for start, stop in pieces:
            arrays = (ahead or source)._get_arrays(start, stop)
            if arrays is not None:
                # Which of them are arrays, and which lists of numbers.
                sample = source._get_data(start)
                yield {
                    name: array if isinstance(value, np.ndarray) else array.astype(np.float32)
                    for name, array, value in zip(variables, arrays, sample, strict=False)
                }
                continue
            columns = [_CachedColumn(stop - start, f"{caller}: samples of a file") for _ in variables]

            def read(position: int, start: int = start, columns: list[_CachedColumn] = columns) -> None:
                put(columns, position - start, source._get_data(position), variables, caller)

            run: Callable[..., Any] = map if pool is None else pool.map
            for _ in run(read, range(start, stop)):
                pass
            yield {name: column.array(name, stop - start) for name, column in zip(variables, columns, strict=True)}
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)


class _CachedColumn(Column):
    """Values as caches keep them: what is no array becomes ``float32``."""

    def put(self, row: int, value: Any) -> None:
        if not isinstance(value, np.ndarray):
            value = np.asarray(value)
            if value.dtype.kind == "c":
                raise ArgumentError(f"cache: {value} is complex; caches keep complex values of arrays only")
            try:
                value = value.astype(np.float32)
            except (ValueError, TypeError) as error:
                raise ArgumentError(f"cache: {value} is neither a number nor an array") from error
        super().put(row, value)


def _write_lists(
    source: DataSource,
    folder: str,
    files: Sequence[CacheFile],
    variables: Sequence[str],
    extension: str,
    flush: bool,
) -> None:
    """The lists beside the files, that of the files last."""

    def path(name: str) -> str:
        return os.path.join(folder, name)

    if extension == ".npy":
        cache_files.write_lines(path(cache_files.INFO), [[name] for name in variables], flush)
    if source._order is not None:
        order = [[number, int(original)] for number, original in enumerate(source._order)]
        cache_files.write_lines(path(cache_files.ORDER), order, flush)
    if source._original_source_uri is not None:
        with FileReader(source._original_source_uri).open() as original, open(path(cache_files.ORIGINAL), "wb") as copy:
            shutil.copyfileobj(original, copy)
    index = [[os.path.basename(file.path), file.rows] for file in files]
    cache_files.write_lines(path(cache_files.INDEX), index, flush)


class CachedSamples(DataSource):
    """Samples of a cache. Each epoch has the files in an order of its own, and so the samples in each file.

    Args:
        files: of the cache.
        variables: names of the values of a sample.
        shuffle: whether each epoch has an order of its own.
        rng: random generator for that; default one of its own, seeded with 313.
    """

    def __init__(
        self, files: Sequence[CacheFile], variables: Sequence[str], shuffle: bool, rng: np.random.RandomState | None
    ) -> None:
        super().__init__(shuffle=shuffle, rng=rng)
        self._use(files, variables)

    def _use(self, files: Sequence[CacheFile], variables: Sequence[str]) -> None:
        files = cache_files.counted(files, variables)
        self._rows = CacheRows(files, variables)
        self._variables = variables
        self._counts = [file.rows or 0 for file in files]
        self._starts = np.concatenate([[0], np.cumsum(self._counts, dtype=np.int64)])
        self._size = int(self._starts[-1])
        self._original_order = range(self._size)
        self._orders = EpochOrders(self._size, self._new_order)

    def _drawn(self) -> tuple[Sequence[int], dict[int, np.ndarray]]:
        """A new order of the files, and one of the samples in each file."""
        files = [int(file) for file in self._rng.permutation(len(self._counts))]
        return files, {file: self._rng.permutation(self._counts[file]) for file in files}

    def _new_order(self, generation: int) -> Sequence[int]:
        if not self._shuffle:
            return range(self._size)

        files, rows = self._drawn()
        order: Any = np.concatenate([np.empty(0, np.int64), *(self._starts[file] + rows[file] for file in files)])
        return order

    def _get_data(self, position: int) -> Sample:
        return self._get_data_of_generation(position, self._generation)

    def _get_data_of_generation(self, position: int, generation: int) -> Sample:
        arrays = self._get_arrays_of_generation(position, position + 1, generation)
        if not len(arrays[0]):
            raise IndexError(f"{type(self).__name__}: there is no sample {position}, there are {self._size}")
        return tuple(array[0] for array in arrays)

    def _get_arrays(self, start: int, stop: int) -> tuple[np.ndarray, ...]:
        return self._get_arrays_of_generation(start, stop, self._generation)

    def _get_arrays_of_generation(self, start: int, stop: int, generation: int) -> tuple[np.ndarray, ...]:
        if self._closed:
            raise RuntimeError(f"{type(self).__name__}: it is closed")
        rows = np.asarray(self._orders[generation][start:stop])
        files = np.searchsorted(self._starts, rows, side="right") - 1
        # Where the next file begins.
        cuts = [0, *(np.flatnonzero(np.diff(files)) + 1).tolist(), len(rows)]
        pieces = []
        for begin, end in itertools.pairwise(cuts):
            file = int(files[begin]) if len(rows) else 0
            inner = rows[begin:end] - self._starts[file]
            consecutive = len(inner) and (np.diff(inner) == 1).all()
            wanted = range(int(inner[0]), int(inner[-1]) + 1) if consecutive else inner
            pieces.append(self._rows.take(file, wanted))
        if len(pieces) == 1:
            return pieces[0]
        return tuple(np.concatenate(parts) for parts in zip(*pieces, strict=True))

    def _first_generation_for_slices(self) -> int:
        self._orders.allow_lag()
        # NNabla 1.x resets the source when it is sliced; the order is the one that this would draw.
        return self._generation + 1

    def reset(self) -> None:
        self._generation += 1
        self._order = self._orders[self._generation]
        super().reset()

    def close(self) -> None:
        self._rows.close()
        super().close()


class DataSourceWithFileCache(CachedSamples):
    """The samples of another source by way of files, which are written when it is made.

    Numbers, and lists of them, become ``float32``; arrays keep their type. A cache that is in `cache_dir` is replaced.

    Args:
        data_source: the other source; its samples are read in its present order.
        cache_dir: folder for the files, made if it is not there. Default: one of its own, in the folder that option
            ``data_source_file_cache_location`` in section ``DATA_ITERATOR`` of the configuration names, or in that for
            temporary files; it is removed when the source is closed, or when Python exits.
        cache_file_name_prefix: what the names of the files begin with.
        shuffle: whether each epoch has an order of its own: of the files, and of the samples within each.
        rng: random generator for that; default one of its own, seeded with 313.
        num_workers: how many processes, or threads, read the other source; see `Workers`. Default: threads, where that
            gains something.

    Raises:
        TypeError: `data_source` is not a DataSource.
        DataSourceWithFileCacheError: a file could not be written.
        Exception: whatever the other source raised.
    """

    def __init__(
        self,
        data_source: DataSource,
        cache_dir: str | os.PathLike[str] | None = None,
        cache_file_name_prefix: str = "cache",
        shuffle: bool = False,
        rng: np.random.RandomState | None = None,
        *,
        num_workers: int | Workers = 0,
    ) -> None:
        logger.info("Using DataSourceWithFileCache")
        checked_source("DataSourceWithFileCache", data_source)
        folder, temporary = _folder(cache_dir)
        logger.info("Cache Directory is %s", folder)
        remove = weakref.finalize(self, _removed, folder, os.getpid()) if temporary else None
        try:
            files = write_cache(
                data_source,
                folder,
                cache_file_name_prefix,
                caller="DataSourceWithFileCache",
                flush=not temporary,
                workers=checked_workers(num_workers),
            )
        except BaseException:
            if remove is not None:
                remove()
            raise
        super().__init__(files, list(data_source.variables or ()), shuffle, rng)
        self._remove = remove
        self._last_drawn: tuple[Sequence[int], dict[int, np.ndarray]] | None = None
        self._data_source = data_source
        self._cache_dir = folder
        self._variables = data_source.variables
        self._generation = 0
        self._order = self._orders[0]

    def _new_order(self, generation: int) -> Sequence[int]:
        # Before the first reset the order is that of the files.
        return super()._new_order(generation) if generation > 0 else range(self._size)

    def _drawn(self) -> tuple[Sequence[int], dict[int, np.ndarray]]:
        # Each order is one of the order before, as in NNabla 1.39, so that the same seed gives the same samples.
        if self._last_drawn is None:
            self._last_drawn = range(len(self._counts)), dict(enumerate(map(np.arange, self._counts)))
        files, rows = self._last_drawn
        files = [int(file) for file in self._rng.permutation(files)]
        self._last_drawn = files, {file: self._rng.permutation(rows[file]) for file in range(len(self._counts))}
        return self._last_drawn

    def __getstate__(self) -> dict[str, Any]:
        # The files belong to the process that made them.
        return {**vars(self), "_remove": None}

    def close(self) -> None:
        """Close the files and the other source; remove a folder of its own."""
        super().close()
        self._data_source.close()
        if self._remove is not None:
            self._remove()


def _folder(cache_dir: str | os.PathLike[str] | None) -> tuple[str, bool]:
    """The folder for a cache, and whether it is to be removed."""
    if cache_dir is not None:
        os.makedirs(cache_dir, exist_ok=True)
        return os.fspath(cache_dir), False
    location = nnabla_config.get("DATA_ITERATOR", "data_source_file_cache_location") or None
    if location is not None:
        os.makedirs(location, exist_ok=True)
    return tempfile.mkdtemp(prefix="nnabla-cache-", dir=location), True


def _removed(folder: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
