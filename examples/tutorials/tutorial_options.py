"""Command line options that all tutorials share."""

from __future__ import annotations

import argparse
from pathlib import Path


def tutorial_parser(description: str | None, iterations: int) -> argparse.ArgumentParser:
    """Parser with ``--output``, ``--iterations`` and ``--seed``.

    Args:
        description: text above the option list, usually the module docstring of the tutorial.
        iterations: default number of parameter updates.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("tutorial-output"),
        metavar="DIR",
        help="directory for figures and parameter files (default: %(default)s)",
    )
    parser.add_argument(
        "--iterations",
        type=positive_int,
        default=iterations,
        metavar="N",
        help="parameter updates in each training phase (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="S",
        help="seed of weights, shuffling and random inputs (default: %(default)s)",
    )
    return parser


def add_device_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--context`` and ``--device-id``, the arguments of ``get_extension_context``."""
    parser.add_argument(
        "--context",
        default="cpu",
        metavar="NAME",
        help="extension that computes, such as cpu or cudnn (default: %(default)s)",
    )
    parser.add_argument(
        "--device-id", default="0", metavar="ID", help="device of that extension (default: %(default)s)"
    )


def positive_int(text: str) -> int:
    """Parse an integer that is at least 1.

    Raises:
        argparse.ArgumentTypeError: ``text`` is no integer or is below 1.
    """
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected an integer, got {text!r}") from None
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value
