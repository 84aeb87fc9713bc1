"""docs/dataset_commands.md has every option of NNabla 1.39, and names tests that are there."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
OBSERVED = json.loads((TESTS / "reference" / "surface" / "cli.json").read_text(encoding="utf-8"))["subcommands"]
PAGE = (TESTS.parent / "docs" / "dataset_commands.md").read_text(encoding="utf-8")
COMMANDS = (
    "conv_dataset",
    "create_image_classification_dataset",
    "create_object_detection_dataset",
    "create_tar",
    "upload",
)
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def rows(section):
    """The names of options, what they mean, and the test, of each row of the table."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    assert cells[0] == ["option", "meaning", "test"]
    return [(re.findall(r"`([^`]+)`", names), meaning, test.strip("`")) for names, meaning, test in cells[2:]]


def test_every_command_has_a_section():
    assert tuple(SECTIONS) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_there(command):
    observed = OBSERVED[command]
    expected = [[positional["dest"]] for positional in observed["positionals"]]
    expected += [option["flags"] for option in observed["options"]]
    assert sorted(names for names, _, _ in rows(SECTIONS[command])) == sorted(expected)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_test_is_there(command):
    for _, meaning, test in rows(SECTIONS[command]):
        file, _, name = test.partition(".")
        assert meaning
        assert callable(getattr(importlib.import_module(f"{__package__}.{file}"), name))
