"""The examples in docs/inspection.md."""

from __future__ import annotations

import doctest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_examples():
    failed, tried = doctest.testfile(str(ROOT / "docs" / "inspection.md"), module_relative=False)
    assert failed == 0 and tried > 10
