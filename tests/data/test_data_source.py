"""Data sources: slices, memory caches, concatenation."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from nnabla.config import nnabla_config
from nnabla.errors import ArgumentError
from nnabla.utils import data_iterator as D
from nnabla.utils.data_source import DataSource, DataSourceWithMemoryCache, SlicedDataSource
from nnabla.utils.data_source_implements import ConcatDataSource, SimpleDataSource

from .sample_sources import Reshuffled, load, rng, samples, simple

# Slices


@pytest.mark.parametrize(
    ("size", "parts", "drop_last", "expected"),
    [
        (10, 1, False, [(0, 10)]),
        (10, 3, False, [(0, 4), (4, 8), (6, 10)]),
        (10, 3, True, [(0, 3), (3, 6), (6, 9)]),
        (10, 4, False, [(0, 3), (3, 6), (6, 9), (7, 10)]),
        (10, 6, False, [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10), (0, 2)]),
        (7, 5, False, [(0, 2), (2, 4), (4, 6), (5, 7), (1, 3)]),
        (7, 5, True, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]),
    ],
)
def test_parts_are_those_of_nnabla(size, parts, drop_last, expected):
    iterator = simple(size, 1, shuffle=False)
    for number, (start, end) in enumerate(expected):
        part = iterator.slice(None, parts, number, drop_last=drop_last)
        assert part.size == end - start
        assert samples(part, part.size) == [[i] for i in range(start, end)]


SHARED = {
    "simple": lambda size: SimpleDataSource(load, size, True, rng()),
    "own in memory": lambda size: DataSourceWithMemoryCache(Reshuffled(size, True, rng()), True, rng(6)),
    "simple in memory": lambda size: DataSourceWithMemoryCache(SimpleDataSource(load, size, True, rng()), True, rng(6)),
    "concatenated": lambda size: ConcatDataSource(
        [Reshuffled(2, False), SimpleDataSource(lambda i: load(i + 2), size - 2)], True, rng()
    ),
    "slice": lambda size: SlicedDataSource(SimpleDataSource(load, size, True, rng())),
}


@settings(max_examples=25, deadline=None)
@given(data=st.data(), size=st.integers(3, 12), use_thread=st.booleans())
@pytest.mark.parametrize("make", SHARED.values(), ids=SHARED)
def test_slices_together_hold_every_sample_once_at_any_pace(make, data, size, use_thread):
    cut = data.draw(st.integers(1, size - 1))
    whole = D.DataIterator(make(size), 1, use_thread=use_thread)
    whole.next()
    parts = [whole.slice(None, None, None, *ends) for ends in [(0, cut), (cut, size)]]
    epochs = 4
    seen = [[[] for _ in range(epochs)] for _ in parts]
    turns = [0] * (cut * epochs) + [1] * ((size - cut) * epochs)
    for which in data.draw(st.permutations(turns)):
        epoch = parts[which].epoch
        seen[which][epoch] += parts[which].next()[0].tolist()
    for iterator in parts:
        iterator.close()
    for epoch in range(epochs):
        together = [sample for part in seen for sample in part[epoch]]
        # A source that makes its order in apply_order skips nothing when batches fill the epoch, as here.
        assert sorted(together) == list(range(size))
    whole.close()


def test_slices_do_not_disturb_the_iterator_they_come_from():
    for make in SHARED.values():
        alone, shared = (D.DataIterator(make(6), 2, use_thread=False) for _ in range(2))
        assert samples(alone, 1) == samples(shared, 1)
        samples(shared.slice(None, 2, 1), 2)
        assert samples(alone, 2) == samples(shared, 2)


def test_slice_that_lags_behind_too_far_is_told(monkeypatch):
    monkeypatch.setattr("nnabla.data.sources._ORDER_BYTES", 0)
    whole = simple(4, 2)
    leader, laggard = (whole.slice(None, 2, i) for i in range(2))
    samples(leader, 14)
    assert len(set(samples(laggard, 1)[0])) == 2
    samples(leader, 5)
    with pytest.raises(RuntimeError, match=r"a slice is at epoch 1, another at 18, .* the last 15 epochs are kept"):
        samples(laggard, 3)


def test_slice_keeps_batch_size_thread_and_shuffle():
    for use_thread in False, True:
        whole = simple(6, 2, use_thread=use_thread)
        part = whole.slice(None, 2, 1)
        assert part.batch_size == 2
        assert part._use_thread is use_thread
        assert part._data_source.shuffle is True
        part.close()
        assert len(samples(whole, 5)) == 5
        whole.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {},
            r"slice_start and slice_end; got num_of_slices=None, slice_pos=None",
        ),
        ({"slice_start": 2}, "slice_start=2, slice_end=None"),
        ({"num_of_slices": 2, "slice_end": 3}, "give num_of_slices and slice_pos, or"),
        ({"num_of_slices": 2, "slice_pos": 0, "slice_start": 0}, "give num_of_slices and slice_pos, or"),
        ({"num_of_slices": 2, "slice_pos": 0, "slice_start": 0, "slice_end": 3}, "give num_of_slices and"),
        ({"num_of_slices": 2, "slice_pos": 2}, "need 0 <= slice_pos < num_of_slices; got 2, 2"),
        ({"num_of_slices": 2, "slice_pos": -1}, "need 0 <= slice_pos < num_of_slices; got -1, 2"),
        (
            {"num_of_slices": 11, "slice_pos": 0, "drop_last": True},
            "cannot cut 10 samples into 11 separate parts",
        ),
        (
            {"slice_start": 5, "slice_end": 5},
            "slice_start < slice_end <= 10, the size of the data source; got 5 and 5",
        ),
        ({"slice_start": -1, "slice_end": 5}, "need 0 <= slice_start < slice_end <= 10"),
        ({"slice_start": 0, "slice_end": 11}, "got 0 and 11"),
    ],
)
def test_wrong_slices(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        simple(10, 2).slice(None, **arguments)


# Memory


def test_memory_cache_loads_every_sample_once():
    loaded = []

    def load(i):
        loaded.append(i)
        return (np.array(i),)

    iterator = D.data_iterator_simple(load, 5, 3, shuffle=True, use_thread=False, with_memory_cache=True)
    # To count the values, and to measure a sample.
    assert len(loaded) == 2
    samples(iterator, 10)
    assert sorted(loaded[2:]) == [0, 1, 2, 3, 4]


def test_memory_cache_resets_the_other_source_with_every_epoch():
    source = Reshuffled(4, False)
    iterator = D.data_iterator(source, 2, use_thread=False)
    for resets in [0, 1, 1, 2, 2, 3]:
        iterator.next()
        assert source.resets == resets


@pytest.fixture
def memory_limit():
    before = nnabla_config.get("DATA_ITERATOR", "data_source_buffer_max_size")
    yield lambda limit: nnabla_config.set("DATA_ITERATOR", "data_source_buffer_max_size", str(limit))
    nnabla_config.set("DATA_ITERATOR", "data_source_buffer_max_size", before)


def test_data_set_that_does_not_fit_is_read_as_it_is(memory_limit):
    sample_bytes = sum(value.nbytes for value in load(0))
    memory_limit(4 * sample_bytes)
    for kind in (lambda: SimpleDataSource(load, 4, True, rng())), (lambda: Reshuffled(4, True, rng())):
        cached = D.data_iterator(kind(), 3, rng=rng(), use_thread=False)
        plain = D.DataIterator(kind(), 3, use_thread=False)
        assert samples(cached, 8) == samples(plain, 8)
        assert cached._data_source._table.count == 0
        sliced = [iterator.slice(None, 2, 1) for iterator in (cached, plain)]
        assert samples(sliced[0], 5) == samples(sliced[1], 5)
    memory_limit(4 * sample_bytes + 1)
    cached = D.data_iterator(Reshuffled(4), 3, use_thread=False)
    samples(cached, 2)
    assert cached._data_source._table.count == 4


# Sources


def test_source_is_read_without_an_iterator():
    with SimpleDataSource(load, 3) as source:
        assert [int(source.next()[0]), int(next(source)[0])] == [0, 1]
        assert (source.position, source.size, source.shuffle) == (2, 3, False)
        source.reset()
        assert source.position == 0
        assert [int(source.next()[0]) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(IndexError):
            source.next()


def test_sources_make_their_first_order_from_their_generator():
    assert samples(simple(6, 6), 1) == [rng().permutation(6).tolist()]
    assert samples(simple(6, 6, rng=None), 1) == [rng(313).permutation(6).tolist()]


def test_concatenated_sources_are_read_one_after_the_other():
    parts = [Reshuffled(2, False), SimpleDataSource(load, 1), Reshuffled(3, True, rng())]
    source = ConcatDataSource(parts, shuffle=False)
    assert source.size == 6
    expected = [0, 1, 0, *parts[2].indexes]
    for _ in range(2):
        assert [int(source.next()[0]) for _ in range(6)] == expected
        source.reset()
    assert [part.resets for part in parts[::2]] == [0, 0]


def test_memory_cache_tells_its_order():
    source = DataSourceWithMemoryCache(Reshuffled(5), True, rng())
    iterator = D.DataIterator(source, 5, use_thread=False)
    orders = []
    for _ in range(3):
        orders.append(list(source.order))
        iterator.next()
    assert orders == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], rng().permutation(5).tolist()]
    assert SimpleDataSource(load, 5).order is None


class Nameless(DataSource):
    def __init__(self):
        super().__init__()
        self._size = 3


class Empty(DataSource):
    def __init__(self):
        super().__init__()
        self._variables = ("x",)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (
            lambda: D.DataIterator("abc", 2),
            TypeError,
            "DataIterator: data_source must be a DataSource, not 'abc'",
        ),
        (
            lambda: D.data_iterator(Reshuffled, 2),
            TypeError,
            "data_iterator: data_source must be a DataSource",
        ),
        (lambda: DataSourceWithMemoryCache(3), TypeError, "DataSourceWithMemoryCache: data_source must be"),
        (
            lambda: SlicedDataSource(None),
            TypeError,
            "SlicedDataSource: data_source must be a DataSource, not None",
        ),
        (
            lambda: ConcatDataSource([3]),
            TypeError,
            "ConcatDataSource: data_source must be a DataSource, not 3",
        ),
        (lambda: ConcatDataSource([]), ArgumentError, "data_source_list must hold one data source at least"),
        (
            lambda: ConcatDataSource([Reshuffled(2), SimpleDataSource(lambda i: (i,), 2)]),
            ArgumentError,
            r"the sources differ in their variables: \('x', 'y'\) and \['x0'\]",
        ),
        (lambda: simple(3, 0), ArgumentError, "DataIterator: batch_size must be at least 1, not 0"),
        (lambda: simple(3, 1.5), TypeError, "integer"),
        (lambda: simple(0, 1), ArgumentError, "SimpleDataSource: num_examples must be at least 1, not 0"),
        (lambda: simple(2.5, 1), TypeError, "integer"),
        (lambda: SimpleDataSource(3, 3), TypeError, "SimpleDataSource: load_func must be a function, not 3"),
        (
            lambda: SimpleDataSource(lambda i: {"a": i}, 3),
            TypeError,
            "must return a tuple of arrays, not {'a': 0}",
        ),
        (lambda: D.DataIterator(Nameless(), 2), TypeError, "Nameless has no names of variables"),
        (lambda: D.DataIterator(Empty(), 2), ArgumentError, "the data source Empty has no samples"),
        (
            lambda: D.data_iterator(Empty(), 2),
            ArgumentError,
            "DataSourceWithMemoryCache: Empty has no samples",
        ),
        (lambda: DataSource().next(), NotImplementedError, "DataSource does not define _get_data"),
    ],
)
def test_wrong_arguments(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()
