"""The command line, run inside of the test's process."""

from __future__ import annotations

import pytest

import nnabla as nn
from nnabla_cli import main


def run(*arguments):
    """The exit status of ``nnabla_cli ARGUMENTS``, which finds no parameters and leaves those that it makes."""
    nn.clear_parameters()
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code
