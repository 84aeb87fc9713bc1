"""``dump`` against what NNabla 1.39 prints (``dump.json``)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from .running import run

FOLDER = Path(__file__).parents[1] / "reference" / "cli"
RECORDED = json.loads((FOLDER / "dump.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def folder(monkeypatch):
    monkeypatch.chdir(FOLDER)


def functions_of(lines):
    """Lines of functions, without their numbers, and all others."""
    functions = [line for line in lines if "]: Type: " in line]
    return sorted(f"{line[:15]}{line.partition(']: Type')[2]}" for line in functions), [
        line for line in lines if line not in functions
    ]


# What NNabla does not do: -v fails there, -V and --dump-limit change nothing, and -E passes over what is not there.
COMPARED = sorted(
    case for case, found in RECORDED.items() if found["status"] == 0 and not re.search("-V|-limit|-E 5", case)
)


@pytest.mark.parametrize("case", COMPARED)
def test_lines_are_those_of_nnabla(case, capsys):
    """But for the order of functions, which is that of the file, and the names of what is in a loop."""
    assert run("dump", *case.split()) == 0
    ours, theirs = capsys.readouterr().out.splitlines()[1:], RECORDED[case]["lines"]
    assert len(ours) == len(theirs)
    if case == "-F dump/loop.nntxt":
        ours, theirs = ([re.sub(r"Name: f.*", "", line) for line in lines] for lines in (ours, theirs))
    assert functions_of(ours) == functions_of(theirs)


def test_there_are_enough_cases():
    assert len(COMPARED) > 12


def test_functions_come_in_the_order_of_the_file(capsys):
    assert run("dump", "-F", "train/trained.nnp") == 0
    found = re.findall(r"Executor .*Type: (\w+) ", capsys.readouterr().out)
    assert found == ["Affine", "Tanh", "Affine", "SoftmaxCrossEntropy", "Mean", "TopNError", "Mean"]
    assert run("dump", "-F", "--dump-limit", "2", "train/trained.nnp") == 0
    assert re.findall(r"Executor .*Type: (\w+) ", capsys.readouterr().out) == found[:2]


def test_variables(capsys):
    assert run("dump", "-V", "dump/loop.nntxt", "--nnp-no-expand-network") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "   Variable variable[" in line]
    assert lines[0] == "  Executor [0]:   Variable variable[0]: Name:x                              Shape:[2, 3]"
    assert re.findall(r"Name:(\w+)", "".join(lines)) == ["x", "e", "y", "s", "a", "W", "b"]


def test_one_executor(capsys):
    assert run("dump", "-E", "0", "train/trained.nnp") == 0
    out = capsys.readouterr().out
    assert "Executor [0]: rt" in out
    assert "Optimizer" not in out
    assert run("dump", "-E", "5", "dump/prepared.nnp") == 255
    assert "ValueError: dump: -E must be the number of one of 2 executors, not 5" in capsys.readouterr().err


def test_a_model_and_its_parameters(capsys):
    assert run("dump", "train/net.nntxt", "train/init.h5") == 0
    out = capsys.readouterr().out
    assert "Importing train/net.nntxt\nImporting train/init.h5\n Expanding net.\n" in out


def test_everything(capsys):
    assert run("dump", "-v", "train/trained.nnp") == 0
    out = capsys.readouterr().out
    assert 'type: "Momentum"' in out
    assert "max_epoch: 4" in out


def test_other_formats(capsys):
    """The extension says what a file is."""
    assert run("dump", "-I", "ONNX", "train/trained.nnp") == 0
    assert run("dump", "-I", "NNP", "train/in.bin") == 255
    assert "ValueError: dump: the extension must be one of" in capsys.readouterr().err


def test_names_that_do_not_fit(tmp_path, capsys):
    text = Path("train/net.nntxt").read_text()
    (tmp_path / "net.nntxt").write_text(text.replace('network_name: "net"', 'network_name: "other"'))
    assert run("dump", tmp_path / "net.nntxt") == 255
    assert "ValueError: dump: network 'other' is not found; there are ['net']" in capsys.readouterr().err
