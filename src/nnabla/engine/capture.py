"""Runs of a plan on a GPU as one CUDA graph: the GPU is told once what to do, and from then on to do it again.

Telling it costs some microseconds for each kernel, more than many kernels of small networks take. A graph repeats the
same kernels on the same addresses, whatever Python would do meanwhile. So it stands for a run only where all that the
run would read is where it was at the capture: the tensors of inputs, of parameters, of what forward has left behind,
and whether gradients are to be added to. Else the plan runs as usual. A plan is captured when a few runs were alike.

What could not be repeated is never captured: functions of users, functions that draw random numbers, those whose
shapes depend on data, those whose gradient autograd derives. What the GPU refuses to capture (a kernel that waits for
a result) runs as usual for good. After a replay, arrays hold the tensors that they held after the capture: tensors of
the graph, whose values change with the next replay.

Switched on by `nnabla_ext.cuda.set_graph_capture`, or by the environment variable ``NNABLA_CUDA_GRAPHS=1``. So far
nobody has run it on a GPU: tests put a recorder of calls in the place of one.

Source: CUDA C++ Programming Guide, CUDA graphs; torch.cuda.CUDAGraph.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .._array_view import ArrayAlias, LinkedArray
from .._nd_array import NdArray
from ..graph.callback import Callback
from ..graph.derivative import below_autograd
from ..graph.function import Function
from ..graph.variable import Buffers
from ..logger import logger
from .steps import CastSlot

# Runs that must be alike before one is captured, and captures of a plan after which it is left alone.
_ALIKE, _CAPTURES = 3, 4

# (object, attribute, value)
_State = list[tuple[Any, str, Any]]


class _Option:
    """Whether plans are captured; one object, which all plans ask."""

    def __init__(self) -> None:
        self.is_on = os.environ.get("NNABLA_CUDA_GRAPHS", "") not in ("", "0")


option = _Option()


def _is_on_gpu(device: torch.device) -> bool:
    return device.type == "cuda"


def _captured(run: Callable[[], None]) -> Any:
    """A graph of what `run` has a GPU do; nothing of it is done yet.

    Raises:
        RuntimeError: it cannot be captured.
    """
    graph = torch.cuda.CUDAGraph()
    # Other threads may go on meanwhile, such as those that read data.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        run()
    return graph


def is_repeatable(order: Sequence[Function]) -> bool:
    """Whether what functions do may be captured: on a GPU, and the same in each run."""
    return bool(order) and all(map(_is_repeatable, order))


def _is_repeatable(function: Function) -> bool:
    operator = function._operator
    if not _is_on_gpu(operator.device) or isinstance(operator, Callback) or operator.dynamic_shape:
        return False
    return "seed" not in function.info.args and not (function._needs_grad and operator.grad is None)


class Capture:
    """The graph of one plan, and what must be as it was for it to be replayed.

    Args:
        reads: numbers of the values that the plan reads before it writes them.
        reads_kept: whether it reads what forward has left in operators.
    """

    __slots__ = ("_after", "_alike", "_graph", "_held", "_last", "_left", "_marks", "_reads", "_reads_kept")

    def __init__(self, reads: Sequence[int], reads_kept: bool) -> None:
        self._reads = reads
        self._reads_kept = reads_kept
        self._graph: Any = None
        # What was read at the capture, how to know it again, and what was there after it.
        self._held: list[Any] = []
        self._marks: list[Any] = []
        self._after: _State = []
        self._left = _CAPTURES
        # The same of the last run, and how many runs were alike.
        self._last: list[Any] = []
        self._alike = 0

    def run(self, plan: Any) -> bool:
        """Run a plan whose inputs are loaded; returns False where it has to run as usual."""
        if not option.is_on:
            return False
        found = self._found(plan)
        marks = [_mark(each) for each in found]
        if self._graph is not None and marks == self._marks:
            self._graph.replay()
            _set(self._after)
            return True
        self._alike = self._alike + 1 if marks == self._last else 0
        self._last = marks
        if self._alike < _ALIKE or not self._left:
            return False
        self._alike = 0
        self._left -= 1
        if not self._try(plan):
            self._left = 0
            return False
        self._held, self._marks = found, marks
        return True

    def _try(self, plan: Any) -> bool:
        """Capture a run, and replay it; returns False, with everything as it was, where that is not possible."""
        if any([isinstance(entry, ArrayAlias) and not isinstance(entry, LinkedArray) for entry in plan.frame]):
            return False
        before = _state(plan)

        def run() -> None:
            with below_autograd():
                for step in plan.steps:
                    step(plan.frame)

        try:
            graph = _captured(run)
        except RuntimeError as error:
            logger.info("A plan of %d steps is not captured as a CUDA graph: %s", len(plan.steps), error)
            _set(before)
            return False
        self._graph, self._after = graph, _state(plan)
        graph.replay()
        return True

    def _found(self, plan: Any) -> list[Any]:
        """What the plan would read."""
        frame = plan.frame
        found = [frame[number]._tensor for number in self._reads]
        if self._reads_kept:
            found += [function._operator.kept for function in plan.functions if function is not None]
        for entry in frame:
            if type(entry) is Buffers:
                grad = entry.grad
                # Added to, or written where nothing or zero is promised; another promise is a number that may change.
                found += [grad, grad._tensor, object() if grad._fill else None]
        return found


def _mark(thing: Any) -> Any:
    """What is the same for tensors that a graph cannot tell apart, and for no other things that live at the time."""
    if isinstance(thing, torch.Tensor):
        return thing.data_ptr(), thing.dtype, thing.shape, thing.stride()
    return id(thing)


def _state(plan: Any) -> _State:
    """All that a run of the plan changes in Python's objects."""
    state: _State = []
    for entry in plan.frame:
        if isinstance(entry, ArrayAlias):
            # It looks for its memory anew.
            state.append((entry, "_seen", None))
        elif isinstance(entry, (NdArray, CastSlot)):
            state.append((entry, "_tensor", entry._tensor))
        elif type(entry) is Buffers:
            state += [(entry.grad, "_tensor", entry.grad._tensor), (entry.grad, "_fill", entry.grad._fill)]
    return state + [(f._operator, "kept", f._operator.kept) for f in plan.functions if f is not None]


def _set(state: _State) -> None:
    for thing, attribute, value in state:
        setattr(thing, attribute, value)
