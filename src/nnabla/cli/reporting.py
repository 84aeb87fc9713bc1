"""Progress of a command: the file ``progress.txt`` in its output folder, and the host's hook."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from .. import host_hooks, progress


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
