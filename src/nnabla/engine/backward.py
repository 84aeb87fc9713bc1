"""Backward: gradients of a graph compiled into a plan, or of a single function at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from .._nd_array import NdArray
from ..errors import GraphError, ShapeError
from ..graph.callback import Callback
from ..graph.derivative import below_autograd
from ..graph.epoch import epoch
from ..graph.function import Function
from ..graph.hooks import combined, function_post_hooks, function_pre_hooks
from ..graph.operator import Operator
from ..graph.setup import wanted_inputs, with_gaps
from ..graph.variable import Hook, Variable
from .accumulation import accumulating, adding, assigning, casting, summing
from .binder import Binder
from .forward import add_forward_step
from .frame import CALL, KERNEL, SLOT
from .immediate import given_tensors
from .kernel_choice import (
    ForwardKernel,
    adding_kernel,
    derived_kernel,
    needing_kernel,
    overwriting_kernel,
    owning_kernel,
    python_backward,
    usual_kernel,
)
from .liveness import block_of, blocks, exposed_arrays, intermediate, is_recomputed
from .plan import BoundPlan, Plan
from .plan_cache import plan_cache
from .steps import CastSlot, Frame, Sink, Step, backward_step, call_step

_FULL = {torch.float16: torch.float32, torch.bfloat16: torch.float32}


# Elements. For smaller tensors, adding to the sum within the kernel that computes the gradient saves nothing.
_WORTH_ADDING_TO = 1 << 14


class BackwardPlan(Plan):
    """A plan that starts from a gradient given from outside.

    Attributes:
        seed: number of the slot that the gradient of the root is put into.
        root: which output of the last function that is.
        passes_seed_on: whether other variables may receive it as their gradient.
    """

    seed: int
    root: int
    passes_seed_on: bool

    def bind(self, order: Sequence[Function]) -> BoundBackwardPlan:
        return BoundBackwardPlan(self, order)


class BoundBackwardPlan(BoundPlan):
    __slots__ = ("ones", "passes_seed_on", "seed")

    _largest = 0

    def __init__(self, plan: BackwardPlan, order: Sequence[Function]) -> None:
        super().__init__(plan, order)
        self.seed: CastSlot = self.frame[plan.seed]
        self.passes_seed_on = plan.passes_seed_on
        # What `grad=1` puts there.
        maker = order[-1]
        operator = maker._operator
        shape = maker._outputs[plan.root].data._shape
        self.ones = torch.ones(shape, dtype=operator.compute_dtype, device=operator.device)

    def _read_by(self, function: Function) -> list[tuple[NdArray, Function | None]]:
        data = [b.data for b in function._outputs]
        grads = [b._grad for b in function._outputs if b._grad is not None and b._grad._tensor is not None]
        return [*super()._read_by(function), *[(array, function) for array in data + grads]]

    def _separate(self, function: Function) -> None:
        if may_share(function._operator):
            for variable in function._inputs:
                grad = variable._buffers._grad
                if variable._parent is not None and grad is not None and grad._tensor is not None:
                    grad._tensor = grad._tensor.clone(memory_format=torch.contiguous_format)


def run_backward(
    root: Variable,
    grad: Any,
    clear_buffer: bool,
    communicator_callbacks: Any,
    pre_hook: Hook | None,
    post_hook: Hook | None,
) -> None:
    """Propagate gradients from `root`; see `Variable.backward`."""
    plans = root._plans
    key = ("backward", clear_buffer)
    cache = None if plans is None else plans.get(key)
    plan: BoundBackwardPlan
    if cache is not None and cache.epoch == epoch.value:
        plan = cache.bound
    else:
        cache = plan_cache((root,), key, "backward", "propagate to")
        plan = cache.find((root,), key, lambda order: compile_backward(order, root, clear_buffer))
    if not plan.steps:
        return
    if root._buffers.data._tensor is None and root._buffers.data._fill is None:
        _require_values(plan)
    seed = plan.seed
    # A result that depends on data may have another shape in each forward.
    if type(grad) is int and grad == 1 and plan.ones.shape == root._buffers.data._shape:
        tensor = plan.ones
    else:
        tensor = _seed(root, grad)
    seed._tensor = tensor.clone() if plan.passes_seed_on else tensor
    if (
        pre_hook is None
        and post_hook is None
        and communicator_callbacks is None
        and not function_pre_hooks
        and not function_post_hooks
    ):
        plan.run()
    else:
        _run_with_callbacks(plan, communicator_callbacks, pre_hook, post_hook)
    seed._tensor = None


def _run_with_callbacks(
    plan: BoundPlan, communicator_callbacks: Any, pre_hook: Hook | None, post_hook: Hook | None
) -> None:
    callbacks = _callbacks(communicator_callbacks)
    pre = combined(pre_hook, function_pre_hooks, before=True)
    post = combined(post_hook, function_post_hooks)
    may_write = pre is not None or post is not None
    for callback in callbacks:
        may_write = may_write or getattr(callback, "may_write", True)
        getattr(callback, "on_start_backward", _nothing)(plan.functions)
        post = combined(post, {"": callback.on_finish_function_backward})
    plan.run_with_hooks(pre, post, may_write)
    for callback in callbacks:
        callback.on_finish_backward()


def _nothing(functions: Any) -> None:
    """For callbacks that want to know nothing at the start."""


def _require_values(plan: BoundPlan) -> None:
    """Make sure that what gradients read is there, also for functions that were made since forward ran.

    What such a function leaves behind for its gradient follows from its inputs.

    Raises:
        GraphError: values are missing.
    """
    for function in plan.functions:
        if function is None or any([v is not None and v._recompute for v in [ref() for ref in function._output_refs]]):
            continue
        operator = function._operator
        inputs = [(i, v) for i, v in enumerate(function._inputs) if v._parent is not None]
        read = [v._buffers.data for i, v in inputs if function._reads("x", i)]
        read += [b.data for i, b in enumerate(function._outputs) if function._reads("y", i)]
        if any([array._tensor is None and array._fill is None for array in read]):
            raise GraphError(f"backward: {operator.declaration.type_name} has no values yet; run forward() first")
        if operator.keeps and operator.kept is None and operator.grad is not None:
            with below_autograd():
                operator.recompute(*with_gaps(operator, given_tensors(operator, [v.data for v in function._inputs])))


def _callbacks(given: Any) -> list[Any]:
    if given is None:
        return []
    callbacks = list(given) if isinstance(given, (list, tuple)) else [given]
    for callback in callbacks:
        if not hasattr(callback, "on_finish_function_backward"):
            raise TypeError(
                "backward: communicator_callbacks must be CommunicatorBackwardCallback objects, "
                f"not {type(callback).__name__}"
            )
    return callbacks


def _seed(root: Variable, grad: Any) -> torch.Tensor:
    """The gradient to start from, as a tensor of the root's shape."""
    assert root._parent is not None
    operator = root._parent._operator
    dtype, device = operator.compute_dtype, operator.device
    if type(grad) is int or type(grad) is float:
        return torch.full(root.shape, grad, dtype=dtype, device=device)
    if grad is None:
        return root._buffers.grad._as(dtype, device)
    if isinstance(grad, NdArray):
        array = grad
    elif isinstance(grad, (str, bytes)):
        raise TypeError(f"backward: grad must be a number, an array or None, not {grad!r}")
    else:
        values = np.asarray(grad)
        if values.ndim == 0:
            return torch.full(root.shape, float(values), dtype=dtype, device=device)
        array = NdArray.from_numpy_array(values)
    if array.shape != root.shape:
        raise ShapeError(f"backward: grad must have shape {root.shape}, not {array.shape}")
    return array._as(dtype, device)


# ---- compiling ---------------------------------------------------------------------------------------------------


def active_functions(order: Sequence[Function], root: Variable) -> dict[Function, list[bool]]:
    """The functions that gradients from `root` pass through, last first, with the inputs that want a gradient."""
    reached = {id(root._buffers.data)} if root._need_grad is not False else set()
    active = {}
    for function in reversed(order):
        if not function._needs_grad:
            continue
        for buffers in function._outputs:
            if id(buffers.data) in reached:
                break
        else:
            continue
        active[function] = wanted = wanted_inputs(function._operator, function._inputs)
        for variable, wants in zip(function._inputs, wanted, strict=True):
            if wants and variable._parent is not None:
                reached.add(id(variable._buffers.data))
    return active


def compile_backward(order: Sequence[Function], root: Variable, clear_buffer: bool) -> BackwardPlan:
    """Make one step for each function that has a gradient, and free what the options allow."""
    return _Backward(order, root, clear_buffer).compile()


class _Backward:
    """The state of one compilation."""

    def __init__(self, order: Sequence[Function], root: Variable, clear_buffer: bool) -> None:
        self.order = order
        self.root = root
        self.clear_buffer = clear_buffer
        self.binder = Binder(order, ran=True)
        self.seed = self.binder.entry(SLOT)
        self.active = active_functions(order, root)
        # Of gradients by the array of the data, and of the data.
        self.free = intermediate(order, (root,))
        self.blocks = blocks(order, self.free)
        # Arrays of intermediate variables that hold a gradient already, when the next step runs.
        self.written: set[int] = set()
        # Those among them whose gradient is a tensor that nothing else holds.
        self.sole: set[int] = set()
        self.producer = {id(b.data): f for f in order for b in f._outputs}
        self.computed_by = {block_of(b.data): f for f in reversed(order) for b in f._outputs}
        self.position = {f: position for position, f in enumerate(order)}
        self._refuse_overwritten()
        self.summed = self._summed_leaves()
        self.exposed = exposed_arrays(order, ())
        self.recomputed = {block for block in self.blocks if is_recomputed(block, self.free)}

    def compile(self) -> BackwardPlan:
        binder = self.binder
        schedule = self._schedule()
        dying = self._dying(schedule)
        for place, (function, again) in enumerate(schedule):
            position = self.position[function]
            if again:
                add_forward_step(binder, position, self.exposed, ForwardKernel(keep=True, repeats=True))
            else:
                self._add_step(position)
            keeps = self.clear_buffer and function._operator.keeps and not again
            if keeps or place in dying:
                binder.free(dying.get(place, ()), [binder.operator(position)] if keeps else [])
        binder.flush()
        plan = BackwardPlan(binder)
        plan.seed = self.seed
        maker = self.order[-1]
        outputs = [b.data for b in maker._outputs]
        # A variable whose parent the user has set is not among them. Its gradient is not propagated further.
        plan.root = outputs.index(self.root._buffers.data) if self.root._buffers.data in outputs else 0
        # Leaves copy what they are given; whoever writes to an expanded tensor copies it first.
        plan.passes_seed_on = (
            may_share(maker._operator)
            and not self.clear_buffer
            and any([id(v._buffers.data) in self.free and v.size == self.root.size for v in maker._inputs])
        )
        return plan

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
        for function in self.active if writers else ():
            here = self.position[function]
            # What is read must not have been written over since; and what was written over before came by another way
            # than the gradient would go.
            read = [(block, here, len(order)) for block in self._read_arrays(function)]
            for variable, wants in zip(function._inputs, self.active[function], strict=True):
                array = variable._buffers.data
                if wants:
                    made = self.producer.get(id(array))
                    read.append((block_of(array), -1 if made is None else self.position[made], here))
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

    def _schedule(self) -> list[tuple[Function, bool]]:
        """The functions whose gradient is computed, last first, each after those that are computed again for it."""
        active = self.active
        if not self.recomputed:
            return [(function, False) for function in active]
        there: set[int] = set()
        schedule: list[tuple[Function, bool]] = []
        for function in active:
            todo: set[Function] = set()
            missing = self._read_arrays(function)
            while missing:
                block = missing.pop()
                if block in self.recomputed and block not in there:
                    producer = self.computed_by[block]
                    there.update(block_of(b.data) for b in producer._outputs)
                    missing += [block_of(v._buffers.data) for v in producer._inputs]
                    todo.add(producer)
            schedule += [(f, True) for f in sorted(todo, key=self.position.__getitem__)]
            schedule.append((function, False))
        return schedule

    def _summed_leaves(self) -> set[int]:
        """Addresses of the buffers of large leaves to which several functions can add a gradient by themselves."""
        once: set[int] = set()
        again: set[int] = set()
        for function in self.active:
            if function._operator.add_grad is not None:
                for variable in function._inputs:
                    if variable.size >= _WORTH_ADDING_TO and id(variable._buffers.data) not in self.producer:
                        address = id(variable._buffers)
                        (again if address in once else once).add(address)
        return again

    # ---- one function ------------------------------------------------------------------------------------

    def _output_gradients(self, position: int) -> list[int] | None:
        """Slots of the gradients of all outputs, or None if none of them has one."""
        function = self.order[position]
        slots: list[int] = []
        some = False
        for i, buffers in enumerate(function._outputs):
            array = buffers.data
            if array is self.root._buffers.data:
                slots.append(self.seed)
                some = True
            elif id(array) in self.written:
                slots.append(self.binder.output_grad(position, i))
                some = True
            else:
                zeros = CastSlot()
                dtype, device = function._operator.compute_dtype, function._operator.device
                zeros._tensor = torch.zeros((), dtype=dtype, device=device).expand(array._shape)
                slots.append(self.binder.constant(zeros))
        return slots if some else None

    def _add_step(self, position: int) -> None:
        function = self.order[position]
        operator = function._operator
        wants = self.active[function]
        wanted = [i for i, want in enumerate(wants) if want]
        dys = self._output_gradients(position) if wanted else None
        if dys is None:
            return
        if isinstance(operator, Callback):
            self.binder.add(self._python_step(position, dys, wants), position)
            return
        kernel = self._kernel(function, wants)
        derived = operator.grad is None
        slots = [*dys, *self.binder.inputs(position)] if derived else self.binder.arguments_of_grad(position, dys)
        sinks = [self._sink(position, i) for i in wanted]
        places = places_in_result(operator, wanted)
        owned: list[int] = []
        if may_share(operator):
            owned = [i for i in wanted if self._is_kept(function, function._inputs[i])]
        if owned:
            leaves = [id(function._inputs[i]._buffers.data) not in self.producer for i in owned]
            kernel = partial(owning_kernel, kernel, places_in_result(operator, owned), leaves)
        self.binder.add(backward_step(self.binder.entry(KERNEL, position, more=kernel), slots, sinks, places), position)

    def _kernel(self, function: Function, wants: list[bool]) -> Callable[[Function], Callable[..., Any]]:
        """What finds the kernel that computes the gradient, in each graph of the form."""
        operator = function._operator
        need = tuple(with_gaps(operator, wants, False))
        if operator.grad is None:
            return partial(derived_kernel, need)
        if operator.add_grad is not None:
            summed = [id(v._buffers) in self.summed for v in function._inputs]
            if any(summed):
                return partial(adding_kernel, need, summed)
        spent = operator.overwrite_grad is not None and self._is_spent(function._outputs[0].data)
        usual = overwriting_kernel if spent else usual_kernel
        return partial(needing_kernel, usual, need) if operator.declaration.grad_takes_need else usual

    def _is_spent(self, array: NdArray) -> bool:
        """Whether only the function that made `array` uses its gradient."""
        return self.clear_buffer and id(array) in self.sole and id(array) in self.free

    def _is_kept(self, function: Function, variable: Variable) -> bool:
        """Whether the gradient becomes, as it is, that of a variable that no function made, or of a persistent one."""
        return id(variable._buffers.data) not in self.free and not _is_summed(function, variable)

    def _sink(self, position: int, i: int) -> Sink:
        function = self.order[position]
        variable = function._inputs[i]
        dtype = function._operator.compute_dtype
        address = id(variable._buffers.data)
        producer = self.producer.get(address)
        if producer is None:
            sink = accumulating(self.binder.leaf_buffers(position, i), _FULL.get(dtype, dtype))
        else:
            grad = self.binder.input_grad(position, i)
            if address in self.written:
                sink = adding(grad, may_share(function._operator))
            else:
                # An unlinked twin of the variable shares its gradient, which goes on from the variable alone.
                if variable._parent is not None:
                    self.written.add(address)
                sink = assigning(grad)
            (self.sole.discard if may_share(function._operator) else self.sole.add)(address)
            if producer._operator.compute_dtype is not dtype:
                sink = casting(sink, producer._operator.compute_dtype)
        if _is_summed(function, variable):
            sink = summing(sink, variable.shape)
        return sink

    def _python_step(self, position: int, dys: list[int], wants: list[bool]) -> Step:
        """Call a user's backward_impl on variables that show the right gradients."""
        function = self.order[position]
        addresses = [id(v._buffers.data) for v in function._inputs]
        # Inputs with gradients to be added to that may share memory with others.
        shared = [
            i for i, want in enumerate(wants) if want and addresses[i] in self.written and addresses[i] not in self.sole
        ]
        own = [id(b.data) in self.sole and id(b.data) in self.free for b in function._outputs]
        accumulate = []
        for address, want in zip(addresses, wants, strict=True):
            accumulate.append(want and (address in self.written or address not in self.producer))
            if want and address in self.producer:
                self.written.add(address)
                self.sole.discard(address)
        # Inputs whose gradients are propagated further, and the function that made each.
        onward = [
            (i, self.position[self.producer[address]])
            for i, (address, want) in enumerate(zip(addresses, wants, strict=True))
            if want and address in self.producer
        ]

        def make(order: Sequence[Function], frame: Frame) -> Callable[[], None]:
            makers = [(i, order[maker]._operator) for i, maker in onward]
            return python_backward(order[position], [frame[n] for n in dys], wants, accumulate, own, shared, makers)

        return call_step(self.binder.entry(CALL, more=make))

    # ---- memory ------------------------------------------------------------------------------------------

    def _dying(self, schedule: Sequence[tuple[Function, bool]]) -> dict[int, list[tuple[int, int]]]:
        """For each place in `schedule` the arrays that nothing needs any more once that function has run, and sizes.

        As in NNabla, what comes from a function that no gradient goes through is kept.
        """
        free: Any = self.blocks if self.clear_buffer else self.recomputed
        dying: dict[int, list[tuple[int, int]]] = {}
        seen: set[int] = set()
        # Going backwards, the first function met with an array is the last one to need it.
        for place in range(len(schedule) - 1, -1, -1):
            function, again = schedule[place]
            arrays = []
            for array in [b.data for b in function._outputs] + [v._buffers.data for v in function._inputs]:
                block = block_of(array)
                if block not in free or block in seen:
                    continue
                if self.computed_by[block] in self.active or block in self.recomputed:
                    seen.add(block)
                    arrays += self.binder.memory(self.blocks[block])
            # A gradient that no function consumes was asked for with need_grad: it stays.
            if self.clear_buffer and not again:
                for i, buffers in enumerate(function._outputs):
                    if id(buffers.data) in self.free:
                        arrays.append((self.binder.output_grad(self.position[function], i), buffers.data.size))
            if arrays:
                dying[place] = arrays
        return dying

    @staticmethod
    def _read_arrays(function: Function) -> list[int]:
        read = [block_of(v._buffers.data) for i, v in enumerate(function._inputs) if function._reads("x", i)]
        return read + [block_of(b.data) for i, b in enumerate(function._outputs) if function._reads("y", i)]


def _is_summed(function: Function, variable: Variable) -> bool:
    return function._operator.broadcast and variable.shape != function._outputs[0].data._shape


def may_share(operator: Operator) -> bool:
    """Whether gradients may share memory: derived ones are anything that autograd returns, expanded tensors too."""
    return operator.grad_aliases or operator.grad is None


def places_in_result(operator: Operator, indices: Sequence[int]) -> list[int] | None:
    """Where `grad` returns the gradients of the given inputs `indices`; None where it returns one tensor alone."""
    wiring = operator.wiring
    return None if wiring.alone else [wiring.places[i] for i in indices]
