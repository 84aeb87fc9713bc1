"""A compiled graph: a flat list of steps, what they work on, and the loop that replays them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NoReturn

from torch import get_num_threads

from .._memory import large_blocks_apart
from .._nd_array import FREED, NdArray
from .._threads import Chosen, choice_for
from ..errors import ArgumentError, CommunicationError, GraphError, ShapeError
from ..graph.callback import Callback
from ..graph.derivative import below_autograd
from ..graph.function import Function
from ..graph.hooks import function_freed_hooks
from ..graph.lines import line_of
from ..graph.setup import described
from .capture import Capture, is_repeatable
from .frame import make_frame
from .lowering import Lowered
from .steps import LeafSlot, Step

# Elements, and by how much a plan must be larger than those before: a network that is built anew for each batch must
# not pay for a first run each time.
_WORTH_CARE, _GROWTH = 1 << 22, 1.25

# Steps. Going below autograd's dispatch takes 0.5 microseconds and saves 0.1 to 0.3 a call.
_WORTH_A_GUARD = 4


# An array, and the function that made it.
Read = tuple[NdArray, Function]


class Plan:
    """A compiled form of graphs: numbered steps, and the recipe for the frame that they run on in each graph.

    Args:
        lowered: what it consists of.
        order: the functions of the graph that it was compiled from.
    """

    def __init__(self, lowered: Lowered, order: Sequence[Function]) -> None:
        self.steps, self.positions, self.recipe, self.leaves, self.freed, self.also = lowered
        self.short = len(self.steps) < _WORTH_A_GUARD
        computed = [order[position] for position in self.positions if position is not None]
        put_out = [b.data.size for function in computed for b in function._outputs]
        # Number of elements of all outputs, until the first run; 0 where that is small.
        self.extent = sum(put_out)
        if self.extent < _WORTH_CARE:
            self.extent = 0
        # Whether it is to be compiled, see `compiled_plan`; by what, for the first graph that it is bound to; and what
        # came of that.
        self.compiles = False
        self.pending: Callable[[BoundPlan], tuple[bool, Any]] | None = None
        self.compiled: Any = None
        # All graphs of the form run on as many threads.
        self.threads = choice_for([*put_out, *[v.size for function in computed for v in function._inputs]])
        # Numbers of the values that runs read before they write them; and whether what forward left in operators, too.
        self.reads = list(self.leaves)
        self.reads_kept = False
        self.may_be_captured = is_repeatable(order)

    def bind(self, order: Sequence[Function]) -> BoundPlan:
        """What runs it in the graph of these functions."""
        return BoundPlan(self, order)


class BoundPlan:
    """A plan for one graph.

    Args:
        plan: of the graph's form.
        order: the functions of the graph.
    """

    __slots__ = (
        "_also",
        "_capture",
        "_is_usual",
        "_short",
        "_threads",
        "frame",
        "functions",
        "leaves",
        "pending",
        "plan",
        "steps",
    )

    # Number of elements of all outputs of the largest plan that has run.
    _largest: ClassVar[int] = 0

    def __init__(self, plan: Plan, order: Sequence[Function]) -> None:
        self.plan = plan
        self.steps = plan.steps
        self.functions = [None if position is None else order[position] for position in plan.positions]
        # Functions that are carried out in the step of another one.
        self._also = [order[position] for position in plan.also]
        self.frame = make_frame(plan.recipe, order)
        self.leaves: list[LeafSlot] = [self.frame[i] for i in plan.leaves]
        # Only a read without values asks whether an array was cleared, so this can be said in advance.
        for i in plan.freed:
            self.frame[i]._cleared = FREED
        self._capture = Capture(plan.reads, plan.reads_kept) if plan.may_be_captured else None
        self._short = plan.short and self._capture is None
        self._threads = plan.threads
        self.pending, plan.pending = plan.pending, None
        # Whether the next run carries out the steps one after the other, and nothing else.
        self._is_usual = not plan.extent and not plan.compiles

    def run(self) -> None:
        """Replay."""
        if not self._is_usual:
            self._run_unusually()
            return
        frame = self.frame
        step: Step | None = None
        threads = get_num_threads()
        if threads > 1:
            self._threads.start(threads)
        try:
            for leaf in self.leaves:
                if leaf.buffers.data._tensor is not leaf.source:
                    leaf.load()
            if self._short:
                for step in self.steps:
                    step(frame)
            elif self._capture is None or not self._capture.run(self):
                with below_autograd():
                    for step in self.steps:
                        step(frame)
        except Exception as error:
            self._explain(step, error)
        finally:
            if threads > 1:
                self._threads.stop(threads)

    def _run_unusually(self) -> None:
        """Run for the first time, or what is compiled."""
        plan = self.plan
        if plan.extent:
            self._run_first(self.run)
        elif self.pending is not None:
            self._load()
            is_finished, plan.compiled = self.pending(self)
            if is_finished:
                self.pending = None
                plan.compiles = plan.compiled is not None
        elif plan.compiled is not None:
            with Chosen(self._threads):
                self._load()
                plan.compiled.run(self)
        else:
            # Nothing in it is worth compiling, or another graph of the form has not come to it yet.
            was, self._is_usual = plan.compiles, True
            try:
                self.run()
            finally:
                self._is_usual = not was

    def _load(self) -> None:
        for leaf in self.leaves:
            if leaf.buffers.data._tensor is not leaf.source:
                leaf.load()

    def run_from(self, start: int) -> None:
        """Replay the rest, from the step of that number on."""
        step: Step | None = None
        try:
            with below_autograd():
                for step in self.steps[start:]:
                    step(self.frame)
        except Exception as error:
            self._explain(step, error)

    def run_with_hooks(
        self,
        pre_hook: Callable[[Function], Any] | None,
        post_hook: Callable[[Function], Any] | None,
        may_write: bool = True,
    ) -> None:
        """Replay, with calls before and after each function.

        Args:
            may_write: whether they may write to what functions have in common.
        """
        if not self._is_usual:
            if self.plan.compiles:
                from .inductor import tell_once

                tell_once("with hooks, a graph runs as usual")
            if self.plan.extent:
                self._run_first(lambda: self.run_with_hooks(pre_hook, post_hook, may_write))
                return
        with Chosen(self._threads):
            self._run_with_hooks(pre_hook, post_hook, may_write)

    def _run_with_hooks(
        self,
        pre_hook: Callable[[Function], Any] | None,
        post_hook: Callable[[Function], Any] | None,
        may_write: bool,
    ) -> None:
        for leaf in self.leaves:
            leaf.load()
        ran: Function | None = None
        for function, step in zip(self.functions, self.steps, strict=True):
            if function is not None:
                _tell_freed(ran)
                ran = function
                if pre_hook is not None:
                    pre_hook(function)
                if may_write:
                    take_up(self._read_by(function))
            try:
                with below_autograd():
                    step(self.frame)
            except Exception as error:
                self._explain(step, error)
            if function is not None:
                if may_write:
                    self._separate(function)
                if post_hook is not None:
                    post_hook(function)
                if may_write:
                    take_up(self._made_by(function))
        _tell_freed(ran)

    def _run_first(self, run: Callable[[], None]) -> None:
        """Run for the first time, which leaves plenty of small blocks behind; see `nnabla._memory`."""
        kind = type(self)
        extent, self.plan.extent = self.plan.extent, 0
        self._is_usual = not self.plan.compiles
        if extent > _GROWTH * kind._largest:
            kind._largest = extent
            with large_blocks_apart():
                run()
        else:
            run()

    def _separate(self, function: Function) -> None:
        """Move the outputs of the step of `function` to memory of their own, since hooks may write to them."""
        if function._operator.view and function._operator.linked is None:
            for buffers in function._outputs:
                if buffers.data._tensor is not None:
                    buffers.data._tensor = buffers.data._tensor.clone()

    def _read_by(self, function: Function) -> list[Read]:
        """What the step of `function` reads of what steps have left."""
        return [(v._buffers.data, v._parent) for v in function._inputs if v._parent is not None]

    def _made_by(self, function: Function) -> list[Read]:
        """What the step of `function` leaves."""
        return [(buffers.data, function) for buffers in function._outputs]

    def _explain(self, step: Step | None, error: Exception) -> NoReturn:
        """Say which function failed, on which shapes."""
        found = [f for f, s in zip(self.functions, self.steps, strict=True) if s is step]
        function = found[0] if found else None
        if (
            function is None
            or isinstance(function._operator, Callback)
            or isinstance(error, (MemoryError, CommunicationError))
        ):
            raise error
        where = described(function._operator, function._inputs) + line_of(function)
        name = function.info.type_name
        if isinstance(error, (ShapeError, ArgumentError, GraphError)):
            raise type(error)(f"{error}{where}") from error
        for array, _ in [read for f in (function, *self._also) for read in self._read_by(f)]:
            if array._tensor is None:
                raise GraphError(
                    f"{name} reads values that are not there: they were never computed, or were freed "
                    f"by a clear option; run forward() (without clear_buffer) before backward(){where}"
                ) from error
        raise GraphError(f"{name}: {str(error).splitlines()[0] if str(error) else error!r}{where}") from error


def take_up(read: Sequence[Read]) -> None:
    """Give arrays the memory and the type that steps expect: users may fill them, and set values of another type."""
    maker: Function | None
    for array, maker in read:
        tensor = array._tensor
        if tensor is None:
            if array._fill is None:
                continue
            tensor = array._realize()
        while maker is not None and maker._is_linked(array):
            x = maker._inputs[maker._operator.linked or 0]
            array, maker = x._buffers.data, x._parent
        if maker is None or isinstance(maker._operator, Callback):
            continue
        operator = maker._operator
        keeps_type = operator.output_types or operator.whole or operator.as_is
        wanted = tensor.dtype if keeps_type else operator.compute_dtype
        # Reading .d brings an array to the host.
        if tensor.dtype is not wanted or tensor.device != operator.device:
            array._set(array._realize().to(operator.device, wanted))


def _tell_freed(function: Function | None) -> None:
    """Call the hooks that wait until memory that is not needed after `function` has been freed."""
    if function is not None:
        for hook in function_freed_hooks.values():
            hook(function)
