"""Running commands in a test's process."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nnabla_cli import main


def status_of(arguments: Sequence[object]) -> object:
    """The exit status of a command."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code


def error_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command that fails says."""
    capsys.readouterr()
    assert status_of(arguments) == 255
    lines = [line for line in capsys.readouterr().err.splitlines() if "[nnabla]" not in line]
    return lines[-1]
