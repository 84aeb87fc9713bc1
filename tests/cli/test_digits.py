"""The page docs/digits_on_the_command_line.md: its commands are run, and do what it says."""

from __future__ import annotations

import csv
import re
import runpy
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import nnabla as nn
from nnabla.cli import profile
from nnabla_cli import main

pytest.importorskip("sklearn")

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "digits_on_the_command_line.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```console\n(.*?)```", PAGE, re.S) for line in block.splitlines()]


def run(words, monkeypatch):
    """Do what a line of the page says."""
    nn.clear_parameters()
    if words[0] == "python":
        monkeypatch.setattr(sys, "argv", words[1:])
        runpy.run_path(str(ROOT / words[1]), run_name="__main__")
    elif words[0] == "cd":
        monkeypatch.chdir(words[1])
    elif words[0] == "mkdir":
        Path(words[1]).mkdir()
    else:
        assert words[0] == "nnabla_cli"
        with pytest.raises(SystemExit) as end:
            main(words[1:])
        assert end.value.code == 0, words


def test_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(profile, "SECONDS_FOR_EACH", 0.001)
    for line in COMMANDS:
        assert line.startswith("$ ")
        run(shlex.split(line[2:]), monkeypatch)
    shown = capsys.readouterr()
    report = yaml.safe_load(Path("results/monitoring_report.yml").read_text())
    assert list(report) == list(range(20))
    assert min(values["valid_error"] for values in report.values() if "valid_error" in values) < 0.08
    assert re.search(
        r"epoch 20 of 20 cost=\d\.\d{6}  \{train_error=\d\.\d{6}, valid_error=\d\.\d{6}\} time=\(", shown.err
    )
    with open("results/output_result.csv", encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    assert header[64:] == ["y:digit", *(f"scores__{i}" for i in range(10))]
    table = np.array(rows, np.float32)
    assert len(table) == 360
    assert (table[:, 65:].argmax(axis=1) == table[:, 64]).mean() > 0.9
    scores = np.fromfile("results/scores_0.bin", np.float32)
    # The first row of valid.csv.
    np.testing.assert_allclose(scores, table[0, 65:], rtol=1e-4, atol=1e-4)
    assert "Type: Affine" in shown.out
    assert "All of it would run." in shown.out
    assert Path("pictures/digits.svg").stat().st_size > 500
    assert Path("texts/hidden~affine~W.txt").read_text().startswith("(64, 64)\n")
    assert "forward_function (Affine : Affine)," in Path("results/profile.csv").read_text()
