"""The command line ``nnabla_cli``. It parses before anything heavy is imported, so that ``--help`` is there at once."""

from .main import cli_main, main

__all__ = ["cli_main", "main"]
