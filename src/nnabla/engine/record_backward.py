"""Backward as a program: which functions have a gradient, what it reads, and where its results go."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..errors import GraphError
from ..graph.callback import Callback
from ..graph.function import Function
from ..graph.operator import Operator
from ..graph.setup import wanted_inputs, with_gaps
from ..graph.variable import Variable
from .kernel_choice import GradientKernel
from .liveness import block_of, blocks, exposed_arrays, intermediate, is_recomputed
from .program import ACCUMULATE, ADD, ASSIGN, Argument, Gradient, Idle, Program, Put, UserGradient
from .record_forward import record_function
from .recorder import Recorder
from .steps import CastSlot

_FULL = {torch.float16: torch.float32, torch.bfloat16: torch.float32}


def active_functions(order: Sequence[Function], root: Variable) -> dict[int, list[bool]]:
    """Positions of the functions that gradients from `root` pass through, last first, with the inputs that want one."""
    reached = {id(root._buffers.data)} if root._need_grad is not False else set()
    active = {}
    for position in range(len(order) - 1, -1, -1):
        function = order[position]
        if not function._needs_grad:
            continue
        for buffers in function._outputs:
            if id(buffers.data) in reached:
                break
        else:
            continue
        inputs = function._inputs
        active[position] = wanted = wanted_inputs(function._operator, inputs)
        for i, wants in enumerate(wanted):
            if wants and inputs[i]._parent is not None:
                reached.add(id(inputs[i]._buffers.data))
    return active


def record_backward(order: Sequence[Function], root: Variable, clear_buffer: bool) -> Program:
    """One record for each function that gradients pass through, last first; nothing is freed yet."""
    return _Backward(order, root, clear_buffer).record()


class _Backward:
    """The state of one recording."""

    def __init__(self, order: Sequence[Function], root: Variable, clear_buffer: bool) -> None:
        self.order = order
        self.root = root
        self.clear_buffer = clear_buffer
        self.recorder = Recorder(order, ran=True)
        self.seed = self.recorder.seed(order[-1]._operator.compute_dtype)
        self.active = active_functions(order, root)
        # Of gradients by the array of the data, and of the data.
        self.free = intermediate(order, (root,))
        self.blocks = blocks(order, self.free)
        # Arrays of intermediate variables that hold a gradient already, when the next record runs.
        self.written: set[int] = set()
        # Those among them whose gradient is a tensor that nothing else holds.
        self.sole: set[int] = set()
        self._refuse_overwritten()
        self.recomputed = {block for block in self.blocks if is_recomputed(block, self.free)}

    def record(self) -> Program:
        recorder = self.recorder
        for position, again in self._schedule():
            if again:
                record_function(recorder, position, keep=True, repeats=True)
            else:
                self._add(position)
        return Program(
            way="backward",
            order=self.order,
            values=recorder.values,
            records=recorder.records,
            mortal=self._mortal(),
            mortal_gradients=self._mortal_gradients(),
            exposed=exposed_arrays(self.order, ()),
            hidden=self.free,
            clears=self.clear_buffer,
            roots=(self.seed,),
        )

    def _refuse_overwritten(self) -> None:
        """Refuse gradients that need values which another function has written over.

        Raises:
            GraphError: one does.
        """
        order = self.order
        writers: dict[int, list[int]] = {}
        for position, function in enumerate(order):
            if function._operator.write is not None and function._is_linked(function._outputs[0].data):
                writers.setdefault(block_of(function._outputs[0].data), []).append(position)
        for here, wanted in self.active.items() if writers else ():
            function = order[here]
            # What is read must not have been written over since; and what was written over before came by another way
            # than the gradient would go.
            read = [(block, here, len(order)) for block in self._read_arrays(here)]
            for variable, wants in zip(function._inputs, wanted, strict=True):
                array = variable._buffers.data
                if wants:
                    made = self.recorder.maker(array)
                    read.append((block_of(array), -1 if made is None else made, here))
                if function._operator.keeps and function._operator.write is None:
                    read.append((block_of(array), here, len(order)))
            for block, first, last in read:
                for position in writers.get(block, ()):
                    if first < position < last:
                        writer = order[position]._operator
                        raise GraphError(
                            f"backward: {writer.declaration.name} has written over values that "
                            f"{function._operator.declaration.name} needs; give it no {writer.written}, or another one"
                        )

    def _schedule(self) -> list[tuple[int, bool]]:
        """The functions whose gradient is computed, last first, each after those that are computed again for it."""
        active = self.active
        if not self.recomputed:
            return [(position, False) for position in active]
        there: set[int] = set()
        schedule: list[tuple[int, bool]] = []
        for position in active:
            todo: set[int] = set()
            missing = self._read_arrays(position)
            while missing:
                block = missing.pop()
                if block in self.recomputed and block not in there:
                    maker = self._maker(block)
                    there.update(block_of(b.data) for b in self.order[maker]._outputs)
                    missing += [block_of(v._buffers.data) for v in self.order[maker]._inputs]
                    todo.add(maker)
            schedule += [(again, True) for again in sorted(todo)]
            schedule.append((position, False))
        return schedule

    # ---- one function ------------------------------------------------------------------------------------

    def _output_gradients(self, position: int) -> tuple[int, ...] | None:
        """The gradients of all outputs, or None if none of them has one."""
        function = self.order[position]
        found: list[int] = []
        some = False
        for i, buffers in enumerate(function._outputs):
            array = buffers.data
            if array is self.root._buffers.data:
                found.append(self.seed)
                some = True
            elif id(array) in self.written:
                found.append(self.recorder.output_grad(position, i))
                some = True
            else:
                zeros = CastSlot()
                dtype, device = function._operator.compute_dtype, function._operator.device
                zeros._tensor = torch.zeros((), dtype=dtype, device=device).expand(array._shape)
                found.append(self.recorder.constant(zeros, position, i, dtype))
        return tuple(found) if some else None

    def _add(self, position: int) -> None:
        function = self.order[position]
        operator = function._operator
        wants = self.active[position]
        dys = self._output_gradients(position) if any(wants) else None
        if dys is None:
            self.recorder.records.append(Idle(position))
            return
        if isinstance(operator, Callback):
            self._add_of_user(position, dys, wants)
            return
        recorder = self.recorder
        derived = operator.grad is None
        arguments: Sequence[Argument]
        arguments = [*dys, *recorder.inputs(position)] if derived else recorder.arguments_of_grad(position, dys)
        kernel = GradientKernel(tuple(with_gaps(operator, wants, False)), derived)
        recorder.records.append(Gradient(position, kernel, dys, tuple(arguments), self._puts(position, wants)))

    def _puts(self, position: int, wants: list[bool]) -> tuple[Put, ...]:
        """Where the gradients of the inputs that want one go."""
        function = self.order[position]
        operator, recorder = function._operator, self.recorder
        dtype = operator.compute_dtype
        shares = may_share(operator)
        broadcast_to = function._outputs[0].data._shape if operator.broadcast else None
        written = self.written
        puts = []
        for i, variable in enumerate(function._inputs):
            if not wants[i]:
                continue
            array = variable._buffers.data
            address = id(array)
            sum_to = array._shape if broadcast_to is not None and array._shape != broadcast_to else None
            cast: torch.dtype | None = None
            if not recorder.is_made(array):
                value, how = recorder.leaf_buffers(position, i), ACCUMULATE
                cast = _FULL.get(dtype, dtype)
            else:
                value = recorder.input_grad(position, i)
                how = ADD if address in written else ASSIGN
                # An unlinked variable on the same buffers shares its gradient, which goes on from the variable alone.
                if variable._parent is not None:
                    written.add(address)
                (self.sole.discard if shares else self.sole.add)(address)
                made_in = recorder.values[value].dtype
                if made_in is not dtype:
                    cast = made_in
            # Gradients get memory of their own; where nobody can see the difference, a pass takes the copy away.
            puts.append(Put(value, i, how, sum_to, cast, shares and sum_to is None, shares))
        return tuple(puts)

    def _add_of_user(self, position: int, dys: tuple[int, ...], wants: list[bool]) -> None:
        """Call a user's backward_impl on variables that show the right gradients."""
        function = self.order[position]
        recorder = self.recorder
        addresses = [id(v._buffers.data) for v in function._inputs]
        # Inputs with gradients to be added to that may share memory with others.
        shared = [
            i for i, want in enumerate(wants) if want and addresses[i] in self.written and addresses[i] not in self.sole
        ]
        own = [id(b.data) in self.sole and id(b.data) in self.free for b in function._outputs]
        puts = []
        for i, (address, want) in enumerate(zip(addresses, wants, strict=True)):
            if want and recorder.is_made(function._inputs[i]._buffers.data):
                how = ADD if address in self.written else ASSIGN
                puts.append(Put(recorder.input_grad(position, i), i, how, None, None, False, True))
                self.written.add(address)
                self.sole.discard(address)
            elif want:
                puts.append(Put(recorder.leaf_buffers(position, i), i, ACCUMULATE, None, None, False, True))
        recorder.records.append(UserGradient(position, dys, tuple(puts), tuple(own), tuple(shared)))

    # ---- memory ------------------------------------------------------------------------------------------

    def _mortal(self) -> dict[int, list[int]]:
        """What may be freed. As in NNabla, what comes from a function that no gradient goes through is kept."""
        free = self.blocks if self.clear_buffer else self.recomputed
        return {
            block: self.recorder.arrays(self.blocks[block])
            for block in free
            if block in self.recomputed or self._maker(block) in self.active
        }

    def _mortal_gradients(self) -> dict[int, list[int]]:
        """A gradient that no function consumes was asked for with need_grad: it stays."""
        found: dict[int, list[int]] = {}
        for position in self.active if self.clear_buffer else ():
            gradients = [
                self.recorder.output_grad(position, i)
                for i, buffers in enumerate(self.order[position]._outputs)
                if id(buffers.data) in self.free
            ]
            if gradients:
                found[position] = gradients
        return found

    def _maker(self, block: int) -> int:
        """The position of the function that computes what is in a memory that may be freed."""
        made = self.recorder.maker(self.blocks[block][0])
        assert made is not None
        return made

    def _read_arrays(self, position: int) -> list[int]:
        """The memory that a gradient reads."""
        return list(map(block_of, self.order[position]._read_arrays()))


def may_share(operator: Operator) -> bool:
    """Whether gradients may share memory: derived ones are anything that autograd returns, expanded tensors too."""
    return operator.grad_aliases or operator.grad is None
