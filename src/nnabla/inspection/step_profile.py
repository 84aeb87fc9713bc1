"""`nnabla.profile`: where the time of a training step goes."""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal, TextIO

import torch

from ..errors import ArgumentError
from ..graph.function import Function
from ..graph.operator import Kind
from ..graph.variable import Variable
from ..solvers.states import SolverState
from .clocks import clock_of
from .function_timing import FunctionTimer, Span, seconds_by_function
from .functions_seen import layer_of, parameter_names
from .operation_counts import backward_operations, forward_operations
from .text_table import html_table, in_units, text_table
from .trace_files import write_trace

By = Literal["type", "layer", "function"]


@dataclass
class Row:
    """Functions that a table has as one.

    Attributes:
        name: of the row.
        count: number of functions.
        forward, backward: seconds in a step.
        bytes: of the outputs.
        operations: floating point operations in a step, of those that are counted.
    """

    name: str
    count: int = 0
    forward: float = 0.0
    backward: float = 0.0
    bytes: int = 0
    operations: int = 0

    @property
    def seconds(self) -> float:
        """Forward and backward."""
        return self.forward + self.backward

    def add(self, other: Row) -> None:
        """Count the functions of another row to this one."""
        self.count += other.count
        self.forward += other.forward
        self.backward += other.backward
        self.bytes += other.bytes
        self.operations += other.operations


@dataclass
class Profile:
    """What `profile` found; printed, it is a table.

    Attributes:
        functions: a row for each function, in the order in which they run, with its type and its layer.
        parts: seconds of the parts of a step: ``"forward"``, ``"zero_grad"``, ``"backward"``, ``"update"``.
        step: seconds of a step that was measured.
        undisturbed: seconds of a step without hooks.
        peak: floating point operations that the device does in a second, in products of large matrices; ``None`` if
            it is not known.
        spans: all that was measured, see `nnabla.inspection.function_timing.Span`.
    """

    functions: list[tuple[Row, str, str]]
    parts: dict[str, float]
    step: float
    undisturbed: float
    peak: float | None
    device: str
    spans: list[Span] = field(repr=False)

    def rows(self, by: By = "type") -> list[Row]:
        """The functions of each type, or layer, as one row; or each on its own. The slowest come first.

        Raises:
            ArgumentError: `by` is something else.
        """
        if by not in ("type", "layer", "function"):
            raise ArgumentError(f"Profile: by must be 'type', 'layer' or 'function', not {by!r}")
        found: dict[str, Row] = {}
        for row, kind, layer in self.functions:
            name = row.name if by == "function" else kind if by == "type" else layer or f"({kind})"
            found.setdefault(name, Row(name)).add(row)
        return sorted(found.values(), key=lambda row: -row.seconds)

    @property
    def total(self) -> float:
        """Seconds in a step that functions and the solver took."""
        return sum(row.seconds for row, _, _ in self.functions) + sum(self._around().values())

    def _around(self) -> dict[str, float]:
        return {name: seconds for name, seconds in self.parts.items() if name not in ("forward", "backward")}

    def _cells(self, by: By) -> tuple[list[str], list[list[str]]]:
        rates = self.peak is not None or any(row.operations for row, _, _ in self.functions)
        header = ["layer" if by == "layer" else "function", "count", "forward ms", "backward ms", "share", "memory"]
        header += ["GFLOP/s"] if rates else []
        header += ["of peak"] if self.peak else []

        def line(
            name: str, count: str, forward: float | None, backward: float | None, rest: Sequence[str]
        ) -> list[str]:
            seconds = (forward or 0.0) + (backward or 0.0)
            cells = [name, count, *["" if t is None else f"{1000 * t:.3f}" for t in (forward, backward)]]
            cells += [f"{100 * seconds / self.step:.1f} %", *rest]
            return cells + [""] * (len(header) - len(cells))

        lines = []
        for row in self.rows(by):
            rest = [in_units(row.bytes, "B")]
            if row.operations and row.seconds:
                rate = row.operations / row.seconds
                rest.append(f"{rate * 1e-9:.1f}")
                rest += [f"{100 * rate / self.peak:.0f} %"] if self.peak else []
            lines.append(line(row.name, str(row.count), row.forward, row.backward if row.backward else None, rest))
        lines += [line(name, "", seconds, None, []) for name, seconds in self._around().items()]
        lines.append(line("(between functions)", "", max(self.step - self.total, 0.0), None, []))
        return header, lines

    def table(self, by: By = "type") -> str:
        """The table as text."""
        closing = f"A step takes {1000 * self.undisturbed:.3f} ms, {1000 * self.step:.3f} ms while it is measured"
        peak = f"; peak of {self.device}: {self.peak * 1e-9:.0f} GFLOP/s" if self.peak else ""
        return f"{text_table(*self._cells(by))}\n{closing}{peak}."

    __str__ = table

    def _repr_html_(self) -> str:
        """Representation in a notebook."""
        return html_table(*self._cells("type"))

    def write_trace(self, path: str) -> None:
        """Write all steps as a file for ``chrome://tracing`` and https://ui.perfetto.dev."""
        write_trace(path, self.spans)


def profile(
    loss: Variable,
    solver: Any = None,
    runs: int = 10,
    warm_up: int = 3,
    by: By = "type",
    trace: str | None = None,
    peak: float | bool = True,
    file: TextIO | None = None,
) -> Profile:
    """Run steps of training, measure each function, and print where the time goes.

    A step is ``loss.forward(clear_no_need_grad=True)``, and, where `loss` has a gradient, ``zero_grad``,
    ``loss.backward(clear_buffer=True)`` and ``solver.update()``. Functions are measured while the graph runs as it
    always does; on a GPU by its own events. The median of the steps counts. Parameters, running statistics and the
    solver's states are afterwards what they were before.

    Args:
        loss: the end of the graph, whose inputs have their values.
        solver: with its parameters set; ``None`` to leave out the update.
        runs: number of steps that are measured.
        warm_up: steps before that, which do not count: the first one compiles the graph.
        by: what is one row of the table: ``"type"`` of function, ``"layer"``, or ``"function"``.
        trace: path of a file to write for ``chrome://tracing`` and https://ui.perfetto.dev.
        peak: floating point operations a second to compare with; True: measured; False: no comparison.
        file: where the table goes; default standard output.

    Returns:
        What was measured; its `table` can be asked for by other rows.

    Raises:
        TypeError: `loss` is not a Variable.
        ArgumentError: `runs` is below 1, `warm_up` negative, or `by` unknown.
        GraphError: no function made `loss`.

    Example:
        >>> import io
        >>> import nnabla as nn, nnabla.functions as F, nnabla.parametric_functions as PF, nnabla.solvers as S
        >>> nn.clear_parameters()
        >>> loss = F.mean(F.relu(PF.affine(nn.Variable((8, 3)), 4)))
        >>> solver = S.Sgd()
        >>> solver.set_parameters(nn.get_parameters())
        >>> found = nn.profile(loss, solver, runs=2, peak=False, file=io.StringIO())
        >>> sorted(row.name for row in found.rows()), list(found.parts)
        (['Affine', 'Mean', 'ReLU'], ['forward', 'zero_grad', 'backward', 'update'])
    """
    if not isinstance(loss, Variable):
        raise TypeError(f"profile: loss must be a Variable, not {type(loss).__name__}")
    if runs < 1 or warm_up < 0:
        raise ArgumentError(f"profile: runs must be at least 1 and warm_up at least 0, not {runs} and {warm_up}")
    found = _measured(loss, solver, runs, warm_up, peak)
    found.rows(by)
    print(found.table(by), file=file or sys.stdout)
    if trace is not None:
        found.write_trace(trace)
    return found


def _measured(loss: Variable, solver: Any, runs: int, warm_up: int, peak: float | bool) -> Profile:
    functions: list[Function] = []
    loss.visit(functions.append)
    if not functions:
        loss.forward()  # which says what is wrong
    device = functions[-1]._operator.device
    saved = _Saved(functions, solver)
    try:
        timer = FunctionTimer(clock_of(device))
        plain = []
        for i in range(warm_up + runs):
            # In turns, so that what else the machine does falls on both.
            start = time.perf_counter()
            _step(loss, functions, solver, None)
            _wait(device)
            end = time.perf_counter()
            if i < warm_up:
                _step(loss, functions, solver, FunctionTimer(clock_of(device)))
            else:
                plain.append(end - start)
                with timer.part("step"):
                    _step(loss, functions, solver, timer)
    finally:
        saved.restore()
    if peak is True:
        peak = measured_peak(device, functions[-1]._operator.compute_dtype)
    spans = timer.spans()
    names = parameter_names()
    forward, backward = (seconds_by_function(spans, label) for label in ("forward", "backward"))
    rows = []
    for number, function in enumerate(functions):
        layer, kind = layer_of(function, names), function.info.type_name
        row = Row(f"{number} {layer + '/' if layer else ''}{kind}", 1)
        row.forward = median(forward[function]) if function in forward else 0.0
        row.operations = forward_operations(function)
        if function in backward:
            row.backward = median(backward[function])
            row.operations += backward_operations(function)
        row.bytes = sum(v.size * v._buffers.data.dtype.itemsize for v in function.outputs)
        rows.append((row, kind, layer))
    parts: dict[str, list[float]] = {}
    for span in spans:
        if span.function is None:
            parts.setdefault(span.label, []).append(span.seconds)
    steps = median(parts.pop("step"))
    means = {label: median(times) for label, times in parts.items()}
    return Profile(rows, means, steps, median(plain), peak or None, str(device), spans)


def _step(loss: Variable, functions: list[Function], solver: Any, timer: FunctionTimer | None) -> None:
    """One step; its parts are measured if there is a timer."""
    if timer is None:
        loss.forward(clear_no_need_grad=True)
        if loss.need_grad:
            _zero(functions, solver)
            loss.backward(clear_buffer=True)
            if solver is not None:
                solver.update()
        return
    hooks: dict[str, Any] = {"function_pre_hook": timer.pre_hook, "function_post_hook": timer.post_hook}
    with timer.part("forward"):
        loss.forward(clear_no_need_grad=True, **hooks)
    if loss.need_grad:
        with timer.part("zero_grad"):
            _zero(functions, solver)
        with timer.part("backward"):
            loss.backward(clear_buffer=True, **hooks)
        if solver is not None:
            with timer.part("update"):
                solver.update()


def _zero(functions: list[Function], solver: Any) -> None:
    """Without a solver, gradients would be added up from step to step."""
    if solver is not None:
        solver.zero_grad()
        return
    for function in functions:
        for variable in function._inputs:
            if variable._parent is None and variable.need_grad:
                variable.grad.zero()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class _Saved:
    """Copies of all that a step of training changes.

    Args:
        functions: of the graph.
        solver: or None.
    """

    def __init__(self, functions: list[Function], solver: Any) -> None:
        self._solver = solver
        written: dict[Variable, None] = dict.fromkeys(solver.get_parameters().values() if solver else ())
        for function in functions:
            kinds = function._operator.wiring.kinds if function._operator.present else ()
            written.update((v, None) for v, kind in zip(function._inputs, kinds, strict=False) if kind is Kind.UPDATED)
        self._arrays = [(v.data, v.d.copy()) for v in written]
        self._states = {
            key: ({name: v.d.copy() for name, v in state.pstate.items()}, state.t)
            for key, state in (solver.get_states() if solver else {}).items()
        }

    def restore(self) -> None:
        """Write them back."""
        for array, values in self._arrays:
            array.data = values
        if self._states:
            self._solver.set_states(
                {
                    key: SolverState(OrderedDict((n, Variable.from_numpy_array(a)) for n, a in arrays.items()), t)
                    for key, (arrays, t) in self._states.items()
                }
            )


_peaks: dict[tuple[str, torch.dtype], float] = {}

# Large enough for the peak rate, and a tenth of a second on a slow core.
_SIDE = 1024
_SECONDS = 0.1


def measured_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Floating point operations a second that a device does in the best of several products of square matrices.

    Measured once for each type.
    """
    key = str(device), dtype
    if key not in _peaks:
        a = torch.ones((_SIDE, _SIDE), dtype=dtype, device=device)
        best, spent = float("inf"), 0.0
        while spent < _SECONDS:
            _wait(device)
            start = time.perf_counter()
            torch.mm(a, a)
            _wait(device)
            seconds = time.perf_counter() - start
            best, spent = min(best, seconds), spent + seconds
        _peaks[key] = 2 * _SIDE**3 / best
    return _peaks[key]
