"""Processes and threads that read samples: the same batches as without, and an end to everything that goes wrong."""

from __future__ import annotations

import functools
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from nnabla.config import nnabla_config
from nnabla.data import read_ahead, shared_arrays
from nnabla.data.sources import DataSource
from nnabla.errors import ArgumentError
from nnabla.utils import data_iterator as D
from nnabla.utils.data_iterator import WorkerError, Workers

from .sample_sources import Reshuffled, load, rng, samples, simple
from .test_reference import RECORDED, files, scenarios  # noqa: F401 (fixtures)

HAS_FORK = "fork" in multiprocessing.get_all_start_methods()
needs_fork = pytest.mark.skipif(not HAS_FORK, reason="no fork here")
FORK = Workers(2, start_method="fork" if HAS_FORK else None)
SPAWN = Workers(2, start_method="spawn")
KINDS = pytest.mark.parametrize("workers", [FORK, Workers(3, kind="thread")], ids=["processes", "threads"])
# Forking is what is tested; Python warns of it where threads run.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No process lives on, or is left as a zombie, after any of these tests."""
    before = set(multiprocessing.active_children())
    yield
    assert set(multiprocessing.active_children()) <= before


class InOtherProcess(DataSource):
    """Samples: their number, and the process and thread that read them."""

    def __init__(self, size, shuffle=False, rng=None):
        super().__init__(shuffle=shuffle, rng=rng)
        self._size, self._variables = size, ("x", "process", "thread")
        self.reset()

    def _get_data(self, position):
        return self.read(self.indexes[position]), os.getpid(), threading.get_ident()

    def read(self, number):
        return np.array(number)

    def reset(self):
        self.indexes = self._rng.permutation(self._size) if self._shuffle else np.arange(self._size)
        super().reset()


class Failing(InOtherProcess):
    """Some samples cannot be read when they are first tried."""

    def __init__(self, size, broken, error=None, times=1):
        error = error or KeyError("no such sample")
        self.broken, self.error, self.times = set(broken), error, times
        super().__init__(size)

    def read(self, number):
        if int(number) in self.broken:
            self.times -= 1
            if self.times <= 0:
                self.broken.remove(int(number))
            raise self.error
        return super().read(number)


# The same batches


# Processes take the place of threads, and one size of files is as good as another.
SCENARIOS = sorted(
    name
    for name in RECORDED
    if name.startswith("slice")
    or (
        name.startswith("iterator")
        and "threads=False" in name.replace("use_thread", "threads")
        and name.endswith("of 3")
    )
)


@needs_fork
@pytest.mark.parametrize("name", SCENARIOS)
def test_batches_are_those_of_nnabla_139(scenarios, name, monkeypatch):  # noqa: F811
    for function in ("", "_csv_dataset", "_simple", "_concat_datasets", "_cache"):
        function = f"data_iterator{function}"
        monkeypatch.setattr(D, function, functools.partial(getattr(D, function), num_workers=FORK))
    assert scenarios.run(name) == RECORDED[name]


@KINDS
@pytest.mark.parametrize(("size", "batch_size"), [(7, 3), (12, 4), (3, 8), (1, 2), (100, 7)])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("kind", ["simple", "own", "slice", "memory"])
def test_batches_are_those_of_one_reader(workers, size, batch_size, shuffle, kind):
    def made(num_workers):
        if kind == "own":
            return D.data_iterator(
                Reshuffled(size, shuffle, rng()), batch_size, with_memory_cache=False, num_workers=num_workers
            )
        iterator = simple(size, batch_size, shuffle=shuffle, memory=kind == "memory", num_workers=num_workers)
        return iterator.slice(None, slice_start=size // 3, slice_end=size) if kind == "slice" else iterator

    with made(0) as alone, made(workers) as helped:
        assert samples(alone, 1) == samples(helped, 1)
        for _ in range(12):
            a, b = alone.next(), helped.next()
            assert [(x.dtype, x.tolist()) for x in a] == [(x.dtype, x.tolist()) for x in b]
            assert (alone.epoch, alone.position) == (helped.epoch, helped.position)


def test_stop_exhausted():
    with simple(10, 3, stop_exhausted=True, shuffle=False, num_workers=FORK) as batches:
        assert [batch[0].tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
        with pytest.raises(StopIteration):
            batches.next()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_ways_to_start_processes(method, monkeypatch):
    """What the program has set at run time holds in them, too."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    monkeypatch.setitem(nnabla_config["DATA_ITERATOR"], "compat_139", "True")
    with D.DataIterator(OfSettings(5, True), 2, num_workers=Workers(1, start_method=method)) as batches:
        alone = D.DataIterator(InOtherProcess(5, True), 2, use_thread=False)
        drawn = []
        for _ in range(6):
            x, compat, random = batches.next()
            assert x.tolist() == alone.next()[0].tolist()
            assert compat.tolist() == ["True", "True"]
            drawn += random.tolist()
    assert len(set(drawn)) == 12


class OfSettings(InOtherProcess):
    def _get_data(self, position):
        setting = nnabla_config.get("DATA_ITERATOR", "compat_139")
        return super()._get_data(position)[0], setting, np.random.random()


@pytest.mark.parametrize(
    "value",
    [
        np.zeros((0, 3)),
        np.array(["a", "bcd"]),
        np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
        np.array([{1: 2}, None], object),
        np.array(2 + 1j),
        np.arange(5000.0),
    ],
    ids=str,
)
@pytest.mark.parametrize("shared", [True, False])
def test_arrays_of_any_type_are_the_callers(value, shared, monkeypatch):
    monkeypatch.setattr(shared_arrays, "CAN_SHARE", shared and shared_arrays.CAN_SHARE)
    with D.data_iterator_simple(lambda i: (value, i), 4, 2, num_workers=FORK) as batches:
        found = [batches.next() for _ in range(4)]
    for i, (array, number) in enumerate(found):
        assert (array.dtype, array.shape) == (value.dtype, (2, *value.shape))
        assert array.tolist() == [value.tolist()] * 2
        assert number.tolist() == [[0, 1], [2, 3]][i % 2]
        number += 1


# Who reads what


def test_each_process_reads_every_nth_batch():
    with D.DataIterator(InOtherProcess(10), 2, num_workers=Workers(3)) as batches:
        readers = [batches.next()[1].tolist() for _ in range(9)]
    assert all(a == b != os.getpid() for a, b in readers)
    assert readers[:3] == readers[3:6] == readers[6:]
    assert len({a for a, _ in readers}) == 3


def test_a_process_reads_only_so_far_ahead(tmp_path):
    """Each has two batches ready, and none is read that nobody asked for."""
    seen = tmp_path / "seen"

    def load(i):
        with open(seen, "ab") as file:
            file.write(b".")
        return (i,)

    with D.data_iterator_simple(load, 1000, 5, num_workers=Workers(2, prefetch=3)) as batches:
        for taken in range(3):
            expected = 1 + 5 * (2 * 3 + taken)
            deadline = time.monotonic() + 60
            while seen.stat().st_size < expected and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.1)
            assert seen.stat().st_size == expected
            batches.next()


def test_threads_read_the_samples_of_a_batch_together():
    together = threading.Barrier(3)

    def load(i):
        together.wait(timeout=60)
        return (i,)

    source = D.SimpleDataSource(lambda i: (i,), 6)
    source._load_func = load
    with D.DataIterator(source, 3, num_workers=Workers(3, kind="thread")) as batches:
        assert samples(batches, 3) == [[0, 1, 2], [3, 4, 5], [0, 1, 2]]


@pytest.mark.parametrize("cache", ["memory", "file"])
def test_caches_are_filled_by_processes(cache, monkeypatch):
    monkeypatch.setattr(read_ahead, "_SAMPLES_AT_A_TIME", 4)
    options = {"with_memory_cache": cache == "memory", "with_file_cache": cache == "file"}
    with D.data_iterator(InOtherProcess(21), 6, num_workers=FORK, **options) as batches:
        epochs = [batches.next() for _ in range(7)]
    numbers = np.concatenate([batch[0] for batch in epochs])
    assert numbers.tolist() == [*range(21), *range(21)]
    readers = set(np.concatenate([batch[1] for batch in epochs]).astype(np.float32).tolist())
    assert len(readers) == 2
    assert float(np.float32(os.getpid())) not in readers


def test_no_processes_for_samples_in_memory(tmp_path):
    (tmp_path / "numbers.csv").write_text("x,y\n" + "1,2\n" * 10)
    before = multiprocessing.active_children()
    with D.data_iterator_csv_dataset(tmp_path / "numbers.csv", 2, num_workers=2) as batches:
        batches.next()
        assert multiprocessing.active_children() == before
        with batches.slice(None, 2, 0) as part:
            part.next()
            assert multiprocessing.active_children() == before


def test_slices_have_workers_too():
    with D.DataIterator(InOtherProcess(10), 2, num_workers=FORK) as whole, whole.slice(None, 2, 1) as part:
        assert part.next()[1].tolist() != [os.getpid()] * 2


# Errors


def test_error_in_a_process_is_raised_by_next():
    with D.DataIterator(Failing(8, [4]), 2, num_workers=FORK) as batches:
        assert samples(batches, 2) == [[0, 1], [2, 3]]
        with pytest.raises(KeyError, match="no such sample") as caught:
            batches.next()
        assert "in a worker:" in str(caught.value.__cause__)
        assert "in read" in str(caught.value.__cause__)
        assert (batches.epoch, batches.position) == (0, 4)
        assert samples(batches, 3) == [[4, 5], [6, 7], [0, 1]]


def test_error_that_does_not_go_away():
    with D.DataIterator(Failing(4, [1], times=10**9), 2, num_workers=FORK) as batches:
        for _ in range(5):
            with pytest.raises(KeyError, match="no such sample"):
                batches.next()


class Unsendable(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")


def test_error_that_cannot_be_sent():
    with D.DataIterator(Failing(4, [1], Unsendable(1, 2)), 2, num_workers=FORK) as batches:
        with pytest.raises(RuntimeError, match="Unsendable: 1 and 2"):
            batches.next()
        assert samples(batches, 1) == [[0, 1]]


def test_samples_that_do_not_fit_together():
    batches = D.data_iterator_simple(lambda i: (np.zeros(i + 1),), 4, 2, num_workers=FORK)
    with batches, pytest.raises(ArgumentError, match=r"variable 'x0' has \(1,\) and \(2,\)"):
        batches.next()


@pytest.mark.parametrize("cache", ["memory", "file"])
def test_error_while_a_cache_is_filled(cache):
    options = {"with_memory_cache": cache == "memory", "with_file_cache": cache == "file"}
    with pytest.raises(KeyError, match="no such sample"):
        D.data_iterator(Failing(100, [70], times=10**9), 100, num_workers=FORK, **options).next()


def test_killed_worker():
    with D.DataIterator(InOtherProcess(100), 2, num_workers=Workers(2, prefetch=1)) as batches:
        victim = int(batches.next()[1][0])
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(WorkerError, match=rf"worker 0 \(process {victim}\) ended while .*: killed by signal 9"):
            for _ in range(5):
                batches.next()
        with pytest.raises(WorkerError, match="were ended, by an interrupt or an error"):
            batches.next()


def test_worker_that_ends_itself():
    with D.data_iterator_simple(lambda i: (i,) if i < 4 else os._exit(3), 6, 2, num_workers=FORK) as batches:
        samples(batches, 2)
        with pytest.raises(WorkerError, match=r"worker 0 \(process \d+\) ended while it read a batch: exit status 3"):
            batches.next()


def test_killed_worker_while_a_cache_is_filled(tmp_path):
    here = os.getpid()

    def load(i):
        if i == 40 and os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return (i,)

    with pytest.raises(WorkerError, match="killed by signal 9"):
        D.data_iterator_simple(load, 100, 2, with_file_cache=True, cache_dir=str(tmp_path), num_workers=FORK)
    assert not (tmp_path / "cache_index.csv").exists()


def test_lock_that_a_thread_holds_while_processes_are_started():
    source = D.SimpleDataSource(load, 4)
    held, done = threading.Event(), threading.Event()

    def hold():
        with source._lock, source._orders._lock:
            held.set()
            done.wait(timeout=60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        batches = D.DataIterator(source, 2, num_workers=FORK)
    finally:
        done.set()
        holder.join()
    with batches:
        assert samples(batches, 3) == [[0, 1], [2, 3], [0, 1]]


class Own(InOtherProcess):
    def next(self):
        return super().next()


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda: simple(4, 2, num_workers=-1), ArgumentError, "DataIterator: num_workers must not be negative"),
        (lambda: simple(4, 2, num_workers=1.5), TypeError, "integer"),
        (lambda: Workers(0), ArgumentError, "Workers: count must be at least 1, not 0"),
        (lambda: Workers(1, prefetch=0), ArgumentError, "Workers: prefetch must be at least 1, not 0"),
        (lambda: Workers("2"), TypeError, "integer"),
        (lambda: Workers(1, kind="fibre"), ArgumentError, "Workers: kind must be 'process' or 'thread', not 'fibre'"),
        (lambda: Workers(1, start_method="x"), ArgumentError, "start_method must be one of .*spawn.*, not 'x'"),
        (
            lambda: D.data_iterator_simple(lambda i: (i,), 4, 2, num_workers=SPAWN),
            ArgumentError,
            "the data source SimpleDataSource cannot be sent to another process: .*lambda.*must stand in a module",
        ),
        (lambda: D.DataIterator(Own(4), 2, num_workers=2), ArgumentError, r"Own has a next\(\) of its own"),
    ],
)
def test_wrong_arguments(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()


# Ends


def test_processes_end_with_an_iterator_that_nobody_holds():
    batches = D.DataIterator(InOtherProcess(10), 2, num_workers=FORK)
    process = int(batches.next()[1][0])
    del batches
    gc.collect()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_process_that_does_not_stop_is_ended(monkeypatch, tmp_path):
    ended = tmp_path / "ended"

    def load(i):
        if i == 4:
            time.sleep(60)
            ended.touch()
        return i, os.getpid()

    monkeypatch.setattr("nnabla.data.workers._SECONDS_TO_END", 0.2)
    batches = D.data_iterator_simple(load, 10, 2, num_workers=FORK)
    process = int(batches.next()[1][0])
    batches.close()
    assert not is_running(process) and not ended.exists()


def test_interrupt_while_waiting_loses_nothing(tmp_path):
    noticed = tmp_path / "noticed"

    def load(i):
        deadline = time.monotonic() + 60
        while i == 4 and not noticed.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return (i,)

    with D.data_iterator_simple(load, 6, 2, num_workers=FORK) as batches:
        samples(batches, 2)
        with pytest.raises(KeyboardInterrupt):
            threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()
            batches.next()
        noticed.touch()
        assert samples(batches, 2) == [[4, 5], [0, 1]]


PROGRAM = """
import os, sys, time
from nnabla.utils.data_iterator import data_iterator_simple, Workers

def load(i):
    time.sleep(0.01)
    return i, os.getpid()

if __name__ == "__main__":
    workers = Workers(2, start_method=sys.argv[1])
    batches = data_iterator_simple(load, 100, 4, num_workers=workers)
    print(*sorted({int(batches.next()[1][0]) for _ in range(4)}), flush=True)
    while True:
        batches.next()
"""


@pytest.mark.parametrize(
    ("method", "end"),
    [("fork", signal.SIGINT), ("fork", signal.SIGTERM), ("fork", signal.SIGKILL), ("spawn", signal.SIGINT)],
)
def test_processes_end_with_the_program(tmp_path, method, end):
    """The interrupt key reaches all of them; other signals only the program."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    source = str(Path(D.__file__).resolve().parents[2])
    program = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(script), method],
        env={**os.environ, "PYTHONPATH": source},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        readers = [int(number) for number in program.stdout.readline().split()]
        assert len(readers) == 2
        (os.killpg if end == signal.SIGINT else os.kill)(program.pid, end)
        _, errors = program.communicate(timeout=300)
    finally:
        program.kill()
    assert program.returncode in (-end, 128 + end, 1)
    if end == signal.SIGINT:
        # From the program, and from nobody else.
        assert errors.count("KeyboardInterrupt") == 1
    deadline = time.monotonic() + 30
    while any(is_running(reader) for reader in readers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_running(reader) for reader in readers)


def is_running(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            # Nobody waits for the children of a killed program where no init does.
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
