"""A compiled graph: a flat list of bound steps, and the loop that replays it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar, NoReturn

from torch import get_num_threads, set_num_threads

from .._memory import large_blocks_apart
from .._nd_array import NdArray
from ..errors import ArgumentError, GraphError, ShapeError
from .derivative import below_autograd
from .epoch import epoch
from .function import Function, PythonFunction
from .meeting import described, output_shapes
from .order import topological
from .steps import LeafSlot, Step
from .variable import Variable

# How many plans of one kind a variable keeps; a script that toggles flags (as GANs do) goes back and forth
# between a few.
_KEPT_PLANS = 8


# Elements. Waking a second thread takes longer than it saves on smaller tensors than this, but matrix products and
# convolutions do it all the same; and it takes very long when the other core is busy.
_WORTH_A_THREAD = 1 << 12

# Elements, and by how much a plan must be larger than those before: a network that is built anew for each batch must
# not pay for a first run each time.
_WORTH_SETTLING, _GROWTH = 1 << 22, 1.25

# Steps. Going below autograd's dispatch takes 0.5 microseconds and saves 0.1 to 0.3 a call.
_WORTH_A_GUARD = 4


def _is_small(function: Function) -> bool:
    """Whether all tensors of a function are so small that one thread computes it as fast as several."""
    return all([b.data.size < _WORTH_A_THREAD for b in function._outputs]) and all(
        [v.size < _WORTH_A_THREAD for v in function._inputs]
    )


class Plan:
    """Steps of one graph for one set of options.

    Args:
        leaves: what the steps read from outside.
        steps: bound kernel calls, in order.
        functions: for each step the function it carries out, or None for a step in between (casting, freeing).
    """

    __slots__ = ("_extent", "_short", "_small", "functions", "leaves", "steps")

    # Elements that the functions of the largest plan that has run put out.
    _largest: ClassVar[int] = 0

    def __init__(self, leaves: Sequence[LeafSlot], steps: Sequence[Step], functions: Sequence[Function | None]) -> None:
        self.leaves = list(leaves)
        self.steps = list(steps)
        self.functions = list(functions)
        self._short = len(self.steps) < _WORTH_A_GUARD
        computed = [function for function in functions if function is not None]
        self._small = all(_is_small(function) for function in computed)
        # Until the first run.
        self._extent = 0 if self._small else sum([b.data.size for function in computed for b in function._outputs])

    def run(self) -> None:
        """Replay."""
        if self._extent:
            self._settle(self.run)
            return
        for leaf in self.leaves:
            if leaf.buffers.data._tensor is not leaf.source:
                leaf.load()
        threads = get_num_threads() if self._small else 1
        if threads > 1:
            set_num_threads(1)
        step: Step | None = None
        try:
            if self._short:
                for step in self.steps:
                    step()
            else:
                with below_autograd():
                    for step in self.steps:
                        step()
        except Exception as error:
            self._go_on(step, error)
        finally:
            if threads > 1:
                set_num_threads(threads)

    def run_with_hooks(
        self,
        pre_hook: Callable[[Function], Any] | None,
        post_hook: Callable[[Function], Any] | None,
    ) -> None:
        """Replay, with calls before and after each function."""
        if self._extent:
            self._settle(lambda: self.run_with_hooks(pre_hook, post_hook))
            return
        for leaf in self.leaves:
            leaf.load()
        for function, step in zip(self.functions, self.steps, strict=True):
            if function is not None and pre_hook is not None:
                pre_hook(function)
            try:
                with below_autograd():
                    step()
            except Exception as error:
                if not self._restored(function):
                    self._explain(step, error)
                with below_autograd():
                    step()
            if function is not None:
                self._separate(function)
                if post_hook is not None:
                    post_hook(function)

    def _settle(self, run: Callable[[], None]) -> None:
        """Run for the first time, which leaves plenty of small blocks behind; see `nnabla._memory`."""
        kind = type(self)
        extent, self._extent = self._extent, 0
        if extent > max(_WORTH_SETTLING, _GROWTH * kind._largest):
            kind._largest = extent
            with large_blocks_apart():
                run()
        else:
            run()

    def _separate(self, function: Function) -> None:
        """Give what the step of `function` has put out memory of its own, since hooks may write to it."""
        if function._operator.view and not function._operator.shares_memory:
            for buffers in function._outputs:
                if buffers.data._tensor is not None:
                    buffers.data._tensor = buffers.data._tensor.clone()

    def _read_by(self, function: Function) -> list[tuple[NdArray, Function | None]]:
        """The arrays that the step of `function` may read, and which function made each."""
        return [(v._buffers.data, v._parent) for v in function._inputs]

    def _go_on(self, step: Step | None, error: Exception) -> None:
        """Run the rest from a step that failed because an array was set since it was computed; else explain."""
        if step is None:
            self._explain(step, error)
        position = self.steps.index(step)
        if not self._restored(self.functions[position]):
            self._explain(step, error)
        with below_autograd():
            while position < len(self.steps):
                try:
                    self.steps[position]()
                except Exception as further:
                    if not self._restored(self.functions[position]):
                        self._explain(self.steps[position], further)
                else:
                    position += 1

    def _restored(self, function: Function | None) -> bool:
        """Bring what the step of `function` reads to memory, and to the type it had; whether there was anything to do.

        Users may fill an intermediate array, and set it to values of another type.
        """
        moved = False
        for array, maker in () if function is None else self._read_by(function):
            tensor = array._tensor
            if tensor is None and array._fill is not None:
                tensor = array._realize()
                moved = True
            if tensor is not None and maker is not None and not isinstance(maker._operator, PythonFunction):
                wanted = maker._operator.compute_dtype
                if tensor.dtype is not wanted and not maker._operator.output_types and not maker._operator.whole:
                    array._set(tensor.to(wanted))
                    moved = True
        return moved

    def _explain(self, step: Step | None, error: Exception) -> NoReturn:
        """Say which function failed, on which shapes."""
        found = [f for f, s in zip(self.functions, self.steps, strict=True) if s is step]
        function = found[0] if found else None
        if function is None or isinstance(function._operator, PythonFunction) or isinstance(error, MemoryError):
            raise error
        where = described(function._operator, function._inputs)
        if isinstance(error, (ShapeError, ArgumentError, GraphError)):
            raise type(error)(f"{error}{where}") from error
        for array, maker in self._read_by(function):
            if maker is not None and array._tensor is None:
                raise GraphError(
                    f"{function.name} reads values that are not there: they were never computed, or were freed "
                    f"by a clear option; run forward() (without clear_buffer) before backward(){where}"
                ) from error
        raise GraphError(f"{function.name}: {str(error).splitlines()[0] if str(error) else error!r}{where}") from error


class PlanCache:
    """The plans of one variable for one set of options."""

    __slots__ = ("_by_signature", "epoch", "plan")

    def __init__(self) -> None:
        # The plan of the last call, and the epoch in which it was found valid: while that lasts, it still is.
        self.epoch = -1
        self.plan: Any = None
        self._by_signature: dict[Hashable, Plan] = {}

    def find(self, roots: Sequence[Variable], compile: Callable[[Sequence[Function]], Plan]) -> Any:
        """A plan that is valid for the graph as it is now."""
        order = topological(roots)
        if self.plan is not None or any([function._epoch != epoch.value for function in order]):
            setup_again(order)
            inherit_need_grad(order)
        # The first plan goes without a signature: a dynamic graph runs backward once, and would never need it.
        signature = _signature(roots, order) if self.plan is not None else None
        plan = self._by_signature.get(signature)
        if plan is None:
            plan = compile(order)
            if len(self._by_signature) >= _KEPT_PLANS:
                self._by_signature.pop(next(iter(self._by_signature)))
            if signature is not None:
                self._by_signature[signature] = plan
        self.plan = plan
        self.epoch = epoch.value
        return plan


def plan_cache(roots: Sequence[Variable], key: Hashable, call: str, purpose: str) -> PlanCache:
    """The plans for `key` of the first of `roots`, which keeps them.

    Raises:
        GraphError: a root has no parent, so that `call` has nothing to do.
    """
    for root in roots:
        if root._parent is None:
            raise GraphError(f"{call}: the variable has no parent function, so there is nothing to {purpose}")
    first = roots[0]
    if first._plans is None:
        first._plans = {}
    cache: PlanCache | None = first._plans.get(key)
    if cache is None:
        cache = first._plans[key] = PlanCache()
    return cache


def _signature(roots: Sequence[Variable], order: Sequence[Function]) -> Hashable:
    """All that a plan depends on. A plan keeps its functions alive, so their addresses are not used again."""
    nodes = []
    for function in order:
        inputs = [
            (id(v._buffers), v._need_grad, v._persistent, v._recompute, v.shape)
            + ((id(v._buffers.data), id(v._buffers._grad)) if v._parent is not None else ())
            for v in function._inputs
        ]
        flags = [(v._need_grad, v._persistent, v._recompute) for v in function.outputs]
        nodes.append((id(function), tuple(inputs), tuple(flags)))
    return tuple(nodes), tuple([(id(v._buffers.data), id(v._buffers._grad)) for v in roots])


def setup_again(order: Sequence[Function]) -> None:
    """Where an input changed its shape since the function was created, let shapes follow."""
    for function in order:
        shapes = tuple([v.shape for v in function._inputs])
        if shapes != function._setup_shapes:
            found = output_shapes(function._operator, function._inputs)
            for variable, shape in zip(function.outputs, found, strict=True):
                variable.reset_shape(shape, True)
            function._setup_shapes = shapes


def inherit_need_grad(order: Sequence[Function]) -> None:
    """Work out from the flags of the inputs which functions have a gradient to compute."""
    for function in order:
        outputs = [v for v in (ref() for ref in function._output_refs) if v is not None]
        needs = (
            function._operator.differentiable
            and any([v.need_grad for v in function._inputs])
            and any([v._need_grad is not False for v in outputs])
        )
        function._needs_grad = needs
        for variable in outputs:
            variable._inherited_need_grad = needs
