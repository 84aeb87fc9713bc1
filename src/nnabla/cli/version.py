"""``nnabla_cli version``."""

from __future__ import annotations

import argparse

from .._version import __version__


def version_command(args: argparse.Namespace) -> bool:
    """Print the version of the package."""
    print(__version__)
    return True
