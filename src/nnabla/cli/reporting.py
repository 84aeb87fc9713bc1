"""Progress of a command: the file ``progress.txt`` in its output folder, the host's hook, a bar on a terminal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from .. import host_hooks, progress
from ..config import nnabla_config
from ..logger import ALWAYS, logger

SECONDS_BETWEEN_REFRESHES = 0.1


@contextmanager
def reported(outdir: str) -> Iterator[None]:
    """Report the progress of what is done inside.

    Raises:
        FileNotFoundError: the folder does not exist.
    """

    def tell(state: str | None, share: float) -> None:
        host_hooks.update_progress(f"{state} ({share * 100:.2f}%)")
        _bars.show(state, share)

    before = progress.state_file_name, progress.state_callback
    progress.configure_progress(os.path.join(outdir, "progress.txt"), tell)
    try:
        yield
    except BaseException:
        host_hooks.update_status("failed")
        raise
    finally:
        _bars.end()
        progress.progress(None)
        progress.state_file_name, progress.state_callback = before


@contextmanager
def bars_shown() -> Iterator[None]:
    """Show what is done inside, as it tells `nnabla.progress`, by bars, if there is a terminal.

    Option ``misc_show_progress`` in section ``MISC`` of the configuration turns them off.
    """
    before = progress.state_callback

    def tell(state: str | None, share: float) -> None:
        if before is not None:
            before(state, share)
        _bars.show(state, share)

    progress.state_callback = tell
    try:
        yield
    finally:
        _bars.end()
        progress.progress(None)
        progress.state_callback = before


def step(line: str, share: float) -> None:
    """Tell that a step of long work is done: on a bar, or as a line of the log where there is no terminal."""
    if _bars.are_visible:
        _bars.show(line, share)
    else:
        logger.log(ALWAYS, line)


class _Bars:
    """A bar that goes on while the share grows, whatever the state, and else begins anew.

    Lines of the log appear above it.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._open = ExitStack()
        self._refreshed = 0.0

    @property
    def are_visible(self) -> bool:
        """Whether there is a terminal, and the configuration wants them."""
        wanted = nnabla_config.getboolean("MISC", "misc_show_progress")
        return wanted and sys.stderr is not None and sys.stderr.isatty()

    def show(self, state: str | None, share: float) -> None:
        """Say what is being done and how much of it is done, in [0, 1]."""
        if self._bar is not None and (state is None or share < self._bar.n):
            self.end()
        if state is None or not self.are_visible:
            return
        if self._bar is None:
            self._begin(state, share)
        self._bar.set_description_str(state, refresh=False)
        self._bar.n = share
        now = time.monotonic()
        if now - self._refreshed > SECONDS_BETWEEN_REFRESHES:
            self._refreshed = now
            self._bar.refresh()

    def _begin(self, state: str, share: float) -> None:
        from tqdm import tqdm
        from tqdm.contrib.logging import logging_redirect_tqdm

        form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
        self._bar = tqdm(desc=state, total=1.0, initial=share, file=sys.stderr, leave=False, bar_format=form)
        self._open.enter_context(self._bar)
        self._open.enter_context(logging_redirect_tqdm([logger]))

    def end(self) -> None:
        """Show how far it came, and take the bar off the terminal."""
        if self._bar is not None:
            self._bar.refresh()
        self._open.close()
        self._bar = None


_bars = _Bars()
