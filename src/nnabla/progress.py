"""Progress of a long task, in a file that another program watches or by a callback.

Example:
    >>> states = []
    >>> configure_progress(None, lambda state, progress: states.append((state, progress)))
    >>> progress("Create cache", 0.5)
    >>> progress(None)
    >>> states
    [(None, 0.0), ('Create cache', 0.5), (None, 0.0)]
"""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable

from .logger import logger

_WRITE_INTERVAL = datetime.timedelta(seconds=1)
_ATTEMPTS = 10
_SECONDS_BETWEEN_ATTEMPTS = 0.2

cpu_load_backend_ok = False
"""The load of the CPU is never added to the file."""

state_file_name: str | os.PathLike[str] = ""
state_callback: Callable[[str | None, float], object] | None = None
last_state_datetime: datetime.datetime = datetime.datetime.now()


def configure_progress(
    file_name: str | os.PathLike[str] | None, cb: Callable[[str | None, float], object] | None = None
) -> None:
    """Say where `progress` goes from now on.

    Args:
        file_name: the file that always holds the latest state and is empty when there is none; ``None`` or
            empty for no file. It is emptied.
        cb: called as ``cb(state, progress)`` at every call of `progress`, and once now with ``(None, 0.0)``.
            Default: the callback that was set before, if any.

    Raises:
        OSError: the file cannot be written; file and callback remain those that were set before.
    """
    global state_file_name, state_callback
    before = state_file_name, state_callback
    state_file_name = file_name or ""
    if cb is not None:
        state_callback = cb
    try:
        progress(None)
    except OSError:
        state_file_name, state_callback = before
        raise


def progress(state: str | None, progress: float = 0.0) -> None:
    """Report how far a task has come.

    The file is written at most once a second, but emptied at once.

    Args:
        state: what is being done; ``None`` when nothing is.
        progress: share that is done, in [0, 1].

    Raises:
        OSError: the file cannot be written.
    """
    global last_state_datetime
    if state_callback is not None:
        state_callback(state, progress)
    now = datetime.datetime.now()
    if state_file_name and (state is None or now - last_state_datetime > _WRITE_INTERVAL):
        _write("" if state is None else f"{state} ({progress * 100:.2f}%)")
        last_state_datetime = now


def _write(text: str) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            with open(state_file_name, "w", encoding="utf-8") as file:
                file.write(text)
            return
        except PermissionError:
            # On Windows the program that watches the file keeps others from writing while it reads.
            if attempt == _ATTEMPTS - 1:
                logger.critical("Failed to write to %s.", state_file_name)
                raise
            time.sleep(_SECONDS_BETWEEN_ATTEMPTS)
