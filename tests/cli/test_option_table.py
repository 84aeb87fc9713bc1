"""docs/nnabla_cli.md has every option of every command, with its default and a test that is there."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pytest

from nnabla_cli.commands import ARGUMENTS, COMMANDS
from nnabla_cli.main import parser

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "nnabla_cli.md").read_text(encoding="utf-8")
OBSERVED = json.loads((ROOT / "tests" / "reference" / "surface" / "cli.json").read_text(encoding="utf-8"))

ELSEWHERE = {
    *("conv_dataset", "create_image_classification_dataset", "create_object_detection_dataset", "upload", "create_tar"),
}
"""Commands for data sets, which have a page of their own."""


def rows(text):
    """Flags or name, default and test of each row of the tables in a part of the page."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `"):
            names, default, meaning, test = cells
            assert len(meaning) > 3
            found[tuple(re.findall(r"`([^`]+)`", names))] = default, test.strip("`")
    return found


PARTS = {part.partition("\n")[0]: rows(part) for part in PAGE.split("\n## ")}
GENERAL = PARTS.pop("# The command line")


def shown_default(action):
    if action.required and action.option_strings:
        return "required"
    if action.nargs == 0:
        return "off"
    if not action.option_strings:
        return "required"
    return "none" if action.default in (None, "") else f"`{action.default}`"


def options(of):
    """What a parser takes, as the page shows it."""
    return {
        tuple(a.option_strings) or (a.dest.upper(),): shown_default(a)
        for a in of._actions
        if not isinstance(a, (argparse._HelpAction, argparse._SubParsersAction))
    }


def test_every_command_is_on_the_page_and_can_be_called():
    assert set(PARTS) == set(ARGUMENTS) - ELSEWHERE
    assert set(PARTS) <= set(COMMANDS)
    assert set(OBSERVED["subcommands"]) - ELSEWHERE <= set(PARTS)


@pytest.mark.parametrize("command", sorted(set(ARGUMENTS) - ELSEWHERE))
def test_options_are_those_of_the_command(command):
    taken = options(ARGUMENTS[command](argparse.ArgumentParser().add_subparsers()))
    assert {names: default for names, (default, _) in PARTS[command].items()} == taken
    observed = OBSERVED["subcommands"].get(command, {"options": []})
    assert {tuple(option["flags"]) for option in observed["options"]} <= set(PARTS[command])


def test_options_before_the_command():
    assert {names: default for names, (default, _) in GENERAL.items()} == options(parser())


def test_every_option_has_a_test_that_is_there():
    tests = {test for part in (GENERAL, *PARTS.values()) for _, test in part.values()}
    assert len(tests) > 20
    for test in sorted(tests):
        file, _, name = test.partition("::")
        assert f"\ndef {name}(" in (ROOT / "tests" / "cli" / file).read_text(encoding="utf-8"), test
