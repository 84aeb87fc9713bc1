"""The frame of ``nnabla_cli``: what it parses, what it imports, how it ends."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import nnabla as nn
from nnabla_cli import cli_main, main
from nnabla_cli.commands import ARGUMENTS, COMMANDS

OWN = {"view", "check"}
OWN_OPTIONS = {"convert": {("--self-contained",)}}
OBSERVED = json.loads((Path(__file__).parents[1] / "reference" / "surface" / "cli.json").read_text(encoding="utf-8"))


def options_of(name):
    """What a subcommand takes, in the form of the observed list."""
    subparsers = argparse.ArgumentParser().add_subparsers()
    return {
        tuple(action.option_strings) or action.dest: (action.dest, action.nargs, action.required, action.default)
        for action in ARGUMENTS[name](subparsers)._actions
        if not isinstance(action, argparse._HelpAction)
    }


@pytest.mark.parametrize("name", sorted(OBSERVED["subcommands"]))
def test_options_are_those_of_nnabla(name):
    observed = OBSERVED["subcommands"][name]
    ours = options_of(name)
    for option in observed["options"]:
        dest, _, required, default = ours.pop(tuple(option["flags"]))
        assert (dest, required, default) == (option["dest"], option["required"], option["default"])
    for positional in observed["positionals"]:
        assert ours.pop(positional["dest"])[1] == positional.get("nargs")
    assert set(ours) == OWN_OPTIONS.get(name, set())


def test_every_subcommand_has_arguments_and_every_command_is_there():
    assert set(ARGUMENTS) == set(OBSERVED["subcommands"]) | OWN
    for path in COMMANDS.values():
        module, _, name = path.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_help_comes_without_torch():
    script = """
import sys
from nnabla_cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code == 0
assert not {"torch", "numpy", "nnabla"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("NNabla command line interface (Version:")


def ended(arguments):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


def test_version(capsys):
    assert ended(["version"]) == 0
    assert capsys.readouterr().out.split("\n")[1] == nn.__version__


def test_no_command_prints_the_help_and_fails(capsys):
    assert ended([]) == 255
    assert "usage: nnabla_cli" in capsys.readouterr().err


def test_an_unknown_command_is_refused(capsys):
    assert ended(["nosuch"]) == 2
    assert "nosuch" in capsys.readouterr().err


@pytest.mark.parametrize(("value", "status"), [(True, 0), (None, 255), (False, 255)])
def test_what_a_command_returns_is_the_status(value, status):
    with pytest.raises(SystemExit) as end:
        cli_main(argparse.ArgumentParser(), argparse.Namespace(func=lambda args: value))
    assert end.value.code == status


def test_an_error_is_told_by_kind_and_text(capsys):
    def fails(args):
        raise nn.errors.ArgumentError("conv: no such thing")

    with pytest.raises(SystemExit) as end:
        cli_main(argparse.ArgumentParser(), argparse.Namespace(func=fails))
    assert end.value.code == 255
    assert capsys.readouterr().err == "ValueError: conv: no such thing\n"


def test_python_m_nnabla():
    done = subprocess.run([sys.executable, "-m", "nnabla", "version"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.endswith(f"{nn.__version__}\n")


def test_errors_show_where_they_come_from_if_asked(monkeypatch, capsys):
    def fails(args):
        raise KeyError("a")

    monkeypatch.setenv("NNABLA_CLI_TRACEBACK", "1")
    with pytest.raises(SystemExit):
        cli_main(argparse.ArgumentParser(), argparse.Namespace(func=fails))
    assert "in fails" in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "status", "ran"), [("None", 0, True), ("True", 1, False), ("5", 5, False)])
def test_a_console_may_run_the_command_itself(tmp_path, answer, status, ran):
    """Seen on NNabla 1.39: what `alternative_cli` returns is the status."""
    (tmp_path / "console.py").write_text(
        f"def alternative_cli(args): return {answer}\ndef get_callback_version(): return 'v9'\n"
    )
    (tmp_path / "nnabla.conf").write_text("[CALLBACK]\nutil_callback_module = console\n")
    paths = [str(tmp_path), *(os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p)]
    done = subprocess.run(
        [sys.executable, "-m", "nnabla_cli", "version"],
        env=os.environ | {"NNABLA_CONFIG_FILE_PATH": "nnabla.conf", "PYTHONPATH": os.pathsep.join(paths)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == status
    assert lines[0].endswith(", Callback:v9)")
    assert (lines[1:] == [nn.__version__]) == ran
