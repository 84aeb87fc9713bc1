"""Batches in pinned memory where the context is a GPU: who decides it, and what becomes of the arrays."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

import nnabla as nn
from nnabla import _transfers
from nnabla.data import iterators
from nnabla.utils import data_iterator as D

# Processes are started while this one has threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def load(i):
    return np.full((2, 3), i, np.uint8), i % 3


@pytest.fixture
def pinned_by(monkeypatch):
    """Stands for pinning, which needs a GPU: copies, and notes in which thread."""
    threads = []

    def pin(values):
        threads.append(threading.current_thread().name)
        return values.copy()

    monkeypatch.setattr(iterators, "pinned", pin)
    return threads


@pytest.fixture
def gpu_context(monkeypatch):
    """A context whose device is a GPU, though there is none: nothing computes in it here."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    return nn.Context(["cudnn:float"])


def read(batches, count=4):
    with batches:
        return [[array.tolist() for array in batches.next()] for _ in range(count)]


@pytest.mark.parametrize("kind", ["program", "thread", "threads", "processes", "memory cache", "slice"])
def test_in_the_context_of_a_gpu(pinned_by, gpu_context, kind):
    options = {
        "use_thread": kind not in ("program", "slice"),
        "with_memory_cache": kind == "memory cache",
        "num_workers": {"threads": D.Workers(2, kind="thread"), "processes": 2}.get(kind, 0),
    }
    expected = read(D.data_iterator_simple(load, 10, 4, **options))
    assert pinned_by == []
    with nn.context_scope(gpu_context):
        batches = D.data_iterator_simple(load, 10, 4, **options)
    if kind == "slice":
        # It is made elsewhere, and pins as the iterator that it is made of.
        batches = batches.slice(None, slice_start=0, slice_end=10)
    assert read(batches) == expected
    # Each has two arrays; those that were read ahead are pinned by the thread that read them.
    assert len(pinned_by) >= 8
    ahead = {name for name in pinned_by if name.startswith("nnabla-data-iterator")}
    assert bool(ahead) == (kind not in ("program", "slice"))


def test_the_argument_decides(pinned_by, gpu_context, tmp_path):
    (tmp_path / "table.csv").write_text("x,y\n" + "1,2\n" * 6)
    made = {
        "iterator": lambda **kw: D.data_iterator(D.CsvDataSource(tmp_path / "table.csv"), 2, **kw),
        "table": lambda **kw: D.data_iterator_csv_dataset(tmp_path / "table.csv", 2, **kw),
        "tables": lambda **kw: D.data_iterator_concat_datasets([D.CsvDataSource(tmp_path / "table.csv")], 2, **kw),
    }
    for make in made.values():
        read(make(pin_memory=True), 2)
        assert len(pinned_by) >= 4
        pinned_by.clear()
        with nn.context_scope(gpu_context):
            read(make(pin_memory=False), 2)
        assert pinned_by == []


class FakeStream:
    """Notes what is asked of a queue of a GPU."""

    def __init__(self, name, log):
        self.name, self._log = name, log

    def synchronize(self):
        self._log.append(f"the program waits for {self.name}")

    def __enter__(self):
        self._log.append(f"begin {self.name}")

    def __exit__(self, *error):
        self._log.append(f"end {self.name}")


class PinnedTensor:
    """Notes what becomes of a tensor in pinned memory, and of its copy."""

    is_cpu = True

    def __init__(self, log):
        self._log = log

    def is_pinned(self):
        return True

    def to(self, device, non_blocking):
        assert non_blocking
        self._log.append(f"copy to {device}")
        return self

    def record_stream(self, stream):
        self._log.append(f"used by {stream.name}")


def test_pinned_memory_is_fetched_beside_the_work_and_nothing_else_is_waited_for(monkeypatch):
    log = []
    copies, work = FakeStream("copies", log), FakeStream("work", log)
    monkeypatch.setattr(_transfers.cuda, "Stream", lambda device: copies)
    monkeypatch.setattr(_transfers.cuda, "stream", lambda stream: stream)
    monkeypatch.setattr(_transfers.cuda, "current_stream", lambda device: work)
    monkeypatch.setattr(_transfers, "_streams", {})
    _transfers.moved(PinnedTensor(log), torch.device("cuda", 0))
    assert log == ["begin copies", "copy to cuda:0", "end copies", "the program waits for copies", "used by work"]


def test_on_a_cpu_nothing_is_copied_twice():
    tensor = torch.ones(3)
    assert _transfers.moved(tensor, torch.device("cpu")) is tensor
    assert _transfers.pinned(np.array(["text"])).tolist() == ["text"]
