"""The program of a process that reads minibatches for a data iterator; `nnabla.data.workers` starts it.

It has a copy of the data source and goes through the same epochs and orders as the iterator does, but reads only every
n-th batch. It reads until as many of its batches as it was asked for wait to be taken. It ignores the interrupt key,
which the program handles, and ends when the program does, however that ends.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import pickle
import random
import signal
import traceback
from collections.abc import Iterable
from multiprocessing.connection import Connection
from typing import NamedTuple

import numpy as np

from ..config import nnabla_config
from . import shared_arrays
from .batches import BatchReader
from .images.backends import backend_manager
from .sources import DataSource

MORE, AGAIN = "more", "again"
"""What a process is asked for: another batch; another try at that in which an error was raised."""
ERROR = "error"
"""What an error is sent as; anything else is a batch."""


class Task(NamedTuple):
    """What a process reads: of all batches those whose number modulo `workers` is `number`."""

    data_source: DataSource
    batch_size: int
    stop_exhausted: bool
    keep_rest: bool
    number: int
    workers: int


class Settings(NamedTuple):
    """What the program has set at run time, which a process that was not forked does not know."""

    configuration: dict[str, str]
    image_backend: str
    seeds: list[int]

    @classmethod
    def present(cls) -> Settings:
        seeds = np.random.get_state()[1][:8].tolist()  # type: ignore[index]
        return cls(dict(nnabla_config["DATA_ITERATOR"]), backend_manager.get_backend(), seeds)

    def apply(self, number: int) -> None:
        """Have them, random numbers of one's own, and one thread: there are as many processes as there is work for."""
        nnabla_config["DATA_ITERATOR"].update(self.configuration)
        backend_manager.set_backend(self.image_backend)
        drawn = np.random.SeedSequence([*self.seeds, number]).generate_state(2)
        np.random.seed(int(drawn[0]))
        random.seed(int(drawn[1]))
        import torch

        torch.set_num_threads(1)


def run(connection: Connection, inherited: Iterable[Connection], task: Task, settings: Settings) -> None:
    """Read batches and send them.

    Args:
        connection: to the program.
        inherited: the program's ends of all such connections, of which a forked process has copies. While it had them,
            no process could tell by its connection that the program has ended.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for end in inherited:
        end.close()
    settings.apply(task.number)
    try:
        _read_batches(connection, task)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # The program has closed its end, or has ended.
        return


def _read_batches(connection: Connection, task: Task) -> None:
    reader = BatchReader(task.data_source, task.batch_size, task.stop_exhausted, keep_rest=task.keep_rest)
    parent = multiprocessing.parent_process()
    assert parent is not None
    wanted, failed = 0, False
    there_is_more = _skip(reader, task.number)
    while there_is_more:
        while wanted == 0 or failed or connection.poll():
            multiprocessing.connection.wait([connection, parent.sentinel])
            if not connection.poll():
                return
            what = connection.recv()
            wanted += what == MORE
            failed = failed and what != AGAIN
        try:
            arrays = reader.read().arrays
        except Exception as error:
            connection.send((ERROR, *_sendable(error)))
            failed = True
            continue
        shared_arrays.send(connection, arrays)
        wanted -= 1
        there_is_more = _skip(reader, task.workers - 1)


def _skip(reader: BatchReader, batches: int) -> bool:
    """Pass over batches of other processes; whether there is one to read then."""
    for _ in range(batches):
        if reader.is_exhausted:
            return False
        reader.skip()
    return not reader.is_exhausted


def _sendable(error: Exception) -> tuple[Exception, str]:
    """The error, or one that says as much and can be sent, and the text of its traceback."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        if str(pickle.loads(pickle.dumps(error))) == str(error):
            return error, text
    except Exception as problem:
        text = f"{text}\n(the error itself could not be sent: {problem})"
    return RuntimeError(f"{type(error).__name__}: {error}"), text
