"""The tool that runs the examples and writes their figures into the page."""

from __future__ import annotations

import importlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PAGE = """Measured on a day.

| command | what it shows | seconds | result | pictures |
| --- | --- | --- | --- | --- |
| `python examples/a.py` | an a | - | - | - |
| `python examples/tutorials/b.py all` | a b with `code` | 3 | old | `old.png` |
"""


@pytest.fixture
def tool(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    module = importlib.import_module("time_examples")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "examples").mkdir()
    return module


def test_rows_are_filled(tool):
    assert tool.commands(PAGE) == ["python examples/a.py", "python examples/tutorials/b.py all"]
    outcome = tool.Outcome(12.4, "2.2 % | wrong", {"x.png": b"", "y.png": b""})
    page = tool.filled(PAGE, {"python examples/a.py": outcome}, "one machine")
    expected = PAGE.replace("an a | - | - | -", "an a | 12 | 2.2 % / wrong | ![y](pictures/y.png), `x.png`")
    assert page == expected.replace("a day", "one machine")
    again = tool.filled(page, {"python examples/tutorials/b.py all": tool.Outcome(0.6, "new", {})}, "one machine")
    assert again == page.replace("3 | old | `old.png`", "1 | new | -")


def test_the_page_has_rows_that_the_tool_finds(tool):
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    assert len(tool.commands(page)) == page.count("| `python examples/")
    assert len(tool.MEASURED.findall(page)) == 1
    rows = re.findall(r"^\| `python examples/[^`]+` \| [^|]+ \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert len(rows) == len(tool.commands(page))
    measured = [row for row in rows if row != ("-", "-", "-")]
    assert measured and all(0 < int(seconds) <= tool.LIMIT and len(result) > 10 for seconds, result, _ in measured)
    picture = re.compile(r"(-|!\[\w+\]\(pictures/\w+\.png\))(, `[\w.]+`)*")
    assert [shown for *_, shown in measured if not picture.fullmatch(shown)] == []


def test_a_run(tool, tmp_path):
    """Seconds, result and pictures of a script that writes into the folder it runs in."""
    lines = ["import os, sys", "open(sys.argv[1] + '.png', 'wb').write(b'x')", "print('result: first')"]
    program = "\n".join([*lines, "print('result:', os.listdir())"])
    (tmp_path / "examples" / "a.py").write_text(program, encoding="utf-8")
    outcome = tool.run("python examples/a.py one")
    assert outcome.seconds > 0
    assert outcome[1:] == ("['one.png']", {"one.png": b"x"})


def test_small_pictures(tool):
    pixels = np.random.RandomState(0).randint(0, 255, (300, 720, 3)).astype(np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    found = Image.open(io.BytesIO(tool.small(written.getvalue())))
    assert (found.format, found.size) == ("PNG", (360, 150))


@pytest.mark.parametrize(
    ("program", "limit", "message"),
    [
        ("raise SystemExit(3)", 60, "a.py: exit status 3"),
        ("print('no such line')", 60, "a.py: no line that begins with 'result: '"),
        ("import time; time.sleep(60)", 0.2, "a.py: not done after 1 s"),
    ],
)
def test_what_is_no_result(program, limit, message, tool, tmp_path):
    (tmp_path / "examples" / "a.py").write_text(program, encoding="utf-8")
    with pytest.raises(RuntimeError, match=message):
        tool.run("python examples/a.py", limit)


def test_what_takes_too_long(tool, tmp_path):
    (tmp_path / "examples" / "a.py").write_text("print('result: 1')", encoding="utf-8")
    with pytest.raises(RuntimeError, match="a.py: took 0 s, more than 0"):
        tool.run("python examples/a.py", 1e-4, patience=1e6)
