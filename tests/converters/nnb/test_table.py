"""The table of docs/nnb.md is what the rules say."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_table_is_up_to_date(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    table = importlib.import_module("make_runtime_table")
    page = (ROOT / "docs" / "nnb.md").read_text()
    shown = page.partition(table.BEGIN)[2].partition(table.END)[0].strip().split("\n")
    assert shown == table.lines()
    sys.modules.pop("make_runtime_table")
