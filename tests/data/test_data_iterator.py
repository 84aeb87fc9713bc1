"""Data iterators: batches, orders, epochs, threads. Orders marked as recorded are those of NNabla 1.39."""

import gc
import threading
import time

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from nnabla.errors import ArgumentError
from nnabla.utils import data_iterator as D
from nnabla.utils.data_source import DataSourceWithMemoryCache, SlicedDataSource
from nnabla.utils.data_source_implements import ConcatDataSource, SimpleDataSource

from .sample_sources import Reshuffled, load, rng, samples, simple

THREADS = pytest.mark.parametrize("use_thread", [False, True])


# Batches


def test_batch_is_a_tuple_of_arrays():
    batch = simple(5, 4, shuffle=False).next()
    assert type(batch) is tuple
    assert [(array.shape, array.dtype) for array in batch] == [((4,), np.int64), ((4, 2, 3), np.float32)]
    assert batch[0].tolist() == batch[1][:, 1, 2].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("sample", "dtype", "shape"),
    [
        (lambda i: (i,), np.int64, ()),
        (lambda i: (i if i else 0.5,), np.float64, ()),
        (lambda i: (np.float32(i),), np.float32, ()),
        (lambda i: (True,), np.bool_, ()),
        (lambda i: ("a" * (i + 1),), "<U2", ()),
        (lambda i: (None,), object, ()),
        (lambda i: (1j,), np.complex128, ()),
        (lambda i: ([i, 1.5],), np.float64, (2,)),
        (lambda i: [np.zeros((3, 0), np.uint8)], np.uint8, (3, 0)),
        (lambda i: np.arange(4).reshape(1, 4), np.int64, (4,)),
        (lambda i: (np.asfortranarray(np.ones((2, 3), np.float16)),), np.float16, (2, 3)),
        (lambda i: (np.zeros(2, np.float32 if i else np.float64),), np.float64, (2,)),
    ],
)
def test_values_of_any_type(sample, dtype, shape):
    (array,) = D.data_iterator_simple(sample, 2, batch_size=2).next()
    assert (array.dtype, array.shape) == (np.dtype(dtype), (2, *shape))
    assert array.flags.c_contiguous


def test_attributes():
    iterator = simple(10, 4)
    assert (iterator.size, iterator.batch_size, iterator.epoch, iterator.position) == (10, 4, 0, 0)
    assert iterator.variables == ["x0", "x1"]
    assert D.data_iterator(Reshuffled(3), 2).variables == ("x", "y")


def test_values_beyond_those_that_have_a_name_are_left_out():
    class Chatty(Reshuffled):
        def _get_data(self, position):
            return (*super()._get_data(position), "more")

    assert len(D.DataIterator(Chatty(3), 2).next()) == 2


@THREADS
def test_samples_that_do_not_fit_together(use_thread):
    ragged = D.data_iterator_simple(lambda i: (i, np.zeros(i + 1)), 2, 2, use_thread=use_thread)
    with pytest.raises(ArgumentError, match=r"must have the same shape; variable 'x1' has \(1,\) and \(2,\)"):
        ragged.next()
    short = D.data_iterator_simple(lambda i: (1, 2) if i == 0 else (1,), 2, 2, use_thread=use_thread)
    with pytest.raises(ArgumentError, match="a sample must have a value for each of x0, x1; one has only 1"):
        short.next()


# Orders


RECORDED = {
    "simple": (
        lambda: simple(7, 3),
        [[6, 2, 4], [1, 0, 5], [3, 6, 2], [4, 2, 0], [3, 6, 5], [5, 6, 3], [0, 1, 4], [6, 0, 5]],
    ),
    "default generator": (
        lambda: simple(7, 3, rng=None),
        [[3, 5, 6], [4, 1, 2], [0, 3, 5], [3, 0, 5], [6, 2, 1], [6, 1, 3], [0, 5, 2], [0, 2, 3]],
    ),
    "with a thread": (
        lambda: simple(7, 3, use_thread=True),
        [[6, 2, 4], [1, 0, 5], [3, 6, 2], [4, 2, 0], [3, 6, 5], [5, 6, 3], [0, 1, 4], [6, 0, 5]],
    ),
    "in memory": (
        lambda: simple(7, 3, memory=True),
        [[6, 2, 4], [1, 0, 5], [3, 6, 2], [4, 1, 0], [5, 3, 1], [5, 3, 0], [2, 4, 6], [2, 0, 1]],
    ),
    "own source": (
        lambda: D.data_iterator(Reshuffled(7, rng=rng()), 3, with_memory_cache=False),
        [[5, 1, 4], [2, 0, 3], [6, 2, 5], [6, 3, 0], [1, 4, 6], [0, 5, 2], [4, 1, 3], [0, 3, 4]],
    ),
    "own source in memory, one generator": (
        lambda: (lambda shared: D.data_iterator(Reshuffled(7, rng=shared), 3, rng=shared))(rng()),
        [[6, 2, 4], [1, 0, 5], [3, 6, 2], [4, 1, 0], [5, 3, 4], [5, 3, 1], [6, 2, 0], [6, 1, 0]],
    ),
    "concatenated": (
        lambda: D.data_iterator_concat_datasets(
            [Reshuffled(3, False), Reshuffled(4, False)], 3, shuffle=True, rng=rng(), with_memory_cache=False
        ),
        [[2, 1, 1], [2, 0, 0], [3, 2, 2], [3, 0, 0], [1, 1, 3], [0, 2, 2], [1, 1, 0], [0, 0, 1]],
    ),
    "concatenated in memory": (
        lambda: D.data_iterator_concat_datasets(
            [Reshuffled(3, False), Reshuffled(4, True, rng(1))], 3, shuffle=True, rng=rng()
        ),
        [[1, 2, 2], [1, 0, 0], [3, 1, 2], [2, 1, 0], [0, 3, 1], [0, 3, 0], [2, 2, 1], [2, 0, 1]],
    ),
    "batch of several epochs": (
        lambda: simple(3, 8),
        [[0, 1, 2, 0, 1, 2, 0, 1], [1, 2, 0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 2, 1, 0, 2]],
    ),
    "slice": (
        lambda: simple(7, 3).slice(None, 2, 1),
        [[1, 0, 5], [3, 1, 0], [3, 6, 2], [0, 1, 4], [2, 4, 1], [3, 2, 4], [1, 6, 2], [2, 1, 6]],
    ),
    "slice of an own source": (
        lambda: D.DataIterator(Reshuffled(7, rng=rng()), 3, use_thread=False).slice(None, None, None, 2, 6),
        [[6, 3, 0], [1, 5, 2], [4, 1, 4], [2, 5, 1], [0, 3, 2], [1, 3, 4], [0, 2, 2], [6, 3, 1]],
    ),
    "slice of concatenated": (
        lambda: D.DataIterator(
            ConcatDataSource([Reshuffled(3, False), Reshuffled(4, False)], True, rng()), 3, use_thread=False
        ).slice(None, 2, 0),
        [[2, 2, 3], [0, 3, 0], [2, 2, 0], [0, 1, 2], [2, 1, 0], [0, 1, 3], [0, 1, 2], [0, 2, 3]],
    ),
}


@pytest.mark.parametrize("name", RECORDED)
def test_same_order_as_nnabla(name):
    make, expected = RECORDED[name]
    assert samples(make(), len(expected)) == expected


SOURCES = {
    "simple": lambda size, shuffle, rng: SimpleDataSource(load, size, shuffle, rng),
    "own": Reshuffled,
    "concatenated": lambda size, shuffle, rng: ConcatDataSource(
        [
            SimpleDataSource(load, size - size // 2),
            SimpleDataSource(lambda i: load(i + size - size // 2), size // 2),
        ]
        if size > 1
        else [SimpleDataSource(load, 1)],
        shuffle,
        rng,
    ),
    "in memory": lambda size, shuffle, rng: DataSourceWithMemoryCache(Reshuffled(size, shuffle, rng), shuffle, rng),
    "slice of all": lambda size, shuffle, rng: SlicedDataSource(SimpleDataSource(load, size, shuffle, rng)),
}


@settings(max_examples=30, deadline=None)
@given(data=st.data(), size=st.integers(1, 12), shuffle=st.booleans(), seed=st.integers(0, 99))
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_reading_ahead_changes_nothing(source, data, size, shuffle, seed):
    batch_size = data.draw(st.integers(1, 15))
    plain, ahead = (
        D.DataIterator(source(size, shuffle, rng(seed)), batch_size, use_thread=use_thread)
        for use_thread in (False, True)
    )
    for taken in range(1, 12):
        assert plain.next()[0].tolist() == ahead.next()[0].tolist()
        expected = divmod(taken * batch_size, size)
        assert (plain.epoch, plain.position) == (ahead.epoch, ahead.position) == expected
    ahead.close()


@settings(max_examples=30, deadline=None)
@given(batch_size=st.integers(1, 5), batches=st.integers(1, 4), shuffle=st.booleans(), seed=st.integers(0, 99))
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_batches_that_fill_an_epoch_hold_every_sample_once(source, batch_size, batches, shuffle, seed):
    size = batch_size * batches
    iterator = D.DataIterator(source(size, shuffle, rng(seed)), batch_size, use_thread=False)
    for _ in range(4):
        epoch = np.concatenate(samples(iterator, batches)).tolist()
        assert sorted(epoch) == list(range(size))
        assert shuffle or epoch == list(range(size))


def test_epochs_have_different_orders():
    for iterator in simple(50, 50), D.DataIterator(Reshuffled(50), 50), simple(50, 50, memory=True):
        orders = samples(iterator, 6)
        # The memory cache repeats the first epoch once.
        assert len({tuple(order) for order in orders}) >= 5


def test_switching_shuffle_off_takes_effect_with_the_next_epoch():
    iterator = simple(6, 6)
    iterator.next()
    iterator._data_source.shuffle = False
    iterator.next()
    assert samples(iterator, 1) == [[0, 1, 2, 3, 4, 5]]


# Epochs


@THREADS
def test_callbacks_at_epochs(use_thread):
    calls = []
    here = threading.current_thread()

    def note(name):
        def callback(epoch):
            assert threading.current_thread() is here
            calls.append((name, epoch, iterator.epoch, iterator.position))

        return callback

    begin = [note("begin")]
    iterator = simple(5, 2, use_thread=use_thread, epoch_begin_callbacks=begin, epoch_end_callbacks=[note("end")])
    iterator.register_epoch_begin_callback(note("begin later"))
    iterator.register_epoch_end_callback(note("end later"))
    assert len(begin) == 1
    expected = [[], [], [0], [], [1], [], []]
    for epochs in expected:
        calls.clear()
        iterator.next()
        position = iterator.position
        assert calls == [
            call
            for e in epochs
            for call in [
                ("end", e, e, position),
                ("end later", e, e, position),
                ("begin", e + 1, e + 1, position),
                ("begin later", e + 1, e + 1, position),
            ]
        ]
    iterator.close()


@THREADS
def test_callbacks_for_every_epoch_in_a_batch(use_thread):
    ended = []
    iterator = simple(3, 8, use_thread=use_thread, epoch_end_callbacks=[ended.append])
    iterator.next()
    assert ended == [0, 1]
    iterator.next()
    assert ended == [0, 1, 2, 3, 4]
    iterator.close()


@THREADS
def test_what_a_callback_changes_applies_to_the_next_batch(use_thread):
    scale = [1]
    iterator = D.data_iterator_simple(
        lambda i: (i * scale[0],),
        2,
        2,
        use_thread=use_thread,
        epoch_begin_callbacks=[lambda epoch: scale.append(scale.pop() * 10)],
    )
    assert samples(iterator, 3) == [[0, 1], [0, 10], [0, 100]]
    iterator.close()


@THREADS
@pytest.mark.parametrize(("size", "batch_size", "batches"), [(5, 2, 2), (4, 2, 2), (3, 8, 0), (3, 3, 1)])
def test_stop_exhausted_ends_with_the_last_full_batch(use_thread, size, batch_size, batches):
    ended = []
    iterator = simple(size, batch_size, use_thread=use_thread, stop_exhausted=True, epoch_end_callbacks=[ended.append])
    seen = [sample for batch in iterator for sample in batch[0].tolist()]
    assert len(seen) == len(set(seen)) == batches * batch_size
    for _ in range(2):
        with pytest.raises(StopIteration):
            iterator.next()
    assert (iterator.epoch, iterator.position, ended) == (0, batches * batch_size, [])
    iterator.close()


# Threads


@THREADS
def test_error_of_the_load_function_is_raised_by_next(use_thread):
    broken = {4}

    def load(i):
        if i in broken:
            raise KeyError(f"sample {i}")
        return (i,)

    iterator = D.data_iterator_simple(load, 6, 2, use_thread=use_thread)
    assert samples(iterator, 2) == [[0, 1], [2, 3]]
    for _ in range(2):
        with pytest.raises(KeyError, match="sample 4"):
            iterator.next()
    assert (iterator.epoch, iterator.position) == (0, 4)
    broken.clear()
    assert samples(iterator, 2) == [[4, 5], [0, 1]]
    assert iterator.epoch == 1
    iterator.close()


def test_next_batch_is_read_while_the_program_works():
    loaded = threading.Event()

    def load(i):
        if i == 3:
            loaded.set()
        return (i,)

    with D.data_iterator_simple(load, 4, 2) as iterator:
        iterator.next()
        assert loaded.wait(timeout=10)


def iterator_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("nnabla-data-iterator")]


def test_thread_ends_with_close():
    gc.collect()
    before = len(iterator_threads())
    iterator = simple(4, 2, use_thread=True)
    assert len(iterator_threads()) == before + 1
    iterator.close()
    assert len(iterator_threads()) == before


def test_thread_ends_with_an_iterator_that_nobody_holds():
    gc.collect()
    before = len(iterator_threads())
    simple(4, 2, use_thread=True).next()
    gc.collect()
    deadline = time.monotonic() + 10
    while len(iterator_threads()) > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(iterator_threads()) == before


@THREADS
@pytest.mark.parametrize("memory", [False, True])
def test_close_closes_the_source_once(use_thread, memory):
    closed = []

    class Source(Reshuffled):
        def close(self):
            closed.append(self)
            super().close()

    source = Source(4)
    with D.data_iterator(source, 2, use_thread=use_thread, with_memory_cache=memory) as iterator:
        iterator.next()
    iterator.close()
    assert closed == [source]
    with pytest.raises(RuntimeError, match="the iterator is closed"):
        iterator.next()
