"""Door to `nnabla_cli`."""

from nnabla_cli import cli_main, main

from ...cli.version import version_command
from ...logger import logger

__all__ = ["cli_main", "logger", "main", "version_command"]
