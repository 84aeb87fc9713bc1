"""How busy the machines of a training are, and how long its processes take."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

_TIMES = "/proc/stat"

cpu_load_backend_ok = os.path.exists(_TIMES)
"""Whether the load of processors is measured: where the system says how long they were busy, as Linux does."""
gpu_load_backend_ok = False
"""The load of GPUs is never measured."""

gpu_a_load: dict[str, Any] = {}
gpu_m_count = 0

_last: tuple[int, int] | None = None
_loads: list[float] = []


def _busy_and_all() -> tuple[int, int]:
    """For how long the processors were busy since the system started, and for how long altogether."""
    with open(_TIMES, encoding="ascii") as file:
        times = [int(text) for text in file.readline().split()[1:9]]
    idle = times[3] + times[4]
    return sum(times) - idle, sum(times)


def measure_cpu_gpu_instant_load() -> None:
    """Take a measurement: how busy the processors were since the last one."""
    global _last
    if not cpu_load_backend_ok:
        return
    busy, everything = _busy_and_all()
    if _last is not None and everything > _last[1]:
        _loads.append(100 * (busy - _last[0]) / (everything - _last[1]))
    _last = busy, everything


def get_cpu_gpu_average_load() -> list[list[Any]] | None:
    """The mean of the measurements since the last call, as `collect_and_shape_result` shapes it; ``None`` if there is
    none."""
    if not _loads:
        return None
    mean = sum(_loads) / len(_loads)
    _loads.clear()
    return collect_and_shape_result([[socket.gethostname(), mean]], [])


def collect_and_shape_result(c_load: Sequence[Sequence[Any]], g_load: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Loads of this machine in one row for each processor.

    Args:
        c_load: name and percentage of CPUs.
        g_load: name and percentage of GPUs.

    Returns:
        Lists of kind (``"cpu"`` or ``"gpu"``), name, and percentage.

    Example:
        >>> collect_and_shape_result([["host", 25.0]], [["host:0", 75.0]])
        [['cpu', 'host', 25.0], ['gpu', 'host:0', 75.0]]
    """
    return [[kind, *row] for kind, rows in (("cpu", c_load), ("gpu", g_load)) for row in rows]


class NodeTimeInfoCollector:
    """How long each process took for what is computed between synchronizations.

    Attributes:
        timelist: the number of the iteration and the seconds of each process, for each measurement.
    """

    def __init__(self) -> None:
        self.timelist: list[tuple[int, list[float]]] = []

    @contextmanager
    def collect_cost_time(self, comm: Any, iter_n: int) -> Iterator[None]:
        """Measure what is done inside.

        Args:
            comm: the communicator; without one, or alone in it, nothing is measured, as there is nobody to wait for.
            iter_n: number of the iteration.
        """
        start = time.perf_counter()
        yield
        if comm is None or comm.size <= 1:
            return
        from .._nd_array import NdArray

        mine = NdArray.from_numpy_array(np.array([time.perf_counter() - start]))
        everyone = [NdArray((1,)) for _ in range(comm.size)]
        comm.all_gather(mine, everyone)
        self.timelist.append((iter_n, [float(each.data[0]) for each in everyone]))
