"""Passes that carry out several functions at once: layers with the same weights, as those of a recurrent network.

They save calls, which is what networks of small arrays spend their time on. What a function computes comes sooner or
later than in its turn, so they are left out where hooks look at each function; see `passes.improved`.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Sequence

from ..graph.prototype import kind_of
from .frame import LEAF
from .kernel_choice import ForwardKernel, JoinedForwardKernel, JoinedKernel
from .liveness import block_of
from .program import (
    ACCUMULATE,
    NOTHING,
    Call,
    Gradient,
    JoinedCall,
    JoinedGradient,
    Program,
    Record,
    writers,
    written_by,
)

# Functions. For fewer that share a weight, joining their inputs takes as long as it saves.
_WORTH_JOINING = 3

# Elements of a function's input and output together. So much is copied in the time of the calls that are saved; more
# only where the weight is larger still, whose gradient is written once instead of each time.
_CHEAP_TO_JOIN = 1 << 13


# Elements of all inputs and outputs of calls that are joined: the outputs are there sooner than they would be, and
# leave together.
_FEW_ENOUGH = 1 << 15


def join_calls(program: Program) -> Program:
    """Compute layers that share their weights at once, where all that they read is there: a network's input layers."""
    if program.way != "forward":
        return program
    order, records = program.order, program.records
    groups: dict[object, list[tuple[int, Call]]] = {}
    for place, record in enumerate(records):
        if isinstance(record, Call):
            operator = order[record.function]._operator
            if operator.dynamic_shape:
                # Sizes are not known yet.
                return program
            if operator.join is not None:
                key = kind_of(operator), record.reads[1:], record.kernel
                groups.setdefault(key, []).append((place, record))
    found = [members for members in groups.values() if len(members) >= _WORTH_JOINING]
    if not found:
        return program
    # The place of the record that writes a value.
    made = {number: place for place, record in enumerate(records) for number in written_by(record)}
    writing = writers(program)
    changed: dict[int, list[Record]] = {}
    for members in found:
        members = [(place, record) for place, record in members if _is_joinable(program, record)]
        # What is read must be there, and be what it would be later.
        members = [
            (place, record)
            for place, record in members
            if made.get(record.reads[0], -1) < members[0][0]
            and bisect(writing, members[0][0]) == bisect(writing, place)
        ]
        if len(members) < _WORTH_JOINING:
            continue
        calls = [record for _, record in members]
        first = order[calls[0].function]
        copied = first._inputs[0].size + first._outputs[0].data.size
        if copied and copied * len(calls) <= _FEW_ENOUGH:
            changed.update({place: [] for place, _ in members})
            changed[members[0][0]] = [
                JoinedCall(
                    calls[0].function,
                    tuple([record.function for record in calls]),
                    JoinedForwardKernel(),
                    tuple([record.reads[0] for record in calls]),
                    calls[0].reads[1:],
                    tuple([record.writes[0] for record in calls]),
                )
            ]
    return _replaced(program, changed)


def _is_joinable(program: Program, record: Call) -> bool:
    """Whether all inputs but the first are leaves, and the output may have memory in common with others."""
    return (
        record.kernel == ForwardKernel(record.kernel.keep)
        and all([n == NOTHING or program.values[n].source == LEAF for n in record.reads[1:]])
        and block_of(program.order[record.function]._outputs[0].data) not in program.exposed
    )


def _replaced(program: Program, changed: dict[int, list[Record]]) -> Program:
    """The program with other records at some places."""
    if not changed:
        return program
    records: list[Record] = []
    for place, record in enumerate(program.records):
        records += changed.get(place, (record,))
    return program._replace(records=records)


def join_gradients(program: Program) -> Program:
    """Compute the gradients of a weight that many functions share at once: a recurrent network's, over all steps."""
    if program.way != "backward":
        return program
    order, records = program.order, program.records
    groups: dict[object, list[int]] = {}
    for place, record in enumerate(records):
        if isinstance(record, Gradient):
            operator = order[record.function]._operator
            if operator.join_grad is not None and not record.kernel.derived:
                leaves = tuple([(put.input, put.value) for put in record.puts if put.input and put.how == ACCUMULATE])
                if leaves:
                    groups.setdefault((kind_of(operator), leaves), []).append(place)
    changed: dict[int, list[Record]] = {}
    for places in groups.values():
        if len(places) >= _WORTH_JOINING and _is_cheap_to_join(program, places):
            _join(program, places, changed)
    return _replaced(program, changed)


def _is_cheap_to_join(program: Program, places: Sequence[int]) -> bool:
    members = [record for record in map(program.records.__getitem__, places) if isinstance(record, Gradient)]
    function = program.order[members[0].function]
    copied = function._inputs[0].size + function._outputs[0].data.size
    if not copied or copied > max(_CHEAP_TO_JOIN, max([v.size for v in function._inputs[1:]])):
        return False
    # An input that is computed again is meant to be gone soon.
    again = {n for r in program.records if isinstance(r, Call) and r.kernel.repeats for n in r.writes}
    return not again or not any([again.intersection(_numbers(record)) for record in members])


def _numbers(record: Gradient) -> Iterator[int]:
    for argument in record.arguments:
        assert type(argument) is int
        yield argument


def _join(program: Program, places: Sequence[int], changed: dict[int, list[Record]]) -> None:
    """Take the gradients of weights from the records at `places`, and compute them behind the last one."""
    members: list[Gradient] = []
    for place in places:
        record = program.records[place]
        assert isinstance(record, Gradient)
        members.append(record)
        rest = tuple([put for put in record.puts if not put.input or put.how != ACCUMULATE])
        wiring = program.order[record.function]._operator.wiring
        wanted = {wiring.places[put.input] for put in rest}
        need = tuple([i in wanted for i in range(len(record.kernel.need))])
        changed[place] = [record._replace(puts=rest).with_kernel(need=need)] if rest else []
    last = members[-1]
    puts = tuple([put for put in last.puts if put.input and put.how == ACCUMULATE])
    wiring = program.order[last.function]._operator.wiring
    wanted = {wiring.places[put.input] for put in puts}
    changed[places[-1]].append(
        JoinedGradient(
            last.function,
            tuple([record.function for record in members]),
            JoinedKernel(tuple([i in wanted for i in range(len(last.kernel.need))])),
            tuple([record.dys for record in members]),
            tuple(zip(*[_numbers(record) for record in members], strict=True)),
            puts,
        )
    )
