"""Progress of a command: the file ``progress.txt`` in its output folder, the host's hook, a bar on a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import host_hooks, progress
from ..config import nnabla_config


@contextmanager
def reported(outdir: str) -> Iterator[None]:
    """Report the progress of what is done inside.

    Raises:
        FileNotFoundError: the folder does not exist.
    """

    def tell(state: str | None, share: float) -> None:
        host_hooks.update_progress(f"{state} ({share * 100:.2f}%)")

    before = progress.state_file_name, progress.state_callback
    progress.configure_progress(os.path.join(outdir, "progress.txt"), tell)
    try:
        yield
    except BaseException:
        host_hooks.update_status("failed")
        raise
    finally:
        progress.progress(None)
        progress.state_file_name, progress.state_callback = before


@contextmanager
def bars_shown() -> Iterator[None]:
    """Show what is done inside, as it tells `nnabla.progress`, by bars, if there is a terminal.

    Option ``misc_show_progress`` in section ``MISC`` of the configuration turns them off.
    """
    before = progress.state_callback
    bars = _Bars()

    def tell(state: str | None, share: float) -> None:
        if before is not None:
            before(state, share)
        bars.show(state, share)

    progress.state_callback = tell
    try:
        yield
    finally:
        bars.end()
        progress.progress(None)
        progress.state_callback = before


class _Bars:
    """A bar that goes on while the share grows, whatever the state, and else begins anew."""

    def __init__(self) -> None:
        # None: only on a terminal.
        self._disable = None if nnabla_config.getboolean("MISC", "misc_show_progress") else True
        self._bar: Any = None

    def show(self, state: str | None, share: float) -> None:
        if self._bar is not None and (state is None or share < self._bar.n):
            self.end()
        if state is None:
            return
        if self._bar is None:
            from tqdm import tqdm

            form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
            self._bar = tqdm(desc=state, total=1.0, disable=self._disable, bar_format=form)
        self._bar.set_description_str(state, refresh=False)
        self._bar.update(share - self._bar.n)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
