"""The page of all commands and options of `nnabla_cli`, from its parser."""

from __future__ import annotations

import argparse

from nnabla_cli.commands import ARGUMENTS, COMMANDS
from nnabla_cli.main import parser

HEAD = """\
# All commands

What the parser of `nnabla_cli` takes, written from it. [The command line](nnabla_cli.md), [commands for data
sets](dataset_commands.md), [ONNX](onnx.md) and [NNB, C and TFLite](nnb.md) say what the commands do.
"""


def subparsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    actions = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: actions[0].choices[name] for name in ARGUMENTS if name in COMMANDS}


def cell(text: object) -> str:
    """Text in a cell of a table."""
    return " ".join(str(text).replace("|", "\\|").split())


def option_row(action: argparse.Action) -> str:
    """A row of the table: names, what follows them, default, help."""
    names = ", ".join(f"`{name}`" for name in action.option_strings) or f"`{action.metavar or action.dest}`"
    if action.nargs == 0:
        takes = ""
    elif action.choices:
        takes = ", ".join(f"`{choice}`" for choice in action.choices)
    else:
        kind = getattr(action.type, "__name__", "str")
        takes = {"int": "a number", "float": "a number", "str": "text"}.get(kind, kind)
        takes += {"*": ", any number of times", "+": ", once or more"}.get(str(action.nargs), "")
    if action.required and action.option_strings:
        default = "required"
    elif action.default in (None, False, argparse.SUPPRESS, []) or not action.option_strings:
        default = ""
    else:
        default = f"`{action.default}`"
    return f"| {names} | {takes} | {cell(default)} | {cell(action.help or '')} |"


def command_page() -> str:
    """All commands as Markdown."""
    parts = [HEAD]
    for name, command in subparsers().items():
        usage = " ".join(command.format_usage().removeprefix("usage: ").split())
        rows = [option_row(a) for a in command._actions if not isinstance(a, argparse._HelpAction)]
        parts.append(f"## {name}\n\n{command.description}\n\n```text\n{usage}\n```\n")
        parts.append(
            "| option | takes | default | what it says |\n| --- | --- | --- | --- |\n" + "\n".join(rows) + "\n"
        )
    return "\n".join(parts)
