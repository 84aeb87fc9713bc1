"""Freed memory stays with the process, unless it is asked for or the environment says otherwise."""

import ctypes
import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

import nnabla as nn
from nnabla import _memory
from nnabla_ext.cpu import clear_memory_cache

MIB = 1 << 20

pytestmark = pytest.mark.skipif(_memory._libc is None, reason="the C library is not glibc")


def resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def left_after_freeing(size: int) -> int:
    """How much of an array of `size` bytes stays resident when it is freed."""
    clear_memory_cache()  # Else the array may be made where another one was.
    before = resident()
    array = nn.NdArray((size // 4,))
    array.fill(1)
    assert array.data[-1] == 1  # Filling is lazy.
    assert resident() - before > 0.9 * size
    del array
    return resident() - before


def in_a_process_of_its_own(function, **environment: str) -> list[str]:
    """What a function of this module prints, as words."""
    return subprocess.run(
        [sys.executable, "-c", f"from tests import test_memory_cache as t; t.{function.__name__}()"],
        env={**{k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}, **environment},
        cwd=os.path.dirname(os.path.dirname(__file__)),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()


def free_and_tell() -> None:
    print(left_after_freeing(64 * MIB) > 32 * MIB)


def free_in_all_ways() -> None:
    free_and_tell()
    nn.prefer_cached_array(False)
    free_and_tell()
    nn.reset_array_preference()
    free_and_tell()


def free_and_clear() -> None:
    before = resident()
    for size in (8 * MIB, 64 * MIB):
        print(left_after_freeing(size) > 0.9 * size)
        clear_memory_cache()
        print(resident() - before > size / 2)


def is_apart(tensor: torch.Tensor) -> bool:
    """Bit 1 of what glibc writes before a block says that the block was mapped by itself."""
    return bool(ctypes.c_size_t.from_address(tensor.data_ptr() - ctypes.sizeof(ctypes.c_size_t)).value & 2)


def place_blocks() -> None:
    def tell(mebibytes: int) -> None:
        print(is_apart(torch.empty(mebibytes * MIB, dtype=torch.uint8)))

    # Each larger than what those before have left on the heap.
    tell(64)
    nn.prefer_cached_array(False)
    tell(256)
    nn.reset_array_preference()
    try:
        with _memory.large_blocks_apart():
            tell(512)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        tell(1024)


def test_large_blocks_lie_apart_when_asked_for_and_where_memory_is_not_kept():
    assert in_a_process_of_its_own(place_blocks) == ["False", "True", "True", "False"]


def test_what_the_environment_says_holds_for_large_blocks():
    assert in_a_process_of_its_own(place_blocks, MALLOC_MMAP_MAX_="0") == ["False"] * 4


def test_freed_memory_is_kept_unless_that_is_switched_off():
    assert in_a_process_of_its_own(free_in_all_ways) == ["True", "False", "True"]


def test_clear_memory_cache_returns_memory():
    assert in_a_process_of_its_own(free_and_clear) == ["True", "False"] * 2


def test_what_the_environment_says_holds():
    assert in_a_process_of_its_own(free_and_tell, MALLOC_TRIM_THRESHOLD_="131072") == ["False"]


def test_threads_get_large_blocks():
    sums = []

    def work() -> None:
        array = nn.NdArray((64 * MIB,))  # 256 MiB, more than a heap of a thread holds.
        array.fill(1)
        sums.append(float(np.sum(array.data[::MIB])))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [64, 64]


def test_what_the_start_up_module_has(capsys):
    """The names are those of NNabla 1.39, and so is the order of the array classes."""
    from nnabla import _init

    try:
        assert _init.array_classes() == ["CpuCachedArray", "CpuArray", "CpuDlpackArray"]
        _init.prefer_cached_array(False)
        assert _init.array_classes() == ["CpuArray", "CpuDlpackArray", "CpuCachedArray"]
    finally:
        _init.reset_array_preference()
    assert _init.array_classes()[0] == "CpuCachedArray"
    assert _init.logger is nn.logger
    _init.finalize()
    assert nn.NdArray((2,)).data.tolist() == [0, 0]


@pytest.mark.skipif(not hasattr(_memory._libc, "mallinfo2"), reason="glibc is older than 2.33")
def test_the_memory_map(capsys):
    def used() -> float:
        nn._init.print_memory_cache_map()
        printed = capsys.readouterr().out
        found = re.fullmatch(
            r"cache_map\(device_id: , mem_type: heap, used: ([\d.]+)([KMG]?B), free: [\d.]+[KMG]?B\): \n"
            r" \[[\d.]+[KMG]?B\]\n\n",
            printed,
        )
        assert found, printed
        return float(found[1]) * 1024 ** ["B", "KB", "MB", "GB"].index(found[2])

    before = used()
    array = nn.NdArray((64 * MIB // 4,))
    array.fill(1)
    assert array.data[0] == 1
    # Shown with two decimals: of GB, where there is more than one.
    assert used() - before > 32 * MIB


def test_a_library_that_does_not_tell(monkeypatch, capsys):
    monkeypatch.setattr(_memory, "_libc", None)
    _memory.print_memory_cache_map()
    assert capsys.readouterr().out == "cache_map: the C library does not tell\n"
