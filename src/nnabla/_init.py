"""What backends there are."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

available_contexts: list[str] = ["cpu"]


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """While the package is imported: a collection would walk all objects of torch, 100 ms and more."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            # All that was made becomes old, where the first allocation would have it walked through as young.
            gc.freeze()
            gc.unfreeze()
        if enabled:
            gc.enable()


def add_available_context(ctx: str) -> None:
    """Add `ctx` to the list of backends, once."""
    if ctx not in available_contexts:
        available_contexts.append(ctx)


def array_classes() -> list[str]:
    """Names of array classes, for compatibility; see `nnabla._memory` for what differs."""
    return ["CpuCachedArray", "CpuArray", "CpuDlpackArray"]


def get_device_count() -> int:
    """Number of devices of the CPU backend: 1."""
    return 1


def get_devices() -> list[str]:
    """Devices of the CPU backend."""
    return ["0"]


def device_synchronize(device: str) -> None:
    """Return when all work on `device` is done: at once, since the CPU works synchronously."""
