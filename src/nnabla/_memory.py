"""What becomes of memory that arrays on the CPU have freed: kept by the process, or given back to the system.

Arrays come from torch, and torch's from malloc. As it is set by default, glibc gives large blocks and the free top of
its heap back to the system, and the next training step meets fresh pages, which the system must clear first: 5 to 10 %
of the time of a convolutional network. NNabla's default arrays (`CpuCachedArray`) keep their memory; so do ours, by
telling malloc. Elsewhere than on glibc, malloc is left alone.

Source: mallopt(3), malloc_trim(3).
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Parameters of mallopt, with what keeps memory and with what glibc starts from.
_TRIM_THRESHOLD, _NEVER, _DEFAULT_TRIM_THRESHOLD = -1, -1, 128 << 10
_MMAP_MAX, _NO_BLOCK, _DEFAULT_MMAP_MAX = -4, 0, 1 << 16
_MMAP_THRESHOLD, _LARGE, _DEFAULT_MMAP_THRESHOLD = -3, 1 << 20, 128 << 10

# What a user has set before the process began is not ours to change.
_SET_BY_USER = any(
    name in os.environ for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_")
) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None


_libc = _glibc()
_prefers_cached = True
_keeps = False


def prefer_cached_array(prefer: bool) -> None:
    """Whether memory that arrays have freed stays with the process, as it does by default.

    Args:
        prefer: True to keep it for the next arrays, False to return it to the system whenever malloc can.

    Without effect where the C library is not glibc, and where `MALLOC_TRIM_THRESHOLD_` or its like is set in the
    environment. `nnabla_ext.cpu.clear_memory_cache` returns what is free at that moment.
    """
    global _keeps, _prefers_cached
    _prefers_cached = bool(prefer)
    if _libc is None or _SET_BY_USER:
        return
    _keeps = prefer
    _libc.mallopt(_TRIM_THRESHOLD, _NEVER if prefer else _DEFAULT_TRIM_THRESHOLD)
    _libc.mallopt(_MMAP_MAX, _NO_BLOCK if prefer else _DEFAULT_MMAP_MAX)
    _libc.mallopt(_MMAP_THRESHOLD, _LARGE if prefer else _DEFAULT_MMAP_THRESHOLD)


def prefers_cached_arrays() -> bool:
    """What `prefer_cached_array` was last called with."""
    return _prefers_cached


def reset_array_preference() -> None:
    """Keep freed memory, as by default; see `prefer_cached_array`."""
    prefer_cached_array(True)


@contextmanager
def large_blocks_apart() -> Iterator[None]:
    """Arrays of a MiB and more that are made within lie outside of the heap, and go back to the system when freed.

    For the first run of a large graph. Compiled kernels, solver states and thousands of small objects come with it that
    stay; between large arrays on the heap they would keep what these leave from being joined to larger pieces, and the
    memory of a convolutional network's training step would come to half as much again.
    """
    if _libc is None or not _keeps:
        yield
        return
    _libc.mallopt(_MMAP_MAX, _DEFAULT_MMAP_MAX)
    try:
        yield
    finally:
        if _keeps:
            _libc.mallopt(_MMAP_MAX, _NO_BLOCK)


@contextmanager
def collector_resting() -> Iterator[None]:
    """Context without garbage collection: for code that makes many small objects which all stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def clear_memory_cache() -> None:
    """Return freed memory to the system, also that of graphs that only garbage collection can free."""
    gc.collect()
    if _libc is not None:
        _libc.malloc_trim(0)


class _Mallinfo(ctypes.Structure):
    """Struct mallinfo2 of mallinfo(3), since glibc 2.33."""

    _names = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    _fields_ = tuple(zip(_names, [ctypes.c_size_t] * 10, strict=True))


def print_memory_cache_map() -> None:
    """Print how much of the heap is used, how much is free, and in brackets the free piece at its end."""
    if not hasattr(_libc, "mallinfo2"):
        print("cache_map: the C library does not tell")
        return
    assert _libc is not None
    _libc.mallinfo2.restype = _Mallinfo
    info = _libc.mallinfo2()
    used, free, end = size_text(info.uordblks + info.hblkhd), size_text(info.fordblks), size_text(info.keepcost)
    print(f"cache_map(device_id: , mem_type: heap, used: {used}, free: {free}): \n [{end}]\n")


def size_text(count: float) -> str:
    """Bytes as text, ``"1.00MB"``."""
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.2f}{unit}"
        count /= 1024
    return f"{count:.2f}GB"
