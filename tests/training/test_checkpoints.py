"""Checkpoints: a training that was stopped goes on with the same bits."""

from __future__ import annotations

import json
import os
import random
import zipfile

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.data.making_iterators import data_iterator, data_iterator_simple
from nnabla.data.simple_sources import SimpleDataSource
from nnabla.data.workers import Workers
from nnabla.errors import ArgumentError, FormatError, ShapeError
from nnabla.training import resuming
from nnabla.utils.learning_rate_scheduler import CosineScheduler

SOLVERS = ("Adam", "Momentum", "RMSprop", "AdaBound", "Lamb", "AMSGRAD")


class Training:
    """A small training with everything that is random in it."""

    def __init__(self, solver="Adam"):
        nn.clear_parameters()
        data = np.random.RandomState(5).randn(40, 6).astype(np.float32)
        self.x = nn.Variable((8, 6))
        h = PF.batch_normalization(F.dropout(PF.affine(self.x, 10, name="a"), 0.3))
        self.loss = F.mean(F.pow_scalar(PF.affine(F.tanh(h), 3, name="b"), 2)) + 0.1 * F.mean(F.randn(shape=(4,)))
        self.solver = getattr(S, solver)()
        self.solver.set_parameters(nn.get_parameters())
        self.iterator = data_iterator_simple(lambda i: (data[i],), 40, 8, shuffle=True)
        self.scheduler = CosineScheduler(0.05, 30)
        self.losses = []

    def run(self, first, last):
        for i in range(first, last):
            self.x.d = self.iterator.next()[0] + np.random.randn(8, 6) * random.random()
            self.solver.set_learning_rate(self.scheduler.get_learning_rate(i))
            self.loss.forward()
            self.solver.zero_grad()
            self.loss.backward()
            self.solver.update()
            self.losses.append(float(self.loss.d))

    def result(self):
        self.iterator.close()
        return {name: p.d.tobytes() for name, p in nn.get_parameters(grad_only=False).items()}, self.losses

    def parts(self):
        return {"scheduler": self.scheduler, "data_iterators": self.iterator}


def seed():
    nn.seed(3)
    np.random.seed(4)
    random.seed(5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_resumed_training_has_the_same_bits(tmp_path, solver):
    path = tmp_path / "last.nnp"
    seed()
    whole = Training(solver)
    whole.run(0, 9)
    nn.save_checkpoint(path, whole.solver, 9, extra={"best": 0.5}, **whole.parts())
    whole.run(9, 20)
    parameters, losses = whole.result()
    # As in another program.
    nn.seed(99)
    np.random.seed(98)
    random.seed(97)
    resumed = Training(solver)
    found = nn.load_checkpoint(path, resumed.solver, **resumed.parts())
    assert found == (9, {"best": 0.5})
    resumed.run(found.iteration, 20)
    assert resumed.result() == (parameters, losses[9:])
    # Saving changes nothing.
    seed()
    untouched = Training(solver)
    untouched.run(0, 20)
    assert untouched.result() == (parameters, losses)


def test_before_the_first_random_number(tmp_path):
    """Where functions have drawn nothing yet, they go on from the seed."""
    nn.seed(11)
    nn.save_checkpoint(tmp_path / "first.nnp")
    wanted = [F.randn(shape=(3,)) for _ in range(2)]
    nn.forward_all(wanted)
    nn.seed(12)
    nn.load_checkpoint(tmp_path / "first.nnp")
    found = [F.randn(shape=(3,)) for _ in range(2)]
    nn.forward_all(found)
    assert [f.d.tolist() for f in found] == [w.d.tolist() for w in wanted]


def test_other_programs_read_the_parameters(tmp_path):
    training = Training()
    training.run(0, 2)
    nn.save_checkpoint(str(tmp_path / "c.nnp"), {"mine": training.solver}, 2)
    wanted = {name: p.d.copy() for name, p in nn.get_parameters(grad_only=False).items()}
    nn.clear_parameters()
    nn.load_parameters(str(tmp_path / "c.nnp"))
    for name, p in nn.get_parameters(grad_only=False).items():
        np.testing.assert_array_equal(p.d, wanted[name])
    training.result()


def test_what_does_not_fit(tmp_path):
    training = Training()
    training.run(0, 2)
    path = tmp_path / "c.nnp"
    nn.save_checkpoint(path, [training.solver], 2)
    before = {name: p.d.copy() for name, p in nn.get_parameters(grad_only=False).items()}
    with pytest.raises(ArgumentError, match=r"has no solver 'solver', only \['solver0'\]"):
        nn.load_checkpoint(path, training.solver)
    with pytest.raises(ArgumentError, match="has no states of a Sgd for solver 'solver0'"):
        nn.load_checkpoint(path, [S.Sgd()])
    with pytest.raises(ArgumentError, match=r"has no data iterator 'data_iterator', only \[\]"):
        nn.load_checkpoint(path, data_iterators=training.iterator)
    with pytest.raises(TypeError, match="load_checkpoint: solver0 must be a Solver, not int"):
        nn.load_checkpoint(path, [3])
    with pytest.raises(FileNotFoundError, match="there is no file"):
        nn.load_checkpoint(tmp_path / "other.nnp")
    with pytest.raises(ArgumentError, match="is of 1 processes, not of 2"):
        nn.load_checkpoint(path, comm=type("Two", (), {"size": 2, "rank": 0}))
    with pytest.raises(TypeError, match="not JSON serializable"):
        nn.save_checkpoint(path, extra=object())
    for name, p in nn.get_parameters(grad_only=False).items():
        np.testing.assert_array_equal(p.d, before[name])
    nn.clear_parameters()
    PF.affine(nn.Variable((2, 5)), 10, name="a")
    with pytest.raises(ShapeError, match="load_checkpoint"):
        nn.load_checkpoint(path)
    assert sorted(os.listdir(tmp_path)) == ["c.nnp"]
    training.result()


@pytest.mark.parametrize("damage", ["{", "[]", "{}", '{"iteration": "x"}', None])
def test_damaged_checkpoints(tmp_path, damage):
    path = tmp_path / "c.nnp"
    nn.save_checkpoint(path)
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            if name != "resume.json":
                archive.writestr(name, data)
            elif damage is not None:
                archive.writestr(name, damage)
    with pytest.raises(FormatError, match="load_checkpoint: .*(damaged|without a checkpoint)"):
        nn.load_checkpoint(path)
    with open(path, "wb") as file:
        file.write(b"nothing")
    with pytest.raises(FormatError, match="load_checkpoint: "):
        nn.load_checkpoint(path)


def test_more_than_is_read_again_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(resuming, "_LARGEST", 1000)
    with pytest.raises(ArgumentError, match=r"resume.json: \d+ bytes are more than the 1000 that are read again"):
        nn.save_checkpoint(tmp_path / "last.nnp", extra="x" * 1000)
    assert not list(tmp_path.iterdir())


def test_damaged_random_states(tmp_path):
    path = tmp_path / "c.nnp"
    nn.save_checkpoint(path)
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    resume = json.loads(contents["resume.json"])
    resume["processes"][0]["random"]["functions"] = {"source": None, "generators": {"cpu": "AAAA"}}
    contents["resume.json"] = json.dumps(resume).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    with pytest.raises(FormatError, match="the states of random numbers are damaged"):
        nn.load_checkpoint(path)


def _source(shuffle):
    return SimpleDataSource(lambda i: (np.array([i]),), 10, shuffle=shuffle, rng=np.random.RandomState(1))


@pytest.mark.parametrize(
    "options",
    [
        {"with_memory_cache": False},
        {"with_memory_cache": True},
        {"with_memory_cache": False, "use_thread": False},
        {"with_memory_cache": False, "with_file_cache": True},
        {"with_memory_cache": False, "num_workers": Workers(2, kind="thread")},
        {"with_memory_cache": False, "sliced": True},
    ],
)
@pytest.mark.parametrize("passed", [1, 3, 9])
def test_passing_over_batches(options, passed):
    """The same batches as after reading those before, over several epochs."""
    options = dict(options)
    sliced = options.pop("sliced", False)

    def made():
        iterator = data_iterator(_source(True), 4, rng=np.random.RandomState(2), **options)
        return iterator.slice(None, 2, 1) if sliced else iterator

    read, skipped = made(), made()
    for _ in range(passed):
        read.next()
    skipped.skip(passed)
    for _ in range(8):
        assert (skipped.epoch, skipped.position, skipped.batches) == (read.epoch, read.position, read.batches)
        assert skipped.next()[0].ravel().tolist() == read.next()[0].ravel().tolist()
    read.close()
    skipped.close()
    with pytest.raises(RuntimeError, match="DataIterator.skip: the iterator is closed"):
        skipped.skip(1)


def test_passing_over_the_end():
    with data_iterator(_source(False), 4, stop_exhausted=True) as iterator:
        with pytest.raises(StopIteration):
            iterator.skip(3)
        assert iterator.batches == 2
