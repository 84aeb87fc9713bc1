"""What a process waits for, and what it says of those who do not come: with stand-ins for torch's parts."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import timedelta

import pytest
import torch.distributed as dist

from nnabla.distributed import failures, transport
from nnabla.errors import CommunicationError

HERE = failures.this_process()[0]


class Begun:
    """An exchange that torch has begun."""

    def __init__(self):
        self.limits = []

    def wait(self, *limit):
        self.limits.append(limit)

    def is_completed(self):
        return True


def test_waiting_for_a_gpu_has_no_limit():
    """NCCL would give the exchange up after it; a wait for a CPU is in pieces, so that Ctrl-C gets through."""
    for is_queued, limits in ((True, [()]), (False, [(timedelta(milliseconds=200),)])):
        begun = Begun()
        work = transport.Work(lambda begun=begun: begun, [0, 1], is_queued)
        assert transport._under_way[id(work)] is work
        transport.finish(work, lambda: "it")
        assert begun.limits == limits and id(work) not in transport._under_way


class Store(dict):
    """What torch's store does, in this process."""

    def compare_set(self, key, expected, desired):
        if self.get(key, b"") == expected.encode():
            self[key] = desired.encode()
        return self[key]

    def check(self, keys):
        return all(key in self for key in keys)


class DeafStore:
    """The process that keeps it stands still."""

    def compare_set(self, key, expected, desired):
        time.sleep(3)

    check = compare_set


@pytest.fixture
def said(monkeypatch):
    """Call to get what process 1 of 4 says of an error."""
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    monkeypatch.setattr(dist, "get_world_size", lambda: 4)
    monkeypatch.setattr(failures, "_STORE_PATIENCE", 0.1)
    monkeypatch.setattr(failures, "_LOOKS", 2)
    monkeypatch.setattr(failures, "_runs", lambda pid: True)
    monkeypatch.setattr(failures, "processes", [(HERE, 10), (HERE, 11), (HERE + 1, 12), (HERE + 1, 13)])

    def say(text, store, ranks=(0, 1, 2, 3)):
        monkeypatch.setattr(failures, "store_of_all", lambda: store)
        return failures.explanation(RuntimeError(text), "barrier", ranks, 5.0)

    return say


LATE = "[../unbound_buffer.cc:78] Timed out waiting 5000ms for recv operation to complete"
CUT = (
    "[../pair.cc:553] Connection closed by peer [10.0.0.7]:5555. This is typically caused by a remote worker crashing."
)


def test_those_that_are_late_are_those_that_have_not_failed(said):
    store = Store({"nnabla/failed/0": b"yes"})
    assert said(LATE, store) == (
        "process 1 of 4: barrier: processes 2 (process id 12), 3 (process id 13) did not take part within 5 s "
        "(collective_timeout): Timed out waiting 5000ms for recv operation to complete"
    )
    assert store["nnabla/failed/1"] == b"yes"
    assert store["nnabla/first_failure"].startswith(b"process 1 of 4 in barrier: processes 2")
    # Members of a group only.
    assert "barrier: process 2 (process id 12) did not take part" in said(LATE, Store(), (1, 2))
    # All have given up: each waits for something else.
    everyone = Store({f"nnabla/failed/{rank}": b"yes" for rank in range(4)})
    assert "barrier: another process did not take part within 5 s" in said(LATE, everyone)


def test_those_that_have_ended_elsewhere(said):
    store = Store(
        {"nnabla/failed/0": b"yes", "nnabla/failed/2": b"yes", "nnabla/first_failure": b"process 2 of 4 in x"}
    )
    assert said(CUT, store) == (
        "process 1 of 4: barrier: a process on 10.0.0.7, process 3 (process id 13), has ended: "
        "Connection closed by peer [10.0.0.7]:5555. The first to notice was process 2 of 4 in x"
    )
    assert "a process on 10.0.0.7, one of processes 2 (process id 12), 3 (process id 13), has ended" in said(
        CUT, Store()
    )
    assert "barrier: a process on 10.0.0.7 has ended: " in said(CUT, None)
    # From the store.
    assert said("Broken pipe", None) == "process 1 of 4: barrier: another process has ended: Broken pipe"


def test_those_that_have_ended_here(said, monkeypatch):
    monkeypatch.setattr(failures, "_runs", lambda pid: pid != 10)
    assert "process 1 of 4: barrier: process 0 (process id 10) has ended: " in said(CUT, Store())


@pytest.mark.parametrize("text", [LATE, CUT])
def test_a_store_that_does_not_answer_is_asked_once(said, text):
    begin = time.monotonic()
    assert "barrier: a" in said(text, DeafStore())
    assert time.monotonic() - begin < 2.5


def test_errors_of_the_start_come_with_the_wait(said, monkeypatch):
    monkeypatch.setattr(failures, "store_of_all", lambda: None)

    def begin():
        raise RuntimeError("Invalid scalar type")

    work = transport.Work(begin, [0, 1])
    assert work.is_completed()
    with pytest.raises(CommunicationError, match="process 1 of 4: a sum: it failed: Invalid scalar type"):
        transport.finish(work, lambda: "a sum")


@pytest.fixture
def limit(monkeypatch):
    """Nobody is waited for any longer than so many seconds."""
    monkeypatch.setattr(transport, "timeout", lambda: timedelta(seconds=0.2))
    monkeypatch.setattr(transport, "_waiting", [])
    return 0.2


def test_a_call_of_torch_that_waits_gives_what_it_returns(limit):
    assert transport._heard(lambda: 7) == 7
    with pytest.raises(ValueError, match="^mine$"):
        transport._heard(lambda: (_ for _ in ()).throw(ValueError("mine")))


def test_a_call_of_torch_that_never_ends_is_given_up(limit, monkeypatch):
    end = threading.Event()
    monkeypatch.setattr(failures, "processes", [(HERE, 10), (HERE, 11)])
    monkeypatch.setattr(failures, "_runs", lambda pid: True)
    try:
        with pytest.raises(RuntimeError, match=r"^no answer within 0.2 s \(collective_timeout\)$"):
            transport._heard(end.wait)
        # Nothing is begun beside it.
        with pytest.raises(RuntimeError, match="^an earlier call still waits for others$"):
            transport._heard(lambda: 7)
    finally:
        end.set()


def test_a_call_of_torch_is_given_up_when_a_process_has_ended(limit, monkeypatch):
    end = threading.Event()
    monkeypatch.setattr(transport, "timeout", lambda: timedelta(seconds=1000.0))
    monkeypatch.setattr(failures, "processes", [(HERE, 10), (HERE, 11)])
    monkeypatch.setattr(failures, "_runs", lambda pid: pid != 11)
    try:
        with pytest.raises(RuntimeError, match="^no answer$"):
            transport._heard(end.wait)
    finally:
        end.set()


def test_ctrl_c_gets_through_to_a_call_of_torch(limit, monkeypatch):
    end = threading.Event()
    monkeypatch.setattr(transport, "timeout", lambda: timedelta(seconds=1000.0))
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            transport._heard(end.wait)
    finally:
        timer.join()
        end.set()
