"""``profile`` and ``compare_with_cpu``."""

from __future__ import annotations

import csv
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

import nnabla as nn
from nnabla.cli import profile as room
from nnabla.utils.cli.compare_with_cpu import add_result, calc_norm_diff

from .running import run

FOLDER = Path(__file__).parents[1] / "reference" / "cli" / "train"

# The first column of NNabla 1.39's profile.csv, which has functions of one name once.
ROWS = """
load_dataset
let_data (x to x)
let_data (y to t)
forward_function (Affine : Affine)
forward_function (Tanh : Tanh)
forward_function (Affine : Affine 2)
forward_function (SoftmaxCrossEntropy : SoftmaxCrossEntropy)
forward_function (Mean : Mean)
prepare_backward
backward_function (Mean : Mean)
backward_function (SoftmaxCrossEntropy : SoftmaxCrossEntropy)
backward_function (Affine : Affine 2)
backward_function (Tanh : Tanh)
backward_function (Affine : Affine)
forward_all
backward_all
backward_all(wo param zero_grad)
weight_decay (Momentum)
update (Momentum)
monitor_loss
""".strip().splitlines()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    shutil.copytree(FOLDER, tmp_path / "files")
    (tmp_path / "files" / "out").mkdir()
    monkeypatch.chdir(tmp_path / "files")
    monkeypatch.setattr(room, "SECONDS_FOR_EACH", 0.001)
    return tmp_path / "files"


def table(name):
    with open(Path("out") / name, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_profile(folder, capsys):
    assert run("profile", "-c", "net.nntxt", "-o", "out") == 0
    header, *rows = table("profile.csv")
    assert header == ["time in ms", "optimizer 'opt' with network 'net'"]
    assert [name for name, _ in rows] == ROWS
    assert all(float(value) > 0 for _, value in rows)
    lines = [line.partition(": ")[2] for line in capsys.readouterr().err.splitlines() if "[Level 99]" in line]
    assert lines[1] == "Profiling optimizer 'opt' with network 'net' ..."
    assert lines[2].endswith("(ms)")
    assert lines[-1] == "Profile Completed."
    assert {path.name for path in Path("out").iterdir()} == {"profile.csv", "progress.txt"}


def test_a_column_for_each_optimizer(folder):
    assert run("profile", "-c", "two.nntxt", "-o", "out") == 0
    header, *rows = table("profile.csv")
    assert len(header) == 3
    assert {len(row) for row in rows} <= {2, 3}


def test_a_slow_part_takes_longer(folder):
    nn.clear_parameters()
    from nnabla.utils.load import load

    info = load("net.nntxt", prepare_data_iterator=False)
    result, calls = {}, []
    start = time.perf_counter()
    found = room.profile(info, "sleep", lambda: calls.append(time.sleep(0.01)), result, lambda device_id: None)
    wall = 1000 * (time.perf_counter() - start)
    assert result == {"sleep": found}
    # The first call does not count.
    assert found >= 10 and found * (len(calls) - 1) <= wall


def test_profile_needs_an_optimizer(folder, capsys):
    text = Path("net.nntxt").read_text()
    Path("net.nntxt").write_text(text[: text.index("optimizer {")])
    assert run("profile", "-c", "net.nntxt", "-o", "out") == 255
    assert "ValueError: profile: the configuration has no optimizer" in capsys.readouterr().err
    assert run("profile", "-c", "two.nntxt", "-o", "nowhere") == 255
    assert "FileNotFoundError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("scales", "expected"),
    # As 1.39 computes them.
    [((1, 2), 0.5), ((2, 1), 0.5), ((1, 0), 1), ((1, -1), 2), ((1, 1), 0), ((0, 0), 0)],
)
def test_difference_of_arrays(scales, expected):
    x = np.random.RandomState(0).rand(3, 4).astype(np.float32)
    relative, first, second, difference = calc_norm_diff(scales[0] * x, scales[1] * x)
    assert relative == pytest.approx(expected)
    deviation = np.std(x)
    assert (first, second) == pytest.approx((abs(scales[0]) * deviation, abs(scales[1]) * deviation))
    assert difference == pytest.approx(abs(scales[0] - scales[1]) * deviation)


def test_results_are_put_into_a_table():
    table = [["name"]]
    assert add_result("t", {"a": 1, "b": 2.5}, table) is table
    add_result("u", {"b": 7, "c": 2.5}, table)
    assert table == [["name", "t", "u"], ["a", "1.000000"], ["b", "2.500000", "7.000000"], ["c", "", "2.500000"]]


def test_a_context_is_compared_with_itself(folder, capsys):
    assert run("compare_with_cpu", "-c", "net.nntxt", "-c2", "net.nntxt", "-o", "out") == 0
    header, *rows = table("compare_with_cpu.csv")
    assert header == ["relative difference", "optimizer 'opt' with network 'net'"]
    names = [name for name, _ in rows]
    assert names[:5] == [name for name in ROWS if name.startswith("forward_function")]
    assert names[5:10] == [name for name in ROWS if name.startswith("backward_function")]
    assert names[10:] == [f"update (a{i}/affine/{p})" for i in (1, 2) for p in "Wb"]
    assert all(float(value) == 0 for _, value in rows)
    assert "Compare with CPU Completed." in capsys.readouterr().err


def test_half_precision_is_compared_with_single(folder):
    text = Path("net.nntxt").read_text()
    assert 'backends: "cpu:float"' in text
    Path("half.nntxt").write_text(
        text.replace('backends: "cpu:float"', 'backends: "cpu:half"\n    backends: "cpu:float"')
    )
    assert run("compare_with_cpu", "-c", "half.nntxt", "-c2", "net.nntxt", "-o", "out") == 0
    _, *rows = table("compare_with_cpu.csv")
    differences = {name: float(value) for name, value in rows}
    assert all(value < 0.02 for value in differences.values())
    assert 1e-5 < differences["forward_function (Affine : Affine)"] < 2e-3


def test_other_networks_are_not_compared(folder, capsys):
    assert run("compare_with_cpu", "-c", "net.nntxt", "-c2", "two.nntxt", "-o", "out") == 255
    assert "compare_with_cpu: the configurations must have the same optimizers" in capsys.readouterr().err
    text = Path("net.nntxt").read_text()
    Path("other.nntxt").write_text(text.replace('"Tanh"', '"ReLU"').replace("tanh", "relu"))
    assert run("compare_with_cpu", "-c", "net.nntxt", "-c2", "other.nntxt", "-o", "out") == 255
    assert "the networks of optimizer 'opt' have other functions" in capsys.readouterr().err
    Path("renamed.nntxt").write_text(text.replace("a2/affine/b", "a2/affine/c"))
    assert run("compare_with_cpu", "-c", "net.nntxt", "-c2", "renamed.nntxt", "-o", "out") == 255
    assert "must have the same parameters, not ['a2/affine/b', 'a2/affine/c']" in capsys.readouterr().err
