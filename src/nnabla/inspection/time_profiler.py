"""`TimeProfiler`: how long parts of a training loop take, and the functions in them."""

from __future__ import annotations

import csv
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ..errors import GraphError
from ..ext_utils import import_extension_module
from ..files.atomic import replacing
from .clocks import CudaClock
from .function_hooks import FunctionHookCallbackBase

Average = dict[Hashable, dict[str, Any]]


class CpuTimerCallback(FunctionHookCallbackBase):
    """Measures what happens between its two hooks.

    Args:
        ext_name: of the extension that computes.
        device_id: of its device.

    Attributes:
        key_to_times: when each key last began and ended, since the last `calc_elapsed_time`.
        results: seconds of each key, one more with each `calc_elapsed_time`.
    """

    def __init__(self, ext_name: str, device_id: str | int) -> None:
        self.results: OrderedDict[Hashable, list[float]] = OrderedDict()
        self.device_id = device_id
        self.ext_module = import_extension_module(ext_name)
        self.key_to_times: OrderedDict[Hashable, list[Any]] = OrderedDict()

    @staticmethod
    def timer() -> float:
        """Seconds from some moment in the past."""
        return time.perf_counter()

    def _mark(self) -> Any:
        return self.timer()

    def _seconds(self, begin: Any, end: Any) -> float:
        return end - begin

    @property
    def pre_hook(self) -> Callable[[Hashable], None]:
        """Called with a key, such as a function, when it begins."""

        def begin(key: Hashable) -> None:
            self.key_to_times[key] = [self._mark()]

        return begin

    @property
    def post_hook(self) -> Callable[[Hashable], None]:
        """Called with the key when it ends."""

        def end(key: Hashable) -> None:
            if len(self.key_to_times.get(key, ())) != 1:
                raise ValueError(f"{type(self).__name__}: {key} ends, but did not begin")
            self.key_to_times[key].append(self._mark())

        return end

    def calc_elapsed_time(self) -> None:
        """Take the times of the last run of each key into `results`."""
        for key, marks in self.key_to_times.items():
            if len(marks) == 2:
                self.results.setdefault(key, []).append(self._seconds(*marks))
        self.key_to_times.clear()

    def average(self, start_index: int = 0) -> Average:
        """For each key the mean time in milliseconds and the number of times, without those before `start_index`."""
        found: Average = {}
        for key, times in self.results.items():
            counted = times[start_index:]
            if counted:
                found[key] = {"time": 1000 * sum(counted) / len(counted), "num": len(counted), "scale": "ms"}
        return found


class CudaTimerCallback(CpuTimerCallback):
    """The same by events of a GPU."""

    def __init__(self, ext_name: str, device_id: str | int) -> None:
        super().__init__(ext_name, device_id)
        self._clock = CudaClock(torch.device("cuda", int(device_id)))

    def _mark(self) -> Any:
        return self._clock.mark()

    def _seconds(self, begin: Any, end: Any) -> float:
        return self._clock.seconds([begin, end])[1]


_TIMERS = {"cpu": CpuTimerCallback, "cuda": CudaTimerCallback, "cudnn": CudaTimerCallback}


class TimeProfiler(FunctionHookCallbackBase):
    """Measures parts of a training loop, called scopes, and the functions that run in them.

    Args:
        ext_name: of the extension that computes: ``"cpu"``, ``"cuda"`` or ``"cudnn"``.
        device_id: of its device.

    Raises:
        NotImplementedError: there is no such extension.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> loss = F.sum(F.relu(nn.Variable((2, 3))))
        >>> profiler = TimeProfiler("cpu", "0")
        >>> hooks = {"function_pre_hook": profiler.pre_hook, "function_post_hook": profiler.post_hook}
        >>> for _ in range(3):
        ...     with profiler.scope("forward"):
        ...         loss.forward(**hooks)
        ...     profiler.calc_elapsed_time(["forward", "summary"])
        >>> [(str(key), value["num"]) for key, value in profiler.average()["forward"].items()]
        [('ReLU', 3), ('Sum', 3)]
    """

    def __init__(self, ext_name: str, device_id: str | int) -> None:
        if ext_name not in _TIMERS:
            raise NotImplementedError(f"TimeProfiler: ext_name must be one of {', '.join(_TIMERS)}, not {ext_name!r}")
        self.ext_name = ext_name
        self.device_id = device_id
        self.profiler = _TIMERS[ext_name]
        self.profilers: dict[str, CpuTimerCallback] = {}
        self._scope_name = ""
        self.create_new_profiler("summary")

    def create_new_profiler(self, scope_name: str) -> None:
        """Make the timer of a scope, in place of one that is there."""
        self.profilers[scope_name] = self.profiler(self.ext_name, self.device_id)

    @contextmanager
    def scope(self, scope_name: str) -> Iterator[None]:
        """Measure what is done inside, and count functions that run there to it.

        Args:
            scope_name: its name; all of one name are one scope.
        """
        if scope_name not in self.profilers:
            self.create_new_profiler(scope_name)
        outer, self._scope_name = self._scope_name, scope_name
        self.call_pre_hook("summary", scope_name)
        try:
            yield
        finally:
            self.call_post_hook("summary", scope_name)
            self._scope_name = outer

    def _profiler_of(self, scope_name: str) -> CpuTimerCallback:
        if not scope_name:
            raise GraphError("TimeProfiler: its hooks must be called within `with profiler.scope(name):`")
        if scope_name not in self.profilers:
            self.create_new_profiler(scope_name)
        return self.profilers[scope_name]

    def call_pre_hook(self, scope_name: str, key: Hashable) -> None:
        """Note that something begins in a scope."""
        self._profiler_of(scope_name).pre_hook(key)

    def call_post_hook(self, scope_name: str, key: Hashable) -> None:
        """Note that something ends in a scope.

        Raises:
            ValueError: it did not begin there.
        """
        self._profiler_of(scope_name).post_hook(key)

    @property
    def pre_hook(self) -> Callable[[Any], None]:
        """Called with each function before it runs, within a `scope`."""
        return lambda function: self.call_pre_hook(self._scope_name, function)

    @property
    def post_hook(self) -> Callable[[Any], None]:
        """Called with each function after it ran."""
        return lambda function: self.call_post_hook(self._scope_name, function)

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: a profiler may stand where a callback is expected."""

    def calc_elapsed_time(self, names: str | Sequence[str] | None = None) -> None:
        """Take the times of the last run of each function. To be called at the end of each iteration.

        Args:
            names: of one or several scopes; ``None`` (default) for all, and for how long the scopes took themselves,
                whose name is ``"summary"``.

        Raises:
            KeyError: there is no such scope.
        """
        if names is None:
            names = list(self.profilers)
        for name in [names] if isinstance(names, str) else names:
            if name not in self.profilers:
                raise KeyError(f"TimeProfiler: there is no scope {name!r}, only {list(self.profilers)}")
            self.profilers[name].calc_elapsed_time()

    def average(self, start_index: int = 0) -> dict[str, Average]:
        """For each scope the mean times of what ran in it, leaving out the first `start_index` iterations."""
        return {name: profiler.average(start_index) for name, profiler in self.profilers.items()}

    def get_all_results(self) -> dict[str, OrderedDict[Hashable, list[float]]]:
        """For each scope in which anything was measured the seconds of each function in each iteration."""
        return {name: profiler.results for name, profiler in self.profilers.items() if profiler.results}

    def to_csv(self, out_dir: str = "./", ignore_init: bool = True) -> None:
        """Write ``profile_summary.csv``, the scopes, and ``profile_detail.csv``, the functions in them.

        Args:
            out_dir: the folder, which is made.
            ignore_init: leave out the first iteration, which compiles and takes memory.
        """
        averages = self.average(1 if ignore_init else 0)
        summary = averages.pop("summary")
        rows = [[name, each["time"], each["scale"], each["num"]] for name, each in summary.items()]
        os.makedirs(out_dir, exist_ok=True)
        _write(os.path.join(out_dir, "profile_summary.csv"), [["scope", "time", "scale", "num"], *rows])
        _write(os.path.join(out_dir, "profile_detail.csv"), _details(averages))


def _details(averages: dict[str, Average]) -> list[list[Any]]:
    """A row for each function, with columns for each scope."""
    numbers: dict[str, int] = {}
    labels: dict[Hashable, str] = {}
    for average in averages.values():
        for key in average:
            if key not in labels:
                number = numbers[str(key)] = numbers.get(str(key), -1) + 1
                labels[key] = f"{key}_{number}"
    measured = [name for name, average in averages.items() if average]
    columns = [(field, name) for name in measured for field in ("time", "scale", "num")]
    header = ["scope", "original_key", *[f"{field}_{name}" for field, name in columns]]
    rows = [
        [label, key, *[averages[name].get(key, {}).get(field, "") for field, name in columns]]
        for key, label in labels.items()
    ]
    return [header, *rows]


def _write(path: str, rows: list[list[Any]]) -> None:
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
