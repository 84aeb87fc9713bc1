"""``train``, ``infer`` and ``draw_graph``: results against those of NNabla 1.39, resumption, interruption."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from nnabla import host_hooks

from .running import run

FOLDER = Path(__file__).parents[1] / "reference" / "cli" / "train"
REPORTS = json.loads((FOLDER / "reports.json").read_text(encoding="utf-8"))


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


def test_a_training_that_has_ended_is_left_alone(folder):
    """The best parameters stay the best ones."""
    run("train", "-c", "net.nntxt", "-p", "init.h5", "-o", "out")
    before = {name: (folder / "out" / name).read_bytes() for name in os.listdir("out")}
    assert run("train", "-r", "-c", "net.nntxt", "-o", "out") == 0
    assert {name: (folder / "out" / name).read_bytes() for name in os.listdir("out")} == before


def test_nothing_to_train_leaves_the_first_parameters(folder):
    text = (folder / "net.nntxt").read_text().replace("max_epoch: 4", "max_epoch: 0")
    (folder / "none.nntxt").write_text(text)
    assert run("train", "-c", "none.nntxt", "-p", "init.h5", "-o", "out") == 0
    with h5py.File("init.h5") as file:
        np.testing.assert_array_equal(parameters("out/results.nnp")["a1/affine/W"], file["a1/affine/W"][()])


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


def test_errors(folder, capsys):
    assert run("train", "-c", "net.nntxt", "-o", "nowhere") == 255
    assert "FileNotFoundError" in capsys.readouterr().err
    assert run("train", "-c", "net.nntxt", "-o", "out", "-C", "tpu") == 255
    assert "train: -C must be cpu, cudnn or cudnn:DEVICE, not 'tpu'" in capsys.readouterr().err
    text = (folder / "train.csv").read_text().splitlines()
    (folder / "train.csv").write_text("\n".join(line.rpartition(",")[0] for line in text) + "\n")
    assert run("train", "-c", "net.nntxt", "-p", "init.h5", "-o", "out") == 255
    assert 'Data "y" for variable "t" is not found' in capsys.readouterr().err


def test_the_context_can_be_another(folder, capsys):
    assert run("train", "-c", "net.nntxt", "-p", "init.h5", "-o", "out", "-C", "cpu") == 0
    np.testing.assert_allclose(report(folder)[3]["cost"], REPORTS["net"][3][0], rtol=5e-6)
    assert "Train with contexts [\"Context(backend=['cpu:float'" in capsys.readouterr().err


def test_out_of_core_changes_nothing_on_a_cpu(folder, capsys):
    options = ("-O", "-m", "4G", "-w", "1e9")
    assert run("train", "-c", "net.nntxt", "-p", "init.h5", "-o", "out", *options) == 0
    np.testing.assert_allclose(report(folder)[3]["cost"], REPORTS["net"][3][0], rtol=5e-6)
    expected = "--enable-ooc changes nothing in this context: arrays are in the memory of the CPU already."
    assert expected in capsys.readouterr().err
    for option, value in (("-m", "much"), ("-w", "1.5")):
        assert run("train", "-c", "net.nntxt", "-o", "out", "-O", option, value) == 255
        expected = f"ValueError: train: {option} must be a number of bytes such as 4G or 1e9, not {value!r}"
        assert expected in capsys.readouterr().err


def test_several_processes_of_one(folder):
    """Without a launcher, ``-m`` finds this process alone."""
    assert run("-m", "train", "-c", "net.nntxt", "-p", "init.h5", "-o", "out") == 0
    np.testing.assert_allclose(report(folder)[3]["cost"], REPORTS["net"][3][0], rtol=5e-6)


def test_inference_with_the_batch_size_of_the_model(folder):
    np.tile(np.fromfile("in.bin", np.float32), 2).tofile("four.bin")
    assert run("infer", "-c", "trained.nnp", "-b", "-1", "-o", "new", "four.bin") == 0
    for sample in range(4):
        ours = np.fromfile(f"new_{sample}.bin", np.float32)
        np.testing.assert_allclose(ours, np.fromfile(f"inf_{sample % 2}.bin", np.float32), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_inference_of_integers_with_other_parameters(folder, dtype):
    values = np.arange(6).astype(dtype)
    values.tofile("integers.bin")
    with h5py.File("init.h5") as file:
        w1, b1, w2, b2 = (file[f"a{i}/affine/{p}"][()] for i in (1, 2) for p in "Wb")
    assert run("infer", "-c", "net.nntxt", "-p", "init.h5", "-t", dtype, "-o", "new", "integers.bin") == 0
    expected = np.tanh(values @ w1 + b1) @ w2 + b2
    np.testing.assert_allclose(np.fromfile("new_0.bin", np.float32), expected, rtol=1e-5, atol=1e-6)
    assert run("infer", "-c", "net.nntxt", "-p", "init.h5", "-t", dtype, "integers.bin") == 0
    assert sorted(path.name for path in folder.glob("*_0.bin")) == ["inf_0.bin", "new_0.bin"]


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


def test_draw_graph(folder, capsys):
    assert run("draw_graph", "-f", "svg", "-o", "pictures", "trained.nnp") == 0
    assert os.listdir("pictures") == ["net.svg"]
    assert run("draw_graph", "-n", "net", "-f", "svg", "-o", "named", "trained.nnp") == 0
    assert os.listdir("named") == ["net.svg"]
    assert run("draw_graph", "-n", "other", "trained.nnp") == 255
    assert "there is no network 'other'; there are ['net']" in capsys.readouterr().err
