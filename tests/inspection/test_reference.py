"""What tools print of networks, as NNabla 1.39 prints it: `tests/reference/inspection.json`."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from ..reference import record_inspection as cases

RECORDS = json.loads(cases.FILE.read_text(encoding="utf-8"))
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]\d+)?")


@pytest.fixture(scope="module")
def ours():
    return {name: record() for name, record in cases.RECORDS.items() if name != "pictures"}


def statistics(text):
    """The text with the numbers of statistics replaced by a word, and these numbers."""
    words, numbers = [], []
    for line in text.split("\n"):
        if re.match(r"\t\t(Med|Ave|Std|Min|Max):", line):
            numbers += [float(n) for n in NUMBER.findall(line)]
            line = NUMBER.sub("NUMBER", line)
        words.append(line)
    return words, numbers


def test_pprint(ours):
    assert ours["pprints"].keys() == RECORDS["pprints"].keys()
    for name, text in RECORDS["pprints"].items():
        expected, found = statistics(text), statistics(ours["pprints"][name])
        assert found[0] == expected[0], name
        np.testing.assert_allclose(found[1], expected[1], rtol=2e-4, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("kind", ["printers", "traces", "profiles", "signatures"])
def test_text_is_the_same(ours, kind):
    assert ours[kind].keys() == RECORDS[kind].keys()
    for name, expected in RECORDS[kind].items():
        # Through JSON, which has no tuples.
        assert json.loads(json.dumps(ours[kind][name])) == expected, name


def test_loss_scaling(ours):
    for found, expected in zip(ours["scalings"], RECORDS["scalings"], strict=True):
        assert found == pytest.approx(expected, rel=1e-5)


def test_sequences(ours):
    assert ours["sequences"] == RECORDS["sequences"]


def test_pictures():
    pytest.importorskip("graphviz")
    found = cases.pictures()
    assert found.keys() == RECORDS["pictures"].keys()
    for name, expected in RECORDS["pictures"].items():
        assert found[name] == expected, name
