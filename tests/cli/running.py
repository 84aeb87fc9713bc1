"""The command line, run inside of the test's process."""

from __future__ import annotations

import pytest

import nnabla as nn
from nnabla.utils.save import save
from nnabla_cli import main


def save_networks(path, x, *networks):
    """Write a model file of networks with the input x: for each its name, its executor's, and its output by name."""
    save(
        str(path),
        {
            "networks": [
                {"name": name, "batch_size": x.shape[0], "outputs": outputs, "names": {"x": x}}
                for name, _, outputs in networks
            ],
            "executors": [
                {"name": executor, "network": name, "data": ["x"], "output": [*outputs]}
                for name, executor, outputs in networks
            ],
        },
    )


def run(*arguments):
    """The exit status of ``nnabla_cli ARGUMENTS``, which finds no parameters and leaves those that it makes."""
    nn.clear_parameters()
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code
