"""The model of a step of many processes, in `benchmarks/scaling_model.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = str(Path(__file__).resolve().parents[1] / "benchmarks")


@pytest.fixture
def model(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import scaling_model

    yield scaling_model
    del sys.modules["scaling_model"]


def test_a_link_is_found_in_sums_that_it_made(model):
    link = model.Link(2e-5, 3e8)
    # Three messages each way, of a quarter of the array.
    assert model.ring_seconds(4e6, 4, link) == pytest.approx(6 * (2e-5 + 1e6 / 3e8))
    assert model.ring_seconds(4e6, 1, link) == 0
    for count in (2, 4):
        sums = [(size, model.ring_seconds(size, count, link)) for size in (4, 1e4, 1e6, 6e7)]
        assert model.fitted(sums, count) == pytest.approx(link)


def test_a_step_waits_for_what_backward_does_not_hide(model):
    link = model.Link(0.0, 1.0)
    # Two processes: a sum takes as many seconds as it has bytes.
    step = model.Step(10.0, 8.0, 1.0, ((2.0, 1.0), (4.0, 6.0), (8.0, 2.0)))
    assert model.step_seconds(step, 1, link) == 19
    # The second is on its way from 4 to 10, the third follows until 12.
    assert model.step_seconds(step, 2, link) == 10 + 12 + 1
    assert model.step_seconds(step, 2, link, overlapped=False) == 10 + 8 + 9 + 1
    halves = model.cut(step, 4.5)
    assert halves.buckets == ((4.0, 4.5), (8.0, 4.5))
    assert model.step_seconds(halves, 2, link) == 10 + 8.5 + 4.5 + 1


def test_buckets_are_larger_where_messages_are_slow(model):
    step = model.Step(0.1, 0.2, 0.0, ((0.2, 1e8),))
    sizes = [model.best_bucket(step, 64, model.Link(latency, 1e9))[0] for latency in (1e-6, 1e-5, 1e-4)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]
    with_best = model.best_bucket(step, 64, model.Link(1e-5, 1e9))[1]
    assert with_best <= model.step_seconds(step, 64, model.Link(1e-5, 1e9))


def test_the_slowest_of_many(model):
    assert model.largest_of(1, 2.0) == 0
    # Of two normal numbers 1 / sqrt(pi), of a thousand 3.24 (tables of order statistics).
    assert model.largest_of(2, 1.0) == pytest.approx(0.564, abs=0.03)
    assert model.largest_of(1000, 2.0) == pytest.approx(2 * 3.24, abs=0.04)
