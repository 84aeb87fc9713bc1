"""``check`` and ``view``."""

from __future__ import annotations

import shutil
import sys
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import pytest

import nnabla as nn

from .running import run

FOLDER = Path(__file__).parents[1] / "reference" / "cli" / "train"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    shutil.copytree(FOLDER, tmp_path / "files")
    monkeypatch.chdir(tmp_path / "files")


def changed(old, new, path="changed.nntxt"):
    """The configuration with something else in it."""
    text = Path("net.nntxt").read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))
    return path


def test_a_model_that_runs(folder, capsys):
    assert run("check", "trained.nnp") == 0
    out = capsys.readouterr().out
    for line in (
        "  net.nntxt: 6.019 kB",
        "4 parameters, 47 numbers, 188 B: float32 x 4",
        "network 'net': batch size 4, 7 functions",
        "  Affine x 2, Mean x 2, Tanh, SoftmaxCrossEntropy, TopNError",
        "  inputs: x (-1, 6), t (-1, 1)",
        "optimizer 'opt': Momentum on network 'net'",
        "executor 'rt': network 'net', x -> y",
        "All of it would run.",
    ):
        assert f"\n{line}\n" in out
    assert "problem" not in out
    assert "note" not in out
    assert nn.get_parameters() == {}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('type: "Tanh"', 'type: "Twist"', "network 'net': function '@net/Tanh' is of type 'Twist', which is not known"),
        ('type: "Momentum"', 'type: "Push"', 'Solver "Push" is not supported.'),
        (
            'executor {\n  name: "rt"\n  network_name: "net"',
            'executor {\n  name: "rt"\n  network_name: "no"',
            "load: network 'no' is not found; there are ['net']",
        ),
        (
            "dim: 6\n      dim: 5",
            "dim: 7\n      dim: 5",
            "parameter 'a1/affine/W' has shape (7, 5) in the network and (6, 5) in the file",
        ),
        ("axes: 0\n      axes: 1", "axes: 7\n      axes: 1", "network 'net': "),
    ],
)
def test_what_would_not_run(folder, capsys, old, new, problem):
    assert run("check", changed(old, new)) == 255
    out = capsys.readouterr().out
    assert f"problem: {problem}" in out or f"problem: network 'net': {problem}" in out
    assert out.endswith("This would not run.\n")


def test_what_a_user_may_not_expect(folder, capsys):
    text = Path("net.nntxt").read_text()
    start, end = text.index("parameter {"), text.index("dataset {")
    Path("bare.nntxt").write_text(text[:start] + text[end : text.index("executor {")])
    Path("valid.csv").unlink()
    assert run("check", "bare.nntxt") == 0
    out = capsys.readouterr().out
    assert "note: parameters without values, which are drawn anew or 0: a1/affine/W" in out
    assert "note: data set 'va': there is no 'valid.csv', so it cannot be trained here" in out
    assert "note: there is no executor" in out


def test_parameters_alone(tmp_path, capsys):
    nn.parameter.set_parameter("a/W", nn.Variable.from_numpy_array(np.array([1, np.nan], np.float32)))
    nn.parameter.set_parameter("b", nn.Variable.from_numpy_array(np.zeros((3, 2), np.float16)))
    nn.save_parameters(str(tmp_path / "p.h5"))
    assert run("check", tmp_path / "p.h5") == 0
    out = capsys.readouterr().out
    assert "2 parameters, 8 numbers, 20 B: float32, float16" in out
    assert "note: parameters with infinite numbers or NaN: a/W" in out
    assert out.endswith("There is no network.\n")


def test_files_that_cannot_be_read(tmp_path, capsys):
    for name, data, message in (
        ("no.nnp", None, "FileNotFoundError"),
        ("a.nnp", b"PK damaged", "ValueError: "),
        ("a.xyz", b"", "ValueError: check: the extension must be one of"),
    ):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        assert run("check", tmp_path / name) == 255
        assert message in capsys.readouterr().err


def test_view_serves_the_model(folder, capsys, monkeypatch):
    netron = pytest.importorskip("netron")
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    pages = []

    def wait():
        (address,) = opened
        with urllib.request.urlopen(f"{address}/data/trained.nnp") as reply:
            pages.append(reply.read())

    monkeypatch.setattr(netron, "wait", wait)
    assert run("view", "trained.nnp") == 0
    assert pages == [Path("trained.nnp").read_bytes()]
    assert opened[0] in capsys.readouterr().out
    assert zipfile.is_zipfile("trained.nnp")


def test_view_without_netron(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "netron", None)
    assert run("view", "trained.nnp") == 255
    assert "RuntimeError: view: Netron is not installed: pip install 'nnabla[view]'" in capsys.readouterr().err
    assert run("view", "no.nnp") == 255
    assert "FileNotFoundError: view: there is no file 'no.nnp'" in capsys.readouterr().err
