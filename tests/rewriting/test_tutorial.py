"""`examples/tutorials/graph_converters.py`, with a small network."""

from __future__ import annotations

import importlib
from pathlib import Path

import nnabla as nn

TUTORIALS = Path(__file__).resolve().parents[2] / "examples" / "tutorials"


def test_graph_converters(tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(TUTORIALS))
    context = nn.get_current_context()
    options = ["--output", str(tmp_path), "--iterations", "1", "--size", "32", "--maps", "4"]
    try:
        result = importlib.import_module("graph_converters").main(options)
    finally:
        nn.set_default_context(context)
    types, printed = result["types"], capsys.readouterr().out
    assert types["original"]["Convolution"] == types["original"]["BatchNormalization"] == 53
    folded = {name for name, each in types.items() if each["BatchNormalization"] == 0}
    assert folded == {"folded", "self-folded", "leaky", "of a file"}
    assert types["self-folded"]["Mul2"] == 53 and "Mul2" not in types["folded"]
    assert (types["leaky"]["LeakyReLU"], types["leaky"]["ReLU"], types["folded"]["ReLU"]) == (49, 0, 49)
    assert result["input"] == (1, 32, 32, 3)
    assert result["networks"]["channels last"].shape == (1, 1000)
    differences = result["differences"]
    assert 1e-3 < differences.pop("leaky") < 10
    assert max(differences.values()) < 1e-4
    assert "stage3/block2/wide/conv/Convolution(Convolution)" in printed
    assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == {"resnet50", "folded"}
