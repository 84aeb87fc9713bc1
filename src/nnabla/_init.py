"""What backends there are, and what they hold."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from . import _memory
from ._memory import clear_memory_cache, prefer_cached_array, print_memory_cache_map, reset_array_preference
from .logger import logger

__all__ = [
    "add_available_context",
    "array_classes",
    "available_contexts",
    "clear_memory_cache",
    "device_synchronize",
    "finalize",
    "get_device_count",
    "get_devices",
    "logger",
    "prefer_cached_array",
    "print_memory_cache_map",
    "reset_array_preference",
]

available_contexts: list[str] = ["cpu"]


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Pause garbage collection while the package is imported: walking all objects of torch takes 100 ms and more."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            # Moves all objects to the oldest generation: as young ones, they would be walked at the next allocation.
            gc.freeze()
            gc.unfreeze()
        if enabled:
            gc.enable()


def add_available_context(ctx: str) -> None:
    """Add `ctx` to the list of backends, once."""
    if ctx not in available_contexts:
        available_contexts.append(ctx)


def array_classes() -> list[str]:
    """Names of array classes, the preferred one first; see `nnabla._memory` for what differs."""
    if _memory.prefers_cached_arrays():
        return ["CpuCachedArray", "CpuArray", "CpuDlpackArray"]
    return ["CpuArray", "CpuDlpackArray", "CpuCachedArray"]


def get_device_count() -> int:
    """Number of devices of the CPU backend: 1."""
    return 1


def get_devices() -> list[str]:
    """Devices of the CPU backend."""
    return ["0"]


def device_synchronize(device: str) -> None:
    """Return when all work on `device` is done: at once, since the CPU works synchronously."""


def finalize() -> None:
    """Return the memory that the CPU backend keeps to the system, at the end of a program. The backend stays usable."""
    clear_memory_cache()
