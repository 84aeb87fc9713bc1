"""Data sets that a model file names, opened when a program asks for them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Dataset:
    """A data set of a model file.

    Attributes:
        uri: of a CSV file.
        cache_dir: folder for a cache of it; ``""`` for none.
        normalize: whether images are divided by their largest possible value.
        data_iterator: makes an iterator over its batches; ``None`` where none was wanted.
        name: in the file.
        batch_size, shuffle, variables: as the file says.
    """

    uri: str
    cache_dir: str
    normalize: bool
    data_iterator: Callable[[], Any] | None
    name: str = ""
    batch_size: int = 0
    shuffle: bool = False
    variables: tuple[str, ...] = ()


def create_dataset(
    uri: str,
    batch_size: int,
    shuffle: bool,
    no_image_normalization: bool,
    cache_dir: str,
    overwrite_cache: bool,
    create_cache_explicitly: bool,
    prepare_data_iterator: bool,
    dataset_index: int,
) -> Dataset:
    """A data set; nothing is opened before its `data_iterator` is called.

    Args:
        uri: of a CSV file.
        batch_size: samples in a batch.
        shuffle: whether each epoch has an order of its own.
        no_image_normalization: leave the values of images as they are.
        cache_dir: folder with a cache, which is used if it is there, and made else.
        overwrite_cache: make the cache anew.
        create_cache_explicitly: read all of the data set into the cache before the first batch.
        prepare_data_iterator: whether `data_iterator` is wanted.
        dataset_index: seed of the order.
    """
    normalize = not no_image_normalization

    # Each iterator draws from a generator of its own: where several share one, the order of the samples depends on
    # which of them begins an epoch first.
    def rng() -> np.random.RandomState:
        return np.random.RandomState(dataset_index)

    def open_cache() -> Any:
        from ...data.making_iterators import data_iterator_cache

        return data_iterator_cache(cache_dir, batch_size, shuffle, rng=rng(), normalize=normalize)

    def open_dataset() -> Any:
        from ...data.create_cache import CreateCache
        from ...data.making_iterators import data_iterator_csv_dataset

        there = bool(cache_dir) and os.path.exists(os.path.join(cache_dir, "cache_index.csv"))
        if there and not overwrite_cache:
            return open_cache()
        if cache_dir and create_cache_explicitly:
            CreateCache(uri, rng=rng(), shuffle=shuffle).create(cache_dir, normalize)
            return open_cache()
        return data_iterator_csv_dataset(
            uri, batch_size, shuffle, rng=rng(), normalize=normalize, cache_dir=cache_dir or None
        )

    return Dataset(
        uri,
        cache_dir,
        normalize,
        open_dataset if prepare_data_iterator else None,
        batch_size=batch_size,
        shuffle=shuffle,
    )


def dataset_of(message: Any, index: int, prepare_data_iterator: bool, batch_size: int | None) -> Dataset:
    """The data set of a message ``Dataset``.

    Args:
        message: the message.
        index: its position in the file.
        prepare_data_iterator: whether its `data_iterator` is wanted.
        batch_size: instead of the one in the file.
    """
    dataset = create_dataset(
        message.uri,
        message.batch_size if batch_size is None or batch_size <= 0 else batch_size,
        message.shuffle,
        message.no_image_normalization,
        message.cache_dir,
        message.overwrite_cache,
        message.create_cache_explicitly,
        prepare_data_iterator,
        index,
    )
    dataset.name = message.name
    dataset.variables = tuple(message.variable)
    return dataset
