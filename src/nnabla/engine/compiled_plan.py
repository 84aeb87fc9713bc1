"""Plans with parts that are compiled: which records these are, and how they take the place of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from .._array_view import ArrayAlias, LinkedArray
from .._nd_array import NdArray
from .._threads import OneThread, ThreadChoice
from .._write_counts import count_writes, watch
from ..graph.derivative import below_autograd
from ..graph.function import Function
from ..graph.operator import Kind
from ..graph.tracing import NotTraceableError
from .accumulation import accumulating
from .frame import LEAF, OPERATOR
from .inductor import compiled, first_line, missing, tell_once, traced
from .liveness import block_of
from .passes import free_dead, left_out, share_memory
from .program import Call, Cast, Free, Gradient, Idle, Link, Program, Record, UserCall, UserGradient
from .steps import Frame, LeafSlot, Receiver, free_step
from .tracer import Interface, Tracer, filled, form_of, interface

if TYPE_CHECKING:
    from .plan import BoundPlan, Plan

# Functions in a row. For fewer, a compiled call saves nothing.
_WORTH_COMPILING = 2

# Times that a plan is tried to be compiled on values with which it then has to go on as usual.
_MOST_TRIES = 3


Part = Callable[[Frame], Any]


class CompiledPart:
    """Some steps of a plan as one call.

    Calling it with a frame returns None if it has done what they do, or else why nothing was done.

    Args:
        call: the compiled function.
        types: of the inputs.
        face: what it has to do with the rest of the program.
        tracer: that it was made with.
        forms: those of what the operators in `face.kept_before` keep.
        operators: numbers of operators in the frame, by position.
    """

    def __init__(
        self,
        call: Callable[[list[Any]], Sequence[torch.Tensor]],
        types: list[torch.dtype],
        face: Interface,
        tracer: Tracer,
        forms: Sequence[Any],
        operators: dict[int, int],
    ) -> None:
        self._call = call
        self._inputs = face.inputs
        self._types = types
        self._kept_before = [(operators[p], form) for p, form in zip(face.kept_before, forms, strict=True)]
        self._outputs = face.outputs
        self._sums: list[Receiver] = [accumulating(number, dtype) for number, dtype in face.sums.items()]
        self._kept_after = [(operators[p], f) for p, f in zip(face.kept_after, tracer.forms_after, strict=True)]
        self._moved = face.moved
        self._freed = face.freed
        self._emptied = [operators[position] for position in face.emptied]
        self._assumes = tracer.assumes

    def __call__(self, frame: Frame) -> str | None:
        tensors = [frame[number]._tensor for number in self._inputs]
        for number, form in self._kept_before:
            if form_of(frame[number].kept, tensors) != form:
                return "what forward kept for a gradient has another form"
        try:
            as_compiled = [tensor.dtype for tensor in tensors] == self._types
        except AttributeError:
            as_compiled = False
        if not as_compiled:
            return "values are missing, or have another type"
        results = self._call(tensors)
        if watch.on:
            slots = [frame[number] for number in self._inputs]
            count_writes([s._tensor for s in slots if isinstance(s, LeafSlot) and s.kind is Kind.UPDATED])
        if self._assumes and not results[-1].item():
            return "what a function reads is out of its range"
        at = 0
        for number in self._outputs:
            frame[number]._tensor = results[at]
            at += 1
        for put in self._sums:
            put(frame, results[at])
            at += 1
        if self._kept_after:
            rest = iter(results[at:])
            for number, form in self._kept_after:
                frame[number].kept = filled(form, rest)
        for number in self._moved:
            frame[number]._seen = None
        for number in self._freed:
            frame[number]._tensor = None
        for number in self._emptied:
            frame[number].kept = None
        return None


class CompiledPlan:
    """The parts of a plan in their order, compiled ones and steps as they are.

    Args:
        way: "forward" or "backward".
        parts: each with the step of the usual plan that it begins with.
    """

    def __init__(self, way: str, parts: list[tuple[int, Part]]) -> None:
        self.way = way
        self.parts = parts

    def run(self, bound: BoundPlan) -> bool:
        """Carry out all parts; from one that cannot be, all steps of the usual plan. Returns whether all could be."""
        frame = bound.frame
        piece: tuple[int, Part] | None = None
        try:
            with below_autograd():
                for piece in self.parts:
                    reason = piece[1](frame)
                    if reason is not None:
                        break
                else:
                    return True
        except Exception as error:
            if piece is not None and not isinstance(piece[1], CompiledPart):
                bound._explain(piece[1], error)
            reason = first_line(error)
        tell_once(f"a {self.way} ran as usual this time: {reason}")
        bound.run_from(piece[0] if piece is not None else 0)
        return False


# ---- making them -------------------------------------------------------------------------------------------------


def improved_for_compiling(program: Program) -> Program:
    """What the passes make of a program that matter here: compiled code does the work of the others by itself."""
    for improve in (share_memory, free_dead):
        if improve.__name__ not in left_out():
            program = improve(program)
    return program


def prepare(plan: Plan, usual: Program, program: Program) -> None:
    """Let a plan be compiled when it runs for the first time, on the tensors that it meets then.

    Args:
        plan: for the usual way.
        usual: the program that it was lowered from.
        program: the same without passes.
    """
    reason = missing()
    if reason is not None:
        tell_once(f"graphs run as usual, since {reason}")
        return
    operators = {}
    for position, function in enumerate(program.order):
        if function._operator.keeps:
            operators[position] = len(plan.recipe)
            plan.recipe.append((OPERATOR, position, 0, None))
    program = improved_for_compiling(program)
    lowered = [record for record in usual.records if not isinstance(record, Idle)]
    steps = [i for i, record in enumerate(lowered) if not isinstance(record, Free)]
    plan.pending = Compilation(program, operators, steps, plan.threads).run
    plan.compiles = True


class Compilation:
    """Compiles a program while it runs for the first time.

    Args:
        program: to be compiled.
        operators: their numbers in the frame, by position.
        steps: for each record but those that free, the number of the usual plan's step.
        threads: how many the plan runs on.
    """

    def __init__(
        self, program: Program, operators: dict[int, int], steps: list[int], threads: OneThread | ThreadChoice
    ) -> None:
        # Code for several threads divides the shortest loop.
        self._threads = 1 if isinstance(threads, OneThread) else torch.get_num_threads()
        self._program = program
        self._records = program.records
        self._operators = operators
        self._steps = steps
        self._tries = 0
        # Numbers of records.
        self._refused: set[int] = set()
        leaves: dict[int, set[Any]] = {}
        for value in program.values:
            if value.source == LEAF:
                buffers = program.order[value.position]._inputs[value.i]._buffers
                leaves.setdefault(block_of(buffers.data), set()).add((id(buffers), *value.more))
        # Arrays that functions change, and that others read in another way.
        self._changed = {
            block for block, ways in leaves.items() if len(ways) > 1 and any([Kind.UPDATED in way[1:] for way in ways])
        }

    def run(self, bound: BoundPlan) -> tuple[bool, CompiledPlan | None]:
        """Run the plan, and compile it meanwhile.

        Returns:
            Whether that is finished, and not to be tried once more since the plan had to go on as usual; and what came
            of it, None where nothing is worth it.
        """
        self._tries += 1
        parts: list[tuple[int, Part]] = []
        done = CompiledPlan(self._program.way, parts)
        begin = passed = 0
        while begin < len(self._records):
            part: Part | None
            part, end = self._next(begin, bound.frame)
            if part is None:
                record = self._records[begin]
                end = begin + 1
                if isinstance(record, Idle):
                    begin = end
                    continue
                if isinstance(record, Free):
                    part = free_step(record.values, [self._operators[position] for position in record.operators])
                else:
                    part = bound.steps[self._steps[passed]]
            start = self._steps[passed] if passed < len(self._steps) else len(bound.steps)
            piece = (start, part)
            passed += sum([not isinstance(record, (Free, Idle)) for record in self._records[begin:end]])
            begin = end
            if not CompiledPlan(self._program.way, [piece]).run(bound):
                return self._tries == _MOST_TRIES, None
            parts.append(piece)
        is_worth_it = any([isinstance(part, CompiledPart) for _, part in parts])
        return True, done if is_worth_it else None

    def whole(self, frame: Frame) -> CompiledPart | None:
        """All records as one part; None where that cannot be."""
        end = len(self._records)
        if any([self._is_refused(number) for number in range(end)]):
            return None
        return self._part(0, end, frame)[0]

    def _next(self, begin: int, frame: Frame) -> tuple[CompiledPart | None, int]:
        """The compiled part that begins with a record, and where it ends; None where it cannot be compiled."""
        end = begin
        while end < len(self._records) and not self._is_refused(end):
            end += 1
        while self._is_worth_it(begin, end):
            part, reached = self._part(begin, end, frame)
            if part is not None:
                return part, end
            if reached == end:
                self._refused.update(range(begin, end))
                break
            end = reached
        return None, begin

    def _part(self, begin: int, end: int, frame: Frame) -> tuple[CompiledPart | None, int]:
        """Some records compiled. If not: up to which they could be; all of them where it is not for one of them."""
        records = self._records[begin:end]
        face = interface(self._program, records, self._records[end:])
        tensors = [frame[number]._tensor for number in face.inputs]
        forms = [form_of(frame[self._operators[position]].kept, tensors) for position in face.kept_before]
        if any([tensor is None for tensor in tensors]):
            return None, begin
        tracer = Tracer(self._program, records, face, forms)
        try:
            graph = traced(tracer.run, tensors)
        except NotTraceableError as error:
            if tracer.done < len(records):
                self._refuse(begin + tracer.done, str(error))
            else:
                tell_once(f"a {self._program.way} runs as usual: it {error}")
            return None, begin + tracer.done
        try:
            call = compiled(graph, tensors, self._threads)
        except Exception as error:
            tell_once(f"a {self._program.way} runs as usual, since TorchInductor fails: {first_line(error)}")
            return None, end
        types = [tensor.dtype for tensor in tensors]
        return CompiledPart(call, types, face, tracer, forms, self._operators), end

    def _is_worth_it(self, begin: int, end: int) -> bool:
        return sum([isinstance(r, (Call, Gradient)) for r in self._records[begin:end]]) >= _WORTH_COMPILING

    def _is_refused(self, number: int) -> bool:
        """Whether the record of that number cannot be compiled, as far as is known."""
        record = self._records[number]
        if number not in self._refused and not isinstance(record, (Free, Idle, Cast)):
            reason = self._refusal_of(self._program.order[record.function], record)
            if reason is not None:
                self._refuse(number, reason)
        return number in self._refused

    def _refuse(self, number: int, reason: str) -> None:
        self._refused.add(number)
        record = self._records[number]
        what = "a conversion" if isinstance(record, (Free, Cast)) else self._program.order[record.function].name
        tell_once(f"{what} runs as usual: it {reason}")

    def _refusal_of(self, function: Function, record: Record) -> str | None:
        """Why a record cannot be compiled; None if nothing speaks against it yet."""
        if isinstance(record, (UserCall, UserGradient)):
            return "is written in Python"
        operator = function._operator
        if operator.dynamic_shape:
            return "has a shape that depends on values"
        arrays = [*[v._buffers.data for v in function._inputs], *[b.data for b in function._outputs]]
        if any([_shows_a_part(array) for array in arrays]):
            return "has to do with a part of another array"
        if isinstance(record, Link):
            return None
        if Kind.INDEX in operator.wiring.kinds and not operator.checks_indices:
            return "reads indices, which must be looked at"
        if isinstance(record, Call):
            if record.kernel.writes:
                return "writes to one of its inputs"
            if self._changed and any([block_of(array) in self._changed for array in arrays]):
                return "has to do with an array that another function changes"
        elif operator.keeps and operator.grad is not None:
            try:
                form_of(operator.kept, [])
            except NotTraceableError as error:
                return str(error)
        return None


def _shows_a_part(array: NdArray) -> bool:
    while isinstance(array, ArrayAlias):
        if type(array) is not LinkedArray:
            return True
        array = array._base
    return False
