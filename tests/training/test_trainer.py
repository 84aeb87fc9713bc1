"""`nn.Trainer`: the loop computes what a loop by hand computes, and what is around it does what it says."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.utils.data_iterator import data_iterator_simple

BATCH = 8


class Problem:
    """A linear regression; the n-th batch is always the same."""

    def __init__(self, name="net"):
        nn.seed(7)
        self.x, self.t = nn.Variable((BATCH, 3)), nn.Variable((BATCH, 1))
        with nn.parameter_scope(name):
            self.y = PF.affine(self.x, 1)
        self.loss = F.mean(F.squared_error(self.y, self.t))
        self.solver = S.Adam(0.05)
        with nn.parameter_scope(name):
            self.solver.set_parameters(nn.get_parameters())
        self.batch = 0

    def feed(self):
        random = np.random.RandomState(self.batch)
        self.x.d = random.standard_normal(self.x.shape)
        self.t.d = self.x.d @ np.array([[1.0], [-2.0], [0.5]]) + 1
        self.batch += 1

    def trainer(self, **options):
        return nn.Trainer(self.loss, self.solver, self.feed, **options)

    @property
    def weights(self):
        return next(iter(nn.get_parameters().values())).d.copy()


def test_updates_are_those_of_a_loop_by_hand():
    ours = Problem()
    losses = (
        ours.trainer(accumulate=2, weight_decay=0.01, clip_norm=1.5, schedule=lambda i: 0.1 / (1 + i)).train(6).losses
    )
    found = ours.weights
    nn.clear_parameters()
    by_hand = Problem()
    expected = []
    for i in range(6):
        by_hand.solver.set_learning_rate(0.1 / (1 + i))
        by_hand.solver.zero_grad()
        total = 0.0
        for _ in range(2):
            by_hand.feed()
            by_hand.loss.forward()
            total += float(by_hand.loss.d) / 2
            by_hand.loss.backward(0.5)
        by_hand.solver.weight_decay(0.01)
        by_hand.solver.clip_grad_by_norm(1.5)
        by_hand.solver.update()
        expected.append(total)
    assert losses == expected
    assert np.array_equal(found, by_hand.weights)


def test_two_batches_accumulated_are_one_of_twice_the_size():
    whole = Problem()
    x, t = nn.Variable((2 * BATCH, 3)), nn.Variable((2 * BATCH, 1))
    with nn.parameter_scope("net"):
        loss = F.mean(F.squared_error(PF.affine(x, 1), t))
    pairs = []
    for _ in range(2):
        whole.feed()
        pairs.append((whole.x.d.copy(), whole.t.d.copy()))
    x.d, t.d = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    loss.forward()
    whole.solver.zero_grad()
    loss.backward()
    whole.solver.update()
    expected = whole.weights
    nn.clear_parameters()
    halves = Problem()
    halves.trainer(accumulate=2).train(1)
    np.testing.assert_allclose(halves.weights, expected, rtol=1e-6)


def test_patience_and_best(tmp_path):
    problem = Problem()
    values = iter([5.0, 3.0, 4.0, 3.5, 3.0, 1.0])
    seen = []

    def evaluate():
        seen.append(problem.weights)
        return {"error": next(values), "other": 9}

    trainer = problem.trainer(evaluate=evaluate, evaluate_interval=2, patience=3, folder=tmp_path)
    result = trainer.train(100)
    assert result.stopped == "patience"
    assert trainer.iteration == 10
    assert (result.best, result.best_iteration) == (3.0, 4)
    assert result.evaluations[2] == (6, {"error": 4.0, "other": 9.0})
    assert not np.array_equal(problem.weights, seen[1])
    trainer.load_best()
    assert np.array_equal(problem.weights, seen[1])
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["iteration"], row["error"]) for row in rows] == [
        ("2", "5.0"), ("4", "3.0"), ("6", "4.0"), ("8", "3.5"), ("10", "3.0"),
    ]  # fmt: skip
    assert (tmp_path / "error.series.txt").read_text().splitlines()[0] == "1 5"


def test_a_training_that_goes_on_is_one_without_an_interruption(tmp_path):
    straight = Problem()
    expected = straight.trainer().train(12).losses
    weights = straight.weights
    nn.clear_parameters()
    first = Problem()
    first.trainer(evaluate=lambda: 1.0, evaluate_interval=3, monitor_interval=2, folder=tmp_path).train(6)
    nn.clear_parameters()
    second = Problem()
    trainer = second.trainer(evaluate=lambda: 2.0, evaluate_interval=3, monitor_interval=2, folder=tmp_path)
    assert trainer.resume()
    assert trainer.iteration == 6
    second.batch = 6
    result = trainer.train(12)
    assert result.losses == expected[6:]
    assert np.array_equal(second.weights, weights)
    assert (result.best, result.best_iteration) == (1.0, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.h5", "evaluation.series.txt", "history.csv", "last.nnp", "loss.series.txt",
    ]  # fmt: skip
    series = [line.split() for line in (tmp_path / "loss.series.txt").read_text().splitlines()]
    assert [int(index) for index, _ in series] == [1, 3, 5, 7, 9, 11]
    np.testing.assert_allclose([float(v) for _, v in series], np.reshape(expected, (6, 2)).mean(axis=1), rtol=1e-5)
    with open(tmp_path / "history.csv", newline="") as file:
        assert [row["iteration"] for row in csv.DictReader(file)] == ["3", "6", "9", "12"]


def _noisy(folder, batches):
    """Dropout, and batches in a random order."""
    nn.seed(3)
    x, t = nn.Variable((BATCH, 3)), nn.Variable((BATCH, 1))
    loss = F.mean(F.squared_error(PF.affine(F.dropout(x, 0.5), 1), t))
    solver = S.Adam(0.05)
    solver.set_parameters(nn.get_parameters())

    def feed():
        x.d, t.d = batches.next()

    return nn.Trainer(loss, solver, feed, folder=folder, data_iterators=batches, evaluate_interval=5)


def _batches():
    def load(i):
        return np.full(3, i, np.float32), np.float32([i])

    return data_iterator_simple(load, 64, BATCH, shuffle=True, rng=np.random.RandomState(1))


def test_batches_and_random_numbers_go_on_too(tmp_path):
    with _batches() as batches:
        expected = _noisy(None, batches).train(20).losses
    nn.clear_parameters()
    with _batches() as batches:
        _noisy(tmp_path, batches).train(10)
    nn.clear_parameters()
    nn.seed(99)
    with _batches() as batches:
        trainer = _noisy(tmp_path, batches)
        assert trainer.resume()
        assert trainer.train(20).losses == expected[10:]


def test_nothing_to_resume_and_a_damaged_state(tmp_path):
    problem = Problem()
    trainer = problem.trainer(folder=tmp_path / "new")
    assert not trainer.resume()
    (tmp_path / "new").mkdir()
    last = tmp_path / "new" / "last.nnp"
    nn.save_checkpoint(last, problem.solver, 3)
    with pytest.raises(ValueError, match=r"Trainer\.resume: .*last\.nnp is of something else: TypeError"):
        trainer.resume()
    last.write_bytes(last.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"load_checkpoint: .*last\.nnp"):
        trainer.resume()
    with pytest.raises(FileNotFoundError, match=r"Trainer: there is no best\.h5, for want of a folder"):
        Problem("other").trainer().load_best()


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_it_stops_at_nan_with_the_parameters_before(where):
    problem = Problem()
    if where == "gradient":
        # The root of 0 has an infinite slope.
        problem.loss = F.mean(F.pow_scalar(F.abs(problem.y * 0), 0.5)) + problem.loss
    before = []

    def feed():
        before.append(problem.weights)
        problem.feed()
        if where == "loss" and problem.batch == 4:
            problem.x.d[0, 0] = np.nan

    trainer = nn.Trainer(problem.loss, problem.solver, feed)
    message = {
        "loss": r"Trainer: the loss is nan in update 3 \(counted from 0\); the parameters are those before it",
        "gradient": r"Trainer: the gradient of a parameter has NaN or infinity in update 0",
    }[where]
    with pytest.raises(FloatingPointError, match=message):
        trainer.train(10)
    assert np.array_equal(problem.weights, before[-1])
    assert np.isfinite(problem.weights).all()


def test_an_interrupted_training_leaves_a_checkpoint(tmp_path):
    problem = Problem()

    def feed():
        if problem.batch == 5:
            raise KeyboardInterrupt
        problem.feed()

    with pytest.raises(KeyboardInterrupt):
        nn.Trainer(problem.loss, problem.solver, feed, folder=tmp_path).train(50)
    weights = problem.weights
    nn.clear_parameters()
    again = Problem()
    trainer = again.trainer(folder=tmp_path)
    assert trainer.resume()
    assert trainer.iteration == 5
    assert np.array_equal(again.weights, weights)
    assert trainer.result.best == math.inf


def test_watched_values_and_the_bar(tmp_path, capsys):
    problem = Problem()
    size = F.mean(F.abs(problem.y))
    problem.trainer(watch={"mean size": size}, folder=tmp_path, monitor_interval=1, progress=True).train(20)
    values = np.loadtxt(tmp_path / "mean-size.series.txt")
    assert values.shape == (20, 2)
    assert values[-1, 1] == pytest.approx(float(size.d), rel=1e-5)
    assert "20/20" in capsys.readouterr().err
    problem.trainer(progress=False).train(20)
    assert capsys.readouterr().err == ""


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    Problem().trainer(folder=tmp_path, tensorboard=True).train(10)
    assert len(list(tmp_path.glob("events.out.tfevents*"))) == 1


@pytest.mark.parametrize("name", ["evaluate_interval", "patience", "accumulate", "monitor_interval"])
def test_arguments_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"Trainer: {name} must be at least 1, not 0"):
        Problem().trainer(**{name: 0})


def test_no_iterations_and_no_number():
    with pytest.raises(ValueError, match=r"Trainer\.train: iterations must be at least 1, not 0"):
        Problem().trainer().train(0)
    with pytest.raises(ValueError, match="Trainer: evaluate returned no number"):
        Problem("other").trainer(evaluate=dict).train(1)
