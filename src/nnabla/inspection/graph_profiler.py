"""`GraphProfiler`: how long each function of a graph takes, in NNabla 1.39's tables."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable, ItemsView, Mapping
from typing import Any, NamedTuple, TextIO

from .._version import __version__
from ..errors import ArgumentError
from ..ext_utils import import_extension_module
from ..graph.function import Function
from ..graph.variable import Variable
from .clocks import clock_of
from .function_timing import FunctionTimer, seconds_by_function
from .functions_seen import arguments_of, layer_of, parameter_names

_SCALES = {"m": 1e3, "u": 1e6, "n": 1e9}


def convert_time_scale(sec: float, format: str = "m") -> float:
    """Seconds in another unit.

    Args:
        sec: seconds.
        format: ``"m"`` for milliseconds, ``"u"`` for microseconds, ``"n"`` for nanoseconds.

    Raises:
        NotImplementedError: `format` is something else.

    Example:
        >>> convert_time_scale(0.25), convert_time_scale(0.25, "u")
        (250.0, 250000.0)
    """
    if format not in _SCALES:
        raise NotImplementedError(f"convert_time_scale: format must be one of {', '.join(_SCALES)}, not {format!r}")
    return sec * _SCALES[format]


class ProfileStat(NamedTuple):
    """What was measured of a function.

    Attributes:
        parameter_scope: of its parameters; ``None`` if it reads none.
        inputs_shape: shapes of the inputs.
        args_info: names and values of the arguments.
        function_name: its name.
        mean_time: of a run, in the unit of the profiler.
        n_run: number of runs.
    """

    parameter_scope: str | None
    inputs_shape: list[tuple[int, ...]]
    args_info: ItemsView[str, Any]
    function_name: str
    mean_time: str
    n_run: int


class GraphProfiler:
    """Measures the functions of a graph, forward and backward, the whole of it, and steps of training.

    Functions are measured while the graph runs as it always does; on a GPU by its own events. Parameters are changed
    by the steps of training, as in NNabla; `nnabla.profile` leaves them as they are.

    Args:
        graph: the end of the graph, such as a loss.
        device_id: of the device that computes.
        ext_name: of the extension that computes, ``"cpu"``, ``"cuda"`` or ``"cudnn"``.
        solver: with its parameters set; ``None`` to leave out training.
        n_run: most runs of each measurement.
        max_measure_execution_time: seconds after which a measurement ends: of one function, or of the whole graph.
        time_scale: unit of times: ``"m"``, ``"u"`` or ``"n"`` for milli-, micro- and nanoseconds.
        backward_accum: add gradients to those before, while functions are measured.

    Raises:
        ModuleNotFoundError: there is no such extension.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> profiler = GraphProfiler(F.sum(F.relu(nn.Variable((2, 3)))), device_id="0", ext_name="cpu", n_run=3)
        >>> profiler.run()
        >>> [(stat.function_name, stat.n_run) for stat in profiler.get_result()["forward"]]
        [('ReLU', 3), ('Sum', 3)]
    """

    def __init__(
        self,
        graph: Variable,
        device_id: str | int,
        ext_name: str,
        solver: Any = None,
        n_run: int = 100,
        max_measure_execution_time: float = 1,
        time_scale: str = "m",
        backward_accum: bool = False,
    ) -> None:
        self.graph = graph
        self.solver = solver
        self.n_run = n_run
        self.device_id = str(device_id)
        self.ext_name = ext_name
        self.ext_module = import_extension_module(ext_name)
        self.max_measure_execution_time = max_measure_execution_time
        self.time_scale = time_scale
        self.result: dict[str, Any] = {}
        self.name2val = parameter_names()
        self.backward_accum = backward_accum

    def _functions(self) -> list[Function]:
        found: list[Function] = []
        self.graph.visit(found.append)
        return found

    def _synchronize(self) -> None:
        self.ext_module.synchronize(device_id=self.device_id)

    def _mean(self, seconds: list[float]) -> str:
        mean = sum(seconds) / len(seconds) if seconds else 0.0
        return f"{convert_time_scale(mean, self.time_scale):.8g}"

    def _stats(self, run: Callable[..., Any], before: Callable[[], Any]) -> list[ProfileStat]:
        """Of each function, while `run` computes the graph again and again."""
        functions = self._functions()
        before()
        run()
        device = functions[-1].context.device
        measured: dict[Function, list[float]] = {}
        for _ in range(self.n_run):
            before()
            timer = FunctionTimer(clock_of(device))
            with timer.part(""):
                run(function_pre_hook=timer.pre_hook, function_post_hook=timer.post_hook)
            for function, times in seconds_by_function(timer.spans(), "").items():
                measured.setdefault(function, []).append(sum(times))
            if max(map(sum, measured.values()), default=0.0) >= self.max_measure_execution_time:
                break
        return [
            ProfileStat(
                layer_of(function, self.name2val) or None,
                [v.shape for v in function.inputs],
                arguments_of(function).items(),
                function.name,
                self._mean(measured.get(function, [])),
                len(measured.get(function, [])),
            )
            for function in functions
        ]

    def _whole(self, run: Callable[[], Any]) -> tuple[str, int]:
        """Mean time and number of runs."""
        run()
        self._synchronize()
        times: list[float] = []
        while len(times) < self.n_run and (not times or sum(times) < self.max_measure_execution_time):
            start = time.perf_counter()
            run()
            self._synchronize()
            times.append(time.perf_counter() - start)
        return self._mean(times), len(times)

    def _prepare_gradients(self) -> None:
        if self.backward_accum:
            return
        for function in self._functions():
            for variable in function.inputs:
                if variable.parent is None and variable.need_grad:
                    variable.grad.zero()

    def time_profiling_forward(self) -> None:
        """Measure each function in forward."""
        self.result["forward"] = self._stats(self.graph.forward, _nothing)

    def time_profiling_backward(self) -> None:
        """Measure each function in backward; one that has no gradient to compute gets 0."""
        self.graph.forward()
        self.result["backward"] = self._stats(self.graph.backward, self._prepare_gradients)

    def training_function(self) -> None:
        """One step of training.

        Raises:
            ArgumentError: there is no solver.
        """
        if self.solver is None:
            raise ArgumentError("GraphProfiler.training_function: the profiler was made without a solver")
        self.solver.zero_grad()
        self.graph.forward(clear_no_need_grad=True)
        self.graph.backward(clear_buffer=True)
        self.solver.update()

    def time_profiling_whole_graph(self) -> None:
        """Measure forward and backward of the whole graph, and training where there is a solver."""
        self.result["forward_all"], self.result["n_run_forward_all"] = self._whole(self.graph.forward)
        self.result["backward_all"], self.result["n_run_backward_all"] = self._whole(self.graph.backward)
        if self.solver is not None:
            self.result["training"], self.result["n_run_training"] = self._whole(self.training_function)

    def run(self) -> None:
        """Measure everything."""
        self.time_profiling_forward()
        self.time_profiling_backward()
        self.time_profiling_whole_graph()

    def get_result(self) -> dict[str, Any]:
        """What was measured.

        Returns:
            ``"forward"`` and ``"backward"``: a `ProfileStat` for each function, in the order of forward;
            ``"forward_all"``, ``"backward_all"`` and ``"training"``: times; ``"n_run_forward_all"`` and so on: the
            number of runs.
        """
        return self.result

    def _measured(self, name: str) -> Any:
        if name not in self.result:
            raise KeyError(f"GraphProfiler: {name!r} was not measured; call run() first")
        return self.result[name]

    def print_result(self) -> None:
        """Print it.

        Raises:
            KeyError: something was not measured.
        """
        print(f"time scale: {self.time_scale}")
        for direction in ("forward", "backward"):
            print(f"-----------------{direction}--------------------")
            for stat in self._measured(direction):
                print(stat)
            print()
        print(f"all forward: {self._measured('forward_all')}, all backward: {self._measured('backward_all')}")


class GraphProfilerCsvWriter:
    """Writes what a `GraphProfiler` measured as CSV. The header is written when it is made.

    Args:
        gb: the profiler.
        file: a text file that is open for writing; default standard output.
    """

    def __init__(self, gb: GraphProfiler, file: TextIO = sys.stdout) -> None:
        self.file = file
        self.gb = gb
        self.fields = ["parameter_scope", "function_name", "inputs_shape", "args_info", "forward", "backward"]
        self.fields += ["forward_n_run", "backward_n_run"]
        self._writer = csv.writer(file, lineterminator="\n")
        self.write_header()

    def write_header(self) -> None:
        """Write the settings of the profiler, and the names of the columns."""
        rows: list[list[Any]] = [
            ["num. of run", self.gb.n_run],
            ["device id", self.gb.device_id],
            ["ext name", self.gb.ext_name],
            ["time scale", self.gb.time_scale],
            ["nnabla version", __version__],
            [],
            self.fields,
        ]
        self._writer.writerows(rows)

    def check_same(self, f: Mapping[str, Any], b: Mapping[str, Any]) -> None:
        """Make sure that two measurements are of the same function.

        Args:
            f, b: `ProfileStat` as dictionaries.

        Raises:
            ValueError: they are not.
        """
        for name in ("parameter_scope", "inputs_shape", "args_info", "function_name"):
            one, other = f[name], b[name]
            if dict(one) != dict(other) if name == "args_info" else one != other:
                raise ValueError(f"GraphProfilerCsvWriter: {name} of forward is {one}, of backward {other}")

    def write(self) -> None:
        """Write what was measured.

        Raises:
            KeyError: something was not measured.
        """
        for f, b in zip(self.gb._measured("forward"), self.gb._measured("backward"), strict=True):
            self.check_same(f._asdict(), b._asdict())
            arguments = ", ".join(f"{name}: {value}" for name, value in f.args_info)
            times = [f.mean_time, b.mean_time, f.n_run, b.n_run]
            self._writer.writerow([f.parameter_scope, f.function_name, f.inputs_shape, arguments, *times])
        titles = {"forward": "forward all", "backward": "backward all"}
        for direction, title in titles.items():
            self._write_whole(f"{direction}_all", title)
        if "training" in self.gb.result:
            self._write_whole("training", "training(forward + backward + update)")

    def _write_whole(self, name: str, title: str) -> None:
        runs = self.gb._measured(f"n_run_{name}")
        self._writer.writerows([[], [title, self.gb._measured(name)], [f"{name}_n_run", runs]])


def _nothing() -> None:
    """Nothing has to be prepared."""
