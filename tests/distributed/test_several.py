"""Several processes: what they exchange, train and compute together."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

CONFIGURATION = Path(__file__).parents[1] / "reference" / "cli" / "train"


def test_collectives(processes):
    processes(2, "collectives")


def test_collectives_of_four(processes):
    processes(4, "collectives", types=["float32"])


@pytest.mark.heavy
@pytest.mark.parametrize("count", [3, 4])
def test_collectives_of_many(processes, count):
    processes(count, "collectives")


def test_disagreements(processes):
    processes(2, "disagreements")


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.heavy)])
def test_training_is_that_of_one_process_with_the_whole_batch(processes, count):
    processes(count, "training", steps=50)


def test_sums_overlap_with_backward(processes):
    processes(2, "overlapping")


@pytest.mark.parametrize("count", [2, 3])
def test_statistics_over_processes(processes, count):
    processes(count, "statistics")


@pytest.mark.parametrize("launcher", ["Open MPI", "Slurm"])
def test_variables_of_launchers(processes, launcher):
    processes(3, "meeting", launcher=launcher)


def test_programs_that_hold_a_communicator_end_well(processes):
    """torch aborts some of those that hold a group of its own."""
    for _ in range(5):
        processes(2, "held")


def test_wrapper_of_example_scripts(processes):
    processes(2, "wrapped")


def test_checkpoints(processes):
    processes(2, "checkpoints")


def results(folder):
    """Costs, errors and parameters that a training has left."""
    report = yaml.safe_load((folder / "monitoring_report.yml").read_text())
    path = folder / "results_current_4.nnp"
    with zipfile.ZipFile(path) as archive, archive.open("parameter.h5") as member, h5py.File(member) as file:
        return report, {name: file[f"a{name[0]}/affine/{name[1]}"][()] for name in ("1W", "1b", "2W", "2b")}


def test_the_command_train(processes, tmp_path):
    """Two processes with half of the samples each train as one with all of them; the first alone speaks and writes."""
    shutil.copytree(CONFIGURATION, tmp_path / "files")
    text = (tmp_path / "files" / "net.nntxt").read_text()
    # The first as one process would have it: two updates in an epoch, each by all 20 samples.
    for name, batch, iterations in (("one", 20, 2), ("two", 10, 4)):
        changed = text.replace("batch_size: 4\n", f"batch_size: {batch}\n")
        changed = changed.replace("iter_per_epoch: 5", f"iter_per_epoch: {iterations}")
        (tmp_path / "files" / f"{name}.nntxt").write_text(changed)
        (tmp_path / name).mkdir()

    def train(count, name, *more):
        files = tmp_path / "files"
        arguments = ["train", "-c", str(files / f"{name}.nntxt"), "-p", str(files / "init.h5"), *more]
        return processes(count, "command", arguments=[*arguments, "-o", str(tmp_path / name)])

    train(1, "one")
    ended = train(2, "two")
    assert "epoch 4 of 4 cost=" in ended[0]["output"]
    # Beside what nnabla_cli says before it knows of any others.
    assert len(ended[1]["output"].splitlines()) == 1, ended[1]["output"]
    (one_report, one), (two_report, two) = results(tmp_path / "one"), results(tmp_path / "two")
    for epoch, values in one_report.items():
        assert values == pytest.approx(two_report[epoch], rel=1e-5)
    for name, values in one.items():
        np.testing.assert_allclose(two[name], values, rtol=1e-5, atol=1e-6)
    # What has ended is left alone; another number of processes cannot go on with it.
    train(2, "two", "-r")
    assert results(tmp_path / "two")[0] == two_report
