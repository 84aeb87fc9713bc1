"""`nnabla.utils.communicator_util`: the communicator of a program that a launcher started."""

from __future__ import annotations

import logging

import pytest

from nnabla.distributed import current
from nnabla.errors import ExtensionError
from nnabla.network import argument_values
from nnabla.utils import communicator_util, create_cache, data_source, data_source_implements, load

from .launching import VARIABLES


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(current, "_current", None)
    monkeypatch.setattr(argument_values, "communicator", argument_values.Alone())
    return monkeypatch


def test_without_a_launcher_there_is_none():
    assert communicator_util.create_communicator() is None
    assert communicator_util.current_communicator() is None
    assert communicator_util.single_or_rankzero()


def test_a_launcher_with_one_process(environment):
    environment.setenv("OMPI_COMM_WORLD_SIZE", "1")
    made = communicator_util.create_communicator(extension_module="cpu")
    assert (made.size, made.rank) == (1, 0)
    assert communicator_util.current_communicator() is made
    assert communicator_util.single_or_rankzero()
    environment.setattr(current, "_current", type("Third", (), {"rank": 2}))
    assert not communicator_util.single_or_rankzero()


def test_processes_that_cannot_be_connected(environment, caplog):
    environment.setenv("WORLD_SIZE", "2")
    with pytest.raises(ExtensionError, match="the launcher has not set RANK"):
        communicator_util.create_communicator(extension_module="cpu")
    with caplog.at_level(logging.WARNING):
        assert communicator_util.create_communicator(ignore_error=True, extension_module="cpu") is None
    assert "Failed to initialize nnabla.communicators: " in caplog.text
    assert communicator_util.current_communicator() is None


def test_doors():
    assert load.current_communicator is data_source_implements.current_communicator is current.current_communicator
    for door in (load, create_cache, data_source):
        assert door.single_or_rankzero is current.single_or_rankzero
