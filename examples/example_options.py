"""What the examples share: their options, the progress bar, and smoothed curves."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from tqdm import tqdm

import nnabla as nn


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


def example_parser(description: str | None, iterations: int) -> argparse.ArgumentParser:
    """Parser with ``--output``, ``--iterations`` and ``--seed``.

    Args:
        description: text above the list of options.
        iterations: default number of updates.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--output", type=Path, default=Path("demo-output"), metavar="DIR", help="for all files (default: %(default)s)")
    add("--iterations", type=positive_int, default=iterations, metavar="N", help="updates (default: %(default)s)")
    add("--seed", type=int, default=0, metavar="S", help="of all random numbers (default: %(default)s)")
    return parser


def start(args: argparse.Namespace) -> np.random.RandomState:
    """Make the folder, forget all parameters and seed them; the random numbers for everything else."""
    logging.getLogger("nnabla").setLevel(logging.WARNING)  # Its messages would cut through the progress bar.
    args.output.mkdir(parents=True, exist_ok=True)
    nn.clear_parameters()
    nn.seed(args.seed)
    return np.random.RandomState(args.seed)


def updates(count: int, name: str) -> tqdm:
    """Counts updates behind a progress bar."""
    return tqdm(range(count), desc=name, ncols=100, mininterval=0.2)


def smoothed(values: Sequence[float], window: int = 25) -> np.ndarray:
    """Means over as many consecutive values, or over all where there are fewer."""
    window = min(window, len(values))
    return np.convolve(values, np.full(window, 1 / window), mode="valid")
