"""Processes that read minibatches for a data iterator: the program's side.

Which process reads what does not matter: each goes through the same epochs and orders and reads every n-th batch
(`nnabla.data.worker_process`), and the program takes the batches in turn. So they come in the order, and with the
samples, that the program would read alone. Samples must depend on the source's order and their position only, not on
what was read before.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import operator
import os
import pickle
import signal
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Literal

import numpy as np

from ..errors import ArgumentError
from . import shared_arrays, worker_process
from .batches import Batch, BatchReader
from .sources import DataSource

# How long processes may go on with the sample that they are at when they are to end.
_SECONDS_TO_END = 2.0

# The program's ends of all connections.
_program_ends: set[Connection] = set()


class WorkerError(RuntimeError):
    """A process that reads batches ended before its time."""


class WorkerTraceback(Exception):
    """Where in a process an error was raised: the cause of the error that the program sees."""

    def __str__(self) -> str:
        return f"in a worker:\n\n{self.args[0]}"


@dataclass(frozen=True)
class Workers:
    """Who reads samples beside the program: what `num_workers` of a data iterator can be.

    Processes get a copy of the data source when the iterator is made, with its random generator as it is then. What the
    program changes later, in a callback at the end of an epoch for example, does not reach them, and random numbers
    that a source draws for its samples (augmentation) are each process's own. Orders and epochs are what they are
    without processes.

    Threads read the samples of a batch together, one batch ahead. They share the data source, which must bear that, and
    gain something where it spends its time in what lets other threads run: reading files, decoding images.

    Args:
        count: number of processes or threads, at least 1.
        kind: ``"process"`` or ``"thread"``.
        prefetch: how many batches each process has ready at most.
        start_method: how processes are started: ``"fork"``, ``"spawn"`` or ``"forkserver"``; default Python's. With
            ``"fork"`` they inherit the data source; else it is pickled, so its class and functions must stand in a
            module, and a script must begin its work under ``if __name__ == "__main__":``.

    Raises:
        TypeError: `count` or `prefetch` is not an integer.
        ArgumentError: one of them is not positive; `kind` or `start_method` is none of these.
    """

    count: int
    kind: Literal["process", "thread"] = "process"
    prefetch: int = 2
    start_method: str | None = None

    def __post_init__(self) -> None:
        for name in ("count", "prefetch"):
            if operator.index(getattr(self, name)) < 1:
                raise ArgumentError(f"Workers: {name} must be at least 1, not {getattr(self, name)}")
        if self.kind not in ("process", "thread"):
            raise ArgumentError(f"Workers: kind must be 'process' or 'thread', not {self.kind!r}")
        known = multiprocessing.get_all_start_methods()
        if self.start_method is not None and self.start_method not in known:
            raise ArgumentError(f"Workers: start_method must be one of {', '.join(known)}, not {self.start_method!r}")


def checked_workers(num_workers: int | Workers) -> Workers | None:
    """What an argument `num_workers` says; None for 0.

    Raises:
        TypeError: it is neither an integer nor `Workers`.
        ArgumentError: it is negative.
    """
    if isinstance(num_workers, Workers):
        return num_workers
    count = operator.index(num_workers)
    if count < 0:
        raise ArgumentError(f"DataIterator: num_workers must not be negative, but it is {count}")
    return Workers(count) if count else None


class WorkerPool:
    """Processes that read the batches of a source, one after the other.

    Args:
        data_source: where samples come from.
        batch_size: samples in a batch.
        stop_exhausted: do not go over to another epoch.
        workers: how many processes, and how they are started.
        keep_rest: with `stop_exhausted`, read a last batch of what does not fill one.

    Raises:
        ArgumentError: the source cannot be sent to another process, or has a `next` of its own.
    """

    def __init__(
        self,
        data_source: DataSource,
        batch_size: int,
        stop_exhausted: bool,
        workers: Workers,
        keep_rest: bool = False,
    ) -> None:
        kind = type(data_source).__name__
        if type(data_source).next is not DataSource.next:
            raise ArgumentError(
                f"DataIterator: num_workers needs a data source that is read by position, and {kind} has a next() of "
                "its own; let it define _get_data, or give num_workers=0"
            )
        context: Any = multiprocessing.get_context(workers.start_method)
        settings = worker_process.Settings.present()
        self._next = 0
        self._connections: list[Connection] = []
        self._processes: list[BaseProcess] = []
        self._end = weakref.finalize(self, _end, os.getpid(), self._processes, self._connections)
        try:
            for number in range(workers.count):
                task = worker_process.Task(data_source, batch_size, stop_exhausted, keep_rest, number, workers.count)
                self._start(context, task, settings)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            self._end()
            raise ArgumentError(
                f"DataIterator: the data source {kind} cannot be sent to another process: {error}; classes and "
                "functions must stand in a module, or give num_workers=Workers(..., kind='thread')"
            ) from error
        except BaseException:
            self._end()
            raise
        for connection in self._connections:
            for _ in range(workers.prefetch):
                connection.send(worker_process.MORE)

    def _start(self, context: Any, task: worker_process.Task, settings: worker_process.Settings) -> None:
        ours, theirs = context.Pipe()
        _program_ends.add(ours)
        self._connections.append(ours)
        inherited = tuple(_program_ends) if context.get_start_method() == "fork" else ()
        process = context.Process(
            target=worker_process.run,
            name=f"nnabla-data-worker-{task.number}",
            args=(theirs, inherited, task, settings),
            daemon=True,
        )
        try:
            with _interrupt_blocked():
                process.start()
        finally:
            theirs.close()
        self._processes.append(process)

    def read(self) -> tuple[np.ndarray, ...]:
        """The arrays of the next batch; waits for it. If that is interrupted, the batch is there for the next call.

        Raises:
            WorkerError: the process that reads it has ended.
            Exception: what reading it raised. The next call has it read again, from the sample that failed.
        """
        worker = self._next % len(self._processes)
        connection = self._connections[worker]
        if connection.closed:
            raise WorkerError("DataIterator: the processes that read batches were ended, by an interrupt or an error")
        multiprocessing.connection.wait([connection, self._processes[worker].sentinel])
        try:
            return self._take(worker, connection)
        except _SourceError as error:
            raise error.error from WorkerTraceback(error.text)
        except BaseException:
            # Part of a message may have been read.
            self._end()
            raise

    def _take(self, worker: int, connection: Connection) -> tuple[np.ndarray, ...]:
        try:
            if not connection.poll():
                raise EOFError
            message = connection.recv()
            if message[0] == worker_process.ERROR:
                connection.send(worker_process.AGAIN)
                raise _SourceError(*message[1:])
            arrays = shared_arrays.received(connection, *message)
        except (EOFError, ConnectionResetError, BrokenPipeError):
            raise self._died(worker) from None
        self._next += 1
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            # If it has ended, that is told when its next batch is asked for.
            connection.send(worker_process.MORE)
        return arrays

    def _died(self, worker: int) -> WorkerError:
        process = self._processes[worker]
        process.join(_SECONDS_TO_END)
        code = process.exitcode
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit status {code}"
        return WorkerError(
            f"DataIterator: worker {worker} (process {process.pid}) ended while it read a batch: {how}; a system "
            "that is short of memory kills processes"
        )

    def close(self) -> None:
        """End the processes and wait for them. Batches that were given stay as they are."""
        self._end()


class WorkerReader:
    """Reads batches by several processes, and says where they end, as a `BatchReader` does.

    The arguments and errors are those of `WorkerPool`.
    """

    def __init__(self, data_source: DataSource, batch_size: int, stop_exhausted: bool, workers: Workers) -> None:
        self._pool = WorkerPool(data_source, batch_size, stop_exhausted, workers)
        # The program's own source goes through the epochs, too, and reads nothing.
        self._places = BatchReader(data_source, batch_size, stop_exhausted)

    def read(self) -> Batch:
        """The next batch; errors as from `WorkerPool.read`."""
        arrays = self._pool.read()
        return Batch(arrays, *self._places.skip())

    def close(self) -> None:
        """End the processes and wait for them."""
        self._pool.close()


class _SourceError(Exception):
    """What the data source raised in a process, and the text of its traceback."""

    def __init__(self, error: Exception, text: str) -> None:
        super().__init__(error, text)
        self.error, self.text = error, text


@contextlib.contextmanager
def _interrupt_blocked() -> Iterator[None]:
    """Have processes that start in the block not notice the interrupt key, from their first moment on."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(owner: int, processes: list[BaseProcess], connections: list[Connection]) -> None:
    if os.getpid() != owner:
        return
    for connection in connections:
        # The end of its input is a process's sign to leave.
        connection.close()
        _program_ends.discard(connection)
    deadline = time.monotonic() + _SECONDS_TO_END
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        for end in (process.terminate, process.kill):
            if process.is_alive():
                end()
                process.join(_SECONDS_TO_END)
