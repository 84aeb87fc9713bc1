"""Instruction sets that a process can be limited to, and the heap checker, both by environment variables."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import NamedTuple


class InstructionSet(NamedTuple):
    """One that oneDNN, ATen and MKL have kernels for; `flag` is its name in /proc/cpuinfo."""

    name: str
    flag: str
    variables: dict[str, str]


def _limit(onednn: str, aten: str, mkl: str) -> dict[str, str]:
    return {"ONEDNN_MAX_CPU_ISA": onednn, "ATEN_CPU_CAPABILITY": aten, "MKL_ENABLE_INSTRUCTIONS": mkl}


# From the lowest up.
X86 = (
    InstructionSet("sse41", "sse4_1", _limit("SSE41", "default", "SSE4_2")),
    InstructionSet("avx", "avx", _limit("AVX", "default", "AVX")),
    InstructionSet("avx2", "avx2", _limit("AVX2", "avx2", "AVX2")),
    InstructionSet("avx512", "avx512bw", _limit("AVX512_CORE", "avx512", "AVX512")),
)
# All that the CPU has, whatever it is called.
ALL = InstructionSet("all", "", {})


def available() -> list[InstructionSet]:
    """Those that this CPU has, and all of them together where there are more."""
    if platform.machine() not in ("x86_64", "AMD64") or not Path("/proc/cpuinfo").exists():
        return [ALL]
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    found = [item for item in X86 if item.flag in flags]
    more = {"avx512_vnni", "avx512_bf16", "amx_tile", "avx_vnni"}.intersection(flags)
    return [*found, ALL] if more or not found else found


CHECKER = "libc_malloc_debug.so.0"


def heap_checker() -> dict[str, str]:
    """Variables that make glibc abort when it sees a damaged heap, and fill memory with rubbish; empty without it."""
    variables = {"LD_PRELOAD": CHECKER, "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "165"}
    tried = subprocess.run(["/bin/true"], env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    return variables if tried.returncode == 0 and not tried.stderr else {}
