"""Forward and backward as one compiled function, for those who want nothing in between."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import torch

from .._nd_array import FREED
from .._threads import Chosen, OneThread, ThreadChoice, choice_for
from ..graph.derivative import below_autograd
from ..graph.epoch import epoch
from ..graph.function import Function
from ..graph.hooks import function_post_hooks, function_pre_hooks
from ..graph.order import topological
from ..graph.variable import Variable
from .compiled_plan import Compilation, CompiledPart, improved_for_compiling
from .fingerprint import fingerprint_of
from .frame import LEAF, OPERATOR, SLOT, Entry, make_frame
from .inductor import missing, tell_once
from .program import (
    NOTHING,
    Argument,
    Call,
    Cast,
    Free,
    Gathered,
    Gradient,
    Link,
    Present,
    Program,
    Record,
)
from .record_backward import record_backward
from .record_forward import record_forward
from .steps import Frame, LeafSlot
from .up_to_date import inherit_need_grad, setup_again


def joined(forward: Program, backward: Program) -> Program:
    """A program that does what one does and then the other, with the values of both."""
    by = len(forward.values)
    records = [_shifted(record, by) for record in backward.records]
    return backward._replace(
        way="step",
        values=[*forward.values, *backward.values],
        records=[*forward.records, *records],
        roots=tuple([root + by for root in backward.roots]),
    )


def _shifted(record: Record, by: int) -> Record:
    """A record on values whose numbers are larger."""

    def argument(given: Argument) -> Argument:
        if isinstance(given, Present):
            return Present(given.value + by)
        if isinstance(given, Gathered):
            return Gathered(tuple([number + by for number in given.values]))
        return given if given == NOTHING else given + by

    if isinstance(record, (Call, Link)):
        reads = tuple([number if number == NOTHING else number + by for number in record.reads])
        return record._replace(reads=reads, writes=tuple([number + by for number in record.writes]))
    if isinstance(record, Cast):
        return record._replace(source=record.source + by, target=record.target + by)
    if isinstance(record, Free):
        return record._replace(values=tuple([number + by for number in record.values]))
    if isinstance(record, Gradient):
        return record._replace(
            dys=tuple([number + by for number in record.dys]),
            arguments=tuple([argument(given) for given in record.arguments]),
            puts=tuple([put._replace(value=put.value + by) for put in record.puts]),
        )
    return record


class _Form(NamedTuple):
    """What serves all graphs of one form.

    Attributes:
        part: None where it cannot be compiled as a whole.
        recipe: of the frame.
        leaves, freed: numbers of values.
        seed: number of the gradient to start from.
        threads: how many it runs on.
    """

    part: CompiledPart | None
    recipe: list[Entry]
    leaves: list[int]
    freed: list[int]
    seed: int
    threads: OneThread | ThreadChoice


class JointStep:
    """Forward with ``clear_no_need_grad`` and backward with ``clear_buffer`` of one variable.

    Args:
        root: the variable.
    """

    def __init__(self, root: Variable) -> None:
        self._root = root
        self._epoch = -1
        self._forms: dict[Hashable, _Form] = {}
        self._form: _Form | None = None
        self._frame: Frame = []
        self._leaves: list[LeafSlot] = []

    def run(self) -> bool:
        """Compute values and gradients; returns False, with nothing done, where that must be done as usual."""
        if function_pre_hooks or function_post_hooks:
            return False
        if self._epoch != epoch.value:
            self._bind()
        form = self._form
        if form is None or form.part is None:
            return False
        with Chosen(form.threads):
            for leaf in self._leaves:
                if leaf.buffers.data._tensor is not leaf.source:
                    leaf.load()
            with below_autograd():
                reason = form.part(self._frame)
        if reason is not None:
            tell_once(f"a step ran as usual this time: {reason}")
        return reason is None

    def _bind(self) -> None:
        """Find what the graph, as it is now, is served by."""
        order = topological((self._root,))
        setup_again(order)
        inherit_need_grad(order)
        key = fingerprint_of(order, (self._root,), readers=True)
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = self._compiled(order)
        self._use(form, order)
        self._epoch = epoch.value

    def _use(self, form: _Form, order: Sequence[Function]) -> None:
        self._form = form
        self._frame = make_frame(form.recipe, order)
        self._leaves = [self._frame[number] for number in form.leaves]
        for number in form.freed:
            self._frame[number]._cleared = FREED
        operator = order[-1]._operator
        shape = self._root._buffers.data._shape
        self._frame[form.seed]._tensor = torch.ones(shape, dtype=operator.compute_dtype, device=operator.device)

    def _compiled(self, order: Sequence[Function]) -> _Form:
        forward = improved_for_compiling(record_forward(order, (self._root,), False, True))
        backward = improved_for_compiling(record_backward(order, self._root, True))
        program = joined(forward, backward)
        recipe: list[Entry] = [value[:4] for value in program.values]
        operators = {}
        for position, function in enumerate(order):
            if function._operator.keeps:
                operators[position] = len(recipe)
                recipe.append((OPERATOR, position, 0, None))
        leaves = [number for number, value in enumerate(program.values) if value.source == LEAF]
        freed = [
            n for r in program.records if isinstance(r, Free) for n in r.values if program.values[n].source != SLOT
        ]
        variables = [v.size for function in order for v in function._inputs]
        threads = choice_for([*variables, *[b.data.size for function in order for b in function._outputs]])
        form = _Form(None, recipe, leaves, freed, program.roots[0], threads)
        if missing() is not None:
            return form
        self._use(form, order)
        for leaf in self._leaves:
            leaf.load()
        compilation = Compilation(program, operators, [], threads)
        return form._replace(part=compilation.whole(self._frame))
