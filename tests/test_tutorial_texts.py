"""What the tutorials on debugging and graph converters show, as NNabla 1.39 shows it of the same networks.

The records are those of `tests/reference/record_tutorials.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from .example_runs import example, global_state  # noqa: F401
from .inspection.test_reference import statistics


@pytest.fixture
def cases(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parent / "reference"))
    return example("record_tutorials")


@pytest.mark.parametrize("kind", ["functions", "profile", "traces"])
def test_text_is_the_same(cases: ModuleType, kind: str) -> None:
    # Through JSON, which has no tuples.
    assert json.loads(json.dumps(cases.RECORDS[kind]())) == cases.recorded()[kind]


def test_pictures(cases: ModuleType) -> None:
    pytest.importorskip("graphviz")
    assert cases.pictures() == cases.recorded()["pictures"]


def test_statistics(cases: ModuleType) -> None:
    found, expected = statistics(cases.statistics()), statistics(cases.recorded()["statistics"])
    assert found[0] == expected[0]
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["as built", "folded", "self-folded"])
def test_resnet50_converted(cases: ModuleType, name: str) -> None:
    expected = cases.recorded()["converted"][name].split("\n")
    assert cases.converted()[name].split("\n") == expected
    assert sum(line.endswith("(Convolution)") for line in expected) == 53
    normalizations = sum(line.endswith("(BatchNormalization)") for line in expected)
    assert normalizations == (53 if name == "as built" else 0)
