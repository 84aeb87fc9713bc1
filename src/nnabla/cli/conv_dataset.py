"""``nnabla_cli conv_dataset``: a cache of a CSV data set, or of another cache."""

from __future__ import annotations

import argparse
import os
import re

from ..data import cache_files
from ..data.cache_source import CacheDataSource
from ..data.csv_source import CsvDataSource
from ..data.file_cache import write_cache
from ..data.file_reader import get_file_extension, scheme_of
from ..errors import ArgumentError
from ..files.atomic import replacing_folder
from .reporting import bars_shown

_OF_A_CACHE = re.compile(r".*_\d{8,}_\d{8,}\.(npy|h5)")


def conv_dataset_command(args: argparse.Namespace) -> bool:
    """Write the samples of ``args.source`` to a folder that becomes a cache.

    The folder is there completely or not at all; with ``-F`` the cache that is there stays until the new one is
    complete, so that a cache can be converted onto itself.

    Raises:
        ArgumentError: the folder is there and ``-F`` is not given, or it is no cache or not of this machine; ``-t`` is
            below 1.
        FormatError: the source is no data set, or a cell of it is wrong.
        DataSourceWithFileCacheError: a file could not be written.
    """
    if args.num_of_threads is not None and args.num_of_threads < 1:
        raise ArgumentError(f"conv_dataset: -t must be positive, not {args.num_of_threads}")
    _check_destination(args.destination, args.force)
    kind = CsvDataSource if get_file_extension(args.source) == ".csv" else CacheDataSource
    with kind(args.source, shuffle=args.shuffle, normalize=args.normalize) as source, bars_shown():
        print(f"Number of Data: {source.size}")
        print(f"Shuffle:        {args.shuffle}")
        print(f"Normalize:      {args.normalize}", flush=True)
        with replacing_folder(args.destination) as folder:
            write_cache(source, folder, threads=args.num_of_threads, caller="conv_dataset")
    return True


def _check_destination(destination: str, force: bool) -> None:
    if scheme_of(destination) != "file":
        raise ArgumentError(f"conv_dataset: the destination must be a folder of this machine, not {destination!r}")
    if not os.path.lexists(destination):
        return
    if not force:
        raise ArgumentError(f"conv_dataset: {destination!r} is there already; -F replaces it")
    if os.path.islink(destination) or not os.path.isdir(destination):
        raise ArgumentError(f"conv_dataset: {destination!r} is no folder, and -F replaces only folders")
    lists = {cache_files.INDEX, cache_files.INFO, cache_files.ORDER, cache_files.ORIGINAL}
    others = [name for name in sorted(os.listdir(destination)) if name not in lists and not _OF_A_CACHE.fullmatch(name)]
    if others:
        raise ArgumentError(
            f"conv_dataset: {destination!r} holds {others[0]!r}, which is no part of a cache; -F replaces caches only"
        )
