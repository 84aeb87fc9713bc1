"""Parse, then import the command that was asked for and run it."""

from __future__ import annotations

import argparse
import importlib.util
import os
import runpy
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from .commands import add_commands

DESCRIPTION = "Train, run, inspect and convert neural networks of NNabla."


def _names_in(file: str) -> dict[str, Any]:
    """What a light module of `nnabla` defines. Importing it would import the package, and torch."""
    spec = importlib.util.find_spec("nnabla")
    assert spec is not None and spec.submodule_search_locations
    return runpy.run_path(os.path.join(spec.submodule_search_locations[0], file))


def _host_hooks() -> ModuleType | None:
    """`nnabla.host_hooks`, if the configuration names a module of a console to be called."""
    config = _names_in("config.py")["nnabla_config"]
    if not config.get("CALLBACK", "util_callback_module", fallback=""):
        return None
    from nnabla import host_hooks

    return host_hooks


def _headline(hooks: ModuleType | None) -> str:
    names = _names_in("_version.py")
    line = f"NNabla command line interface (Version:{names['__version__']}, Build:{names['__build_number__']}"
    host = None if hooks is None else hooks.get_callback_version()
    return f"{line}, Callback:{host})" if host else f"{line})"


def parser(hooks: ModuleType | None = None) -> argparse.ArgumentParser:
    """The parser of the whole command line; `hooks` may add options to ``train``."""
    top = argparse.ArgumentParser(prog="nnabla_cli", description=DESCRIPTION)
    top.add_argument("-m", "--mpi", action="store_true", help="train with several processes")
    subparsers = top.add_subparsers(title="subcommands", metavar="COMMAND")
    add_commands(subparsers)
    if hooks is not None and "train" in subparsers.choices:
        hooks.add_train_command_arg(subparsers.choices["train"])
    return top


def cli_main(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Run what was parsed and exit: with 0 where the command returned something true, else with 255."""
    if not hasattr(args, "func"):
        parser.print_help(sys.stderr)
        sys.exit(255)
    if getattr(args, "mpi", False):
        os.environ["NNABLA_CLI_MPI"] = "1"
    hooks = _host_hooks()
    instead = None if hooks is None else hooks.alternative_cli(args)
    if instead is not None:
        sys.exit(instead)
    try:
        done = args.func(args)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, ImportError, MemoryError) as error:
        if os.environ.get("NNABLA_CLI_TRACEBACK"):
            traceback.print_exc()
        # The name of the built-in kind stands in front: consoles look for it.
        kind = next(c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins")
        print(f"{kind}: {error}", file=sys.stderr)
        done = False
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(0 if done else 255)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point; `arguments` are those of the process unless they are given."""
    hooks = _host_hooks()
    print(_headline(hooks), flush=True)
    top = parser(hooks)
    cli_main(top, top.parse_args(arguments))
