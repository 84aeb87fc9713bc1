"""Parse, then import the command that was asked for and run it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from .commands import add_commands

DESCRIPTION = "Train, run, inspect and convert neural networks of NNabla."


def _version() -> str:
    try:
        return version("nnabla")
    except PackageNotFoundError:
        return "unknown"


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(prog="nnabla_cli", description=f"{DESCRIPTION} Version {_version()}.")
    top.add_argument("-m", "--mpi", action="store_true", help="train with several processes")
    add_commands(top.add_subparsers(title="subcommands", metavar="COMMAND"))
    return top


def cli_main(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Run what was parsed and exit: with 0 where the command returned something true, else with 255."""
    if not hasattr(args, "func"):
        parser.print_help(sys.stderr)
        sys.exit(255)
    if getattr(args, "mpi", False):
        os.environ["NNABLA_CLI_MPI"] = "1"
    try:
        done = args.func(args)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, ImportError) as error:
        # The name of the kind stands in front: programs that start this one look for it.
        kind = next(c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins")
        if os.environ.get("NNABLA_CLI_TRACEBACK"):
            raise
        print(f"{kind}: {error}", file=sys.stderr)
        done = False
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(0 if done else 255)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point; `arguments` are those of the process unless they are given."""
    print(f"NNabla command line interface (Version:{_version()})", flush=True)
    top = parser()
    cli_main(top, top.parse_args(arguments))
