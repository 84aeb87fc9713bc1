"""``train``, ``infer``, ``dump`` and ``draw_graph``: results against those of NNabla 1.39, resumption, interruption."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

import nnabla as nn
from nnabla import host_hooks
from nnabla.utils.load import load
from nnabla_cli import main

FOLDER = Path(__file__).parents[1] / "reference" / "cli" / "train"
REPORTS = json.loads((FOLDER / "reports.json").read_text(encoding="utf-8"))


def run(*arguments):
    nn.clear_parameters()
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The recorded files, and an empty folder ``out``."""
    shutil.copytree(FOLDER, tmp_path / "files")
    (tmp_path / "files" / "out").mkdir()
    monkeypatch.chdir(tmp_path / "files")
    return tmp_path / "files"


def report(folder):
    return yaml.safe_load((folder / "out" / "monitoring_report.yml").read_text())


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_costs_and_errors_are_those_of_nnabla(folder, name):
    assert run("train", "-c", f"{name}.nntxt", "-p", "init.h5", "-o", "out") == 0
    found = report(folder)
    assert list(found) == [0, 1, 2, 3]
    for epoch, (cost, train, valid) in enumerate(REPORTS[name]):
        if name == "two":
            # With two optimizers, NNabla divides what 5 iterations add up by 6; here it is the mean.
            cost *= 6 / 5
        np.testing.assert_allclose(found[epoch]["cost"], cost, rtol=5e-6)
        assert found[epoch]["valid_error"] == valid
        assert train is None or found[epoch]["train_error"] == pytest.approx(train)


def test_what_is_left(folder):
    run("train", "-c", "net.nntxt", "-p", "init.h5", "-o", "out")
    assert sorted(os.listdir("out")) == [
        "monitoring_report.yml",
        "progress.txt",
        "results.nnp",
        "results_current_4.nnp",
    ]
    with zipfile.ZipFile("out/results.nnp") as archive:
        names = ["nnp_version.txt", "net.nntxt", "parameter.h5", "opt_Momentum_optimizer.h5.optimizer"]
        assert archive.namelist() == names
        assert archive.read("net.nntxt") == (folder / "net.nntxt").read_bytes()
        archive.extract("parameter.h5", "ours")
    with zipfile.ZipFile("trained.nnp") as archive:
        archive.extract("parameter.h5", "theirs")
    with h5py.File("ours/parameter.h5") as ours, h5py.File("theirs/parameter.h5") as theirs:
        for key in ("a1/affine/W", "a1/affine/b", "a2/affine/W", "a2/affine/b"):
            np.testing.assert_allclose(ours[key], theirs[key], rtol=1e-5, atol=1e-6)


def parameters(path):
    with zipfile.ZipFile(path) as archive, archive.open("parameter.h5") as member, h5py.File(member) as file:
        return {name: file[name][()] for name in ("a1/affine/W", "a2/affine/b")}


def test_resumed_training_equals_an_uninterrupted_one(folder):
    """Bit for bit: parameters, states, random numbers, positions in the data."""
    text = (folder / "net.nntxt").read_text()
    text = text.replace("batch_size: 4\n  variable:", "batch_size: 4\n  shuffle: true\n  variable:")
    assert "shuffle: true" in text
    (folder / "net.nntxt").write_text(text)
    run("train", "-c", "net.nntxt", "-p", "init.h5", "-o", "out")
    whole, whole_report = parameters("out/results_current_4.nnp"), report(folder)
    shutil.rmtree("out")
    os.mkdir("out")
    (folder / "half.nntxt").write_text(text.replace("max_epoch: 4", "max_epoch: 2"))
    run("train", "-c", "half.nntxt", "-p", "init.h5", "-o", "out")
    # The results hold the configuration that they were made with: the one to go on with is longer.
    with zipfile.ZipFile("out/results_current_2.nnp") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["half.nntxt"] = text.encode()
    with zipfile.ZipFile("out/results_current_2.nnp", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    assert run("train", "-r", "-c", "net.nntxt", "-p", "init.h5", "-o", "out") == 0
    resumed = parameters("out/results_current_4.nnp")
    for name, values in whole.items():
        np.testing.assert_array_equal(resumed[name], values)
    assert report(folder) == whole_report
    assert sorted(os.listdir("out"))[-1] == "results_current_4.nnp"


def test_hooks_are_called(folder, monkeypatch):
    calls = []

    def note(name, answer=None):
        def hook(*args):
            calls.append((name, *args))
            return answer

        return hook

    answers = {"get_timelimit": -1, "check_training_time": True, "get_best_from_status": (None, None)}
    for name in ("update_status", "update_progress", "result_base", "save_train_snapshot", "update_time_train"):
        answers[name] = None
    console = type("Console", (), {name: staticmethod(note(name, answer)) for name, answer in answers.items()})
    monkeypatch.setattr(host_hooks, "callback_list", [console])
    run("train", "-c", "net.nntxt", "-p", "init.h5", "-o", "out")
    told = [call[1] for call in calls if call[0] == "update_status"]
    epoch = ["train_error", "valid_error"]
    # The order in which NNabla 1.39 calls them in the first epoch.
    assert told[1:4] == [("epoch.max", 4), ("epoch.current", 1), "processing"]
    assert told[4:8] == [
        (["monitoring_report", 1, epoch[0]], 0.15),
        (["last", epoch[0]], 0.15),
        (["monitoring_report", 1, epoch[1]], 0.375),
        (["last", epoch[1]], 0.375),
    ]
    assert told[8:10] == [("best.valid_error", 0.375), ("best.epoch", 1)]
    assert told[11:13] == [("epoch.current", 1), None]
    assert told[-1] == "finished"
    bases = [call[1:] for call in calls if call[0] == "result_base"]
    assert bases[:2] == [("out/results_best_1", "best", "out"), ("out/results_current_1", "current", "out")]
    lines = [call[1] for call in calls if call[0] == "update_progress" and call[1].startswith("Training : cost=")]
    assert [line.rpartition(" ")[2] for line in lines] == ["(20.00%)", "(40.00%)", "(60.00%)", "(80.00%)"] * 4


def test_a_host_ends_training(folder, monkeypatch):
    console = type("Console", (), {"check_training_time": staticmethod(lambda *args: args[3] < 2)})
    monkeypatch.setattr(host_hooks, "callback_list", [console])
    assert run("train", "-c", "net.nntxt", "-p", "init.h5", "-o", "out") == 0
    assert list(report(folder)) == [0, 1]
    assert os.path.exists("out/results_current_2.nnp")


@pytest.mark.parametrize("seconds", [0.4, 0.8, 1.6])
def test_killed_training_leaves_whole_results_or_none(folder, seconds):
    text = (folder / "net.nntxt").read_text().replace("max_epoch: 4", "max_epoch: 100000")
    (folder / "net.nntxt").write_text(text)
    paths = [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    process = subprocess.Popen(
        [sys.executable, "-m", "nnabla_cli", "train", "-c", "net.nntxt", "-p", "init.h5", "-o", "out"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not os.path.exists("out/monitoring_report.yml") and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    results = [name for name in os.listdir("out") if name.startswith("results") and name.endswith(".nnp")]
    assert results
    for name in results:
        nn.clear_parameters()
        assert load(f"out/{name}", prepare_data_iterator=False).optimizers


def test_errors(folder, capsys):
    assert run("train", "-c", "net.nntxt", "-o", "nowhere") == 255
    assert "FileNotFoundError" in capsys.readouterr().err
    assert run("train", "-c", "net.nntxt", "-o", "out", "-C", "tpu") == 255
    assert "train: -C must be cpu, cudnn or cudnn:DEVICE, not 'tpu'" in capsys.readouterr().err
    text = (folder / "train.csv").read_text().splitlines()
    (folder / "train.csv").write_text("\n".join(line.rpartition(",")[0] for line in text) + "\n")
    assert run("train", "-c", "net.nntxt", "-p", "init.h5", "-o", "out") == 255
    assert 'Data "y" for variable "t" is not found' in capsys.readouterr().err


def test_inference_equals_that_of_nnabla(folder):
    assert run("infer", "-c", "trained.nnp", "-b", "2", "-o", "new", "in.bin") == 0
    for sample in (0, 1):
        ours = np.fromfile(f"new_{sample}.bin", np.float32)
        np.testing.assert_allclose(ours, np.fromfile(f"inf_{sample}.bin", np.float32), rtol=1e-5, atol=1e-6)
    assert not os.path.exists("new_2.bin")


def test_inference_refuses_other_inputs(folder, capsys):
    assert run("infer", "-c", "trained.nnp", "-b", "3", "-o", "new", "in.bin") == 255
    assert "shape (3, 6) has 18 elements, 12 were given" in capsys.readouterr().err
    assert run("infer", "-c", "trained.nnp", "in.bin", "in.bin") == 255
    assert "the executor reads 1 inputs, ['x']; 2 were given" in capsys.readouterr().err
    assert run("infer", "-c", "trained.nnp", "-t", "int8", "in.bin") == 255
    assert "-t must be one of uint8, int32, float32, not 'int8'" in capsys.readouterr().err


def test_dump(folder, capsys):
    assert run("dump", "trained.nnp") == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    # As NNabla 1.39 prints it.
    assert lines[:5] == [
        "Importing trained.nnp",
        " Expanding net.",
        "  Optimizer[0]: opt",
        "  Optimizer[0]:  (In) Data      variable[0]: Name:x                              Shape:[-1, 6]",
        "  Optimizer[0]:  (In) Data      variable[1]: Name:t                              Shape:[-1, 1]",
    ]
    assert lines[-2:] == [
        "  Executor [0]:  (In) Data      variable[0]: Name:x                              Shape:[-1, 6]",
        "  Executor [0]:  (Out)Output    variable[0]: Name:y                              Shape:[-1, 2]",
    ]
    run("dump", "-F", "--dump-limit", "1", "trained.nnp")
    assert "  Executor [0]:   Function[  0  ]: Type: Affine               Name: @net/Affine" in capsys.readouterr().out
    run("dump", "-n", "x", "trained.nnp")
    assert "Variable Name: x                    Shape: [-1, 6]" in capsys.readouterr().out


def test_draw_graph(folder, capsys):
    assert run("draw_graph", "-f", "svg", "-o", "pictures", "trained.nnp") == 0
    assert os.listdir("pictures") == ["net.svg"]
    assert run("draw_graph", "-n", "other", "trained.nnp") == 255
    assert "there is no network 'other'; there are ['net']" in capsys.readouterr().err
