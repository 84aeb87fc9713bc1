"""A process that ends, is late, or is told to stop: the others say so and end, soon."""

from __future__ import annotations

import random

import pytest

# Of gloo's own: what it waits for at most. Machines of tests may be several times slower than this one.
SOON = 20.0


def assert_all_ended(results, lost, count):
    for rank, result in enumerate(results):
        assert not result["hung"], result["output"]
        if rank == lost:
            continue
        assert result["code"] == 1, result
        assert result["seconds"] < SOON
        text = result["output"]
        assert "nnabla.errors.CommunicationError: " in text
        assert f"process {rank} of {count}: all_reduce of the gradient of 'net/fc/affine/W'" in text, text


def kill(processes, count, lost, after):
    signals = [{"rank": lost, "name": "SIGKILL", "after": after}]
    results = processes(count, "endless", signals=signals, limit=60.0)
    assert_all_ended(results, lost, count)
    assert results[lost]["code"] == -9
    others = [r["output"] for rank, r in enumerate(results) if rank != lost]
    # The one that notices first names the one that was killed.
    assert any(f"process {lost} (process id " in text for text in others), others


@pytest.mark.parametrize(("count", "lost"), [(2, 0), (3, 1), (3, 2)])
def test_a_process_is_killed(processes, count, lost):
    kill(processes, count, lost, after=0.05)


@pytest.mark.heavy
def test_fifty_processes_are_killed(processes):
    rng = random.Random(0)
    for i in range(50):
        count = 2 + i % 3
        kill(processes, count, i % count, after=rng.random())


def test_a_process_is_late(processes):
    results = processes(2, "endless", signals=[], limit=60.0, timeout=3.0, wait_for=1)
    assert results[0]["code"] == 1
    assert "another process did not take part within 3 s (collective_timeout)" in results[0]["output"]


def test_an_error_in_one_process(processes):
    results = processes(3, "dying", signals=[], limit=60.0, rank=1)
    assert [r["code"] for r in results] == [1, 1, 1]
    assert "something of mine" in results[1]["output"]
    assert "CommunicationError" in results[0]["output"] and "CommunicationError" in results[2]["output"]


def test_abort(processes):
    results = processes(3, "stopped", signals=[], limit=60.0)
    assert [r["code"] for r in results] == [1, 1, 1]


def test_ctrl_c(processes):
    signals = [{"rank": rank, "name": "SIGINT", "after": 0.1} for rank in range(3)]
    results = processes(3, "endless", signals=signals, limit=60.0)
    for result in results:
        assert not result["hung"] and result["code"] not in (0, None)
        assert "KeyboardInterrupt" in result["output"] or "CommunicationError" in result["output"]
        assert result["seconds"] < SOON


def test_ctrl_c_while_waiting(processes):
    """A process that waits for another is not deaf: the wait is in pieces."""
    signals = [{"rank": 0, "name": "SIGINT", "after": 0.3}]
    results = processes(2, "endless", signals=signals, limit=60.0, wait_for=1)
    assert "KeyboardInterrupt" in results[0]["output"]
    assert results[0]["seconds"] < SOON and results[0]["code"] not in (0, -9)
