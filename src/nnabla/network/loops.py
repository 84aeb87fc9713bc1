"""Loops in a described network, written out: each function once for each time that it is gone through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from .loop_control import is_loop_control
from .proto_function import ProtoFunction
from .proto_variable import ProtoVariable

MOST_ENTRIES = 100_000
"""Functions and variables that a network may become: some hundred megabytes."""

KEPT = "$EC$/"
"""What names of the Identity functions begin with that pass values from one time to the next."""

Times = dict[str, int]
"""By the name of a loop, which time it is."""


def expand(network: Any, expanded: Any) -> None:
    """Fill an empty network with what another one becomes when its loops are written out.

    A variable ``h`` in a loop ``r`` becomes ``h_r[0]``, ``h_r[1]``, ...; one that stands in two loops ``h_r[0]_q[0]``.
    RepeatStart is an Identity of its first input at first, and of its second one of the time before afterwards;
    RepeatEnd is one of its input of the last time. RecurrentInput is a Split along the axis of time, RecurrentOutput
    a Stack of all times. Delay is an Identity of its second input at first, and of its first one of the time before
    afterwards.

    Args:
        network: described, with loops.
        expanded: takes the functions and variables, and in `copies` what became of each name.

    Raises:
        ValueError: loops do not fit together, or the network would become too large.
    """
    _Expansion(network, expanded).run()


class _Expansion:
    def __init__(self, network: Any, expanded: Any) -> None:
        self.network = network
        self.expanded = expanded
        self.lengths = dict(network.repeat_info)
        for function in network.functions.values():
            if function.repeat_param is not None:
                self.lengths.setdefault(function.repeat_param.repeat_id, function.repeat_param.times)
            if function.recurrent_param is not None:
                self.lengths.setdefault(function.recurrent_param.repeat_id, function.recurrent_param.length)

    def run(self) -> None:
        variables = [*self.network.variables.values(), *self.network.parameters.values()]
        functions = list(self.network.functions.values())
        count = sum(self._count(entry) for entry in (*variables, *functions))
        if count > MOST_ENTRIES:
            raise self._error(f"its loops make {count} functions and variables, more than {MOST_ENTRIES}")
        for variable in variables:
            for name in self._copies(variable):
                self.expanded.add_variable(_copied(variable, name))
        for function in functions:
            write_out = _CONTROL.get(function.type, _Expansion._plain)
            for name, inputs, outputs, kind, args in write_out(self, function):
                written = ProtoFunction(function._func, kind, args, name, self.expanded)
                written.inputs, written.outputs, written.path_name = inputs, outputs, function.path_name
                written._present = function._present
                self.expanded.add_function(written)

    def _error(self, words: str) -> ValueError:
        return ValueError(f"network {self.network.name!r}: {words}")

    # ---- names ---------------------------------------------------------------------------------------------

    def _length(self, loop: str) -> int:
        length = self.lengths.get(loop, 0)
        if length < 1:
            raise self._error(f"loop {loop!r} has no times to be gone through, or {length}")
        return length

    def _count(self, entry: Any) -> int:
        count = 1
        for loop in entry.repeat_id:
            count *= self._length(loop)
        return count

    def _copies(self, variable: ProtoVariable) -> list[str]:
        names = [f"{variable.name}{_suffix(times)}" for times in self._all_times(variable.repeat_id)]
        if variable.repeat_id:
            self.expanded.copies[variable.name] = names
        return names

    def _all_times(self, loops: Sequence[str]) -> Iterator[Times]:
        for indices in product(*(range(self._length(loop)) for loop in loops)):
            yield dict(zip(loops, indices, strict=True))

    def _at(self, name: str, times: Times, function: ProtoFunction) -> str:
        """The copy of a variable at some times of its loops."""
        variable = self.network._variable(name)
        for loop in variable.repeat_id:
            if loop not in times:
                raise self._error(f"{function.name!r} uses {name!r} outside of its loop {loop!r}")
            if not 0 <= times[loop] < self._length(loop):
                raise self._error(f"{function.name!r} uses {name!r} at time {times[loop]} of loop {loop!r}")
        return f"{name}{_suffix({loop: times[loop] for loop in variable.repeat_id})}"

    # ---- functions -----------------------------------------------------------------------------------------
    # Each yields, for each copy of a function, its name, inputs, outputs, type and arguments.

    def _plain(self, function: ProtoFunction) -> Iterator[tuple[Any, ...]]:
        for times in self._all_times(function.repeat_id):
            inputs = [self._at(name, times, function) for name in function.inputs]
            outputs = [self._at(name, times, function) for name in function.outputs]
            yield f"{function.name}{_suffix(times)}", inputs, outputs, function.type, function.args

    def _loop_of(self, function: ProtoFunction, inside: bool, inputs: int) -> str:
        """The loop that a control function belongs to."""
        said = function.repeat_param or function.recurrent_param
        if said is None or (said.repeat_id in function.repeat_id) != inside:
            where = "inside" if inside else "outside"
            raise self._error(f"{function.type} {function.name!r} must name its loop, and stand {where} of it")
        if len(function.inputs) != inputs or len(function.outputs) != 1:
            raise self._error(f"{function.type} {function.name!r} requires {inputs} inputs and one output")
        return said.repeat_id

    def _passing_on(self, function: ProtoFunction, first: int, others: int) -> Iterator[tuple[Any, ...]]:
        """An Identity of input number `first` at first, and of number `others` of the time before afterwards."""
        loop = self._loop_of(function, True, 2)
        for times in self._all_times(function.repeat_id):
            position, before = (others, times[loop] - 1) if times[loop] else (first, 0)
            source = self._at(function.inputs[position], times | {loop: before}, function)
            output = self._at(function.outputs[0], times, function)
            yield f"{KEPT}{function.name}{_suffix(times)}", [source], [output], "Identity", {}

    def _repeat_start(self, function: ProtoFunction) -> Iterator[tuple[Any, ...]]:
        return self._passing_on(function, 0, 1)

    def _delay(self, function: ProtoFunction) -> Iterator[tuple[Any, ...]]:
        return self._passing_on(function, 1, 0)

    def _repeat_end(self, function: ProtoFunction) -> Iterator[tuple[Any, ...]]:
        loop = self._loop_of(function, False, 1)
        for times in self._all_times(function.repeat_id):
            source = self._at(function.inputs[0], times | {loop: self._length(loop) - 1}, function)
            output = self._at(function.outputs[0], times, function)
            yield f"{KEPT}{function.name}{_suffix(times)}", [source], [output], "Identity", {}

    def _recurrent_input(self, function: ProtoFunction) -> Iterator[tuple[Any, ...]]:
        loop = self._loop_of(function, True, 1)
        axis = function.recurrent_param.axis if function.recurrent_param else 0
        for times in self._all_times([other for other in function.repeat_id if other != loop]):
            source = self._at(function.inputs[0], times, function)
            outputs = [
                self._at(function.outputs[0], times | {loop: time}, function) for time in range(self._length(loop))
            ]
            yield f"{function.name}{_suffix(times)}", [source], outputs, "Split", {"axis": axis}

    def _recurrent_output(self, function: ProtoFunction) -> Iterator[tuple[Any, ...]]:
        loop = self._loop_of(function, False, 1)
        axis = function.recurrent_param.axis if function.recurrent_param else 0
        for times in self._all_times(function.repeat_id):
            sources = [
                self._at(function.inputs[0], times | {loop: time}, function) for time in range(self._length(loop))
            ]
            output = self._at(function.outputs[0], times, function)
            yield f"{function.name}{_suffix(times)}", sources, [output], "Stack", {"axis": axis}


_CONTROL = {
    "RepeatStart": _Expansion._repeat_start,
    "RepeatEnd": _Expansion._repeat_end,
    "RecurrentInput": _Expansion._recurrent_input,
    "RecurrentOutput": _Expansion._recurrent_output,
    "Delay": _Expansion._delay,
}


def _suffix(times: Times) -> str:
    return "".join(f"_{loop}[{time}]" for loop, time in times.items())


def _copied(variable: ProtoVariable, name: str) -> ProtoVariable:
    copy = variable.clone()
    copy.name = name
    copy.parent, copy.required, copy.repeat_id = None, [], []
    return copy


def has_loops(network: Any) -> bool:
    """Whether there are loops in a described network."""
    return bool(network.repeat_info) or any(is_loop_control(f.type) for f in network.functions.values())
