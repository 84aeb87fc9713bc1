"""Forward as a program: how the outputs of each function are computed."""

from __future__ import annotations

from collections.abc import Sequence

from .._array_view import LinkedArray
from ..graph.callback import Callback
from ..graph.function import Function
from ..graph.setup import are_linked
from ..graph.variable import Variable
from .kernel_choice import ForwardKernel
from .liveness import exposed_arrays, mortal_after_forward
from .program import Call, Link, Program, UserCall
from .recorder import Recorder


def record_forward(
    order: Sequence[Function], roots: Sequence[Variable], clear_buffer: bool, clear_no_need_grad: bool
) -> Program:
    """One record for each function; nothing is freed yet."""
    recorder = Recorder(order)
    for position, function in enumerate(order):
        record_function(recorder, position, keep=function._needs_grad and not clear_buffer)
    mortal = mortal_after_forward(order, roots, clear_buffer, clear_no_need_grad)
    asked = [v._buffers.data for v in roots]
    return Program(
        way="forward",
        order=order,
        values=recorder.values,
        records=recorder.records,
        mortal={block: recorder.arrays(arrays) for block, arrays in mortal.items()},
        mortal_gradients={},
        exposed=exposed_arrays(order, roots),
        hidden=(),
        clears=True,
        # Not one whose parent the user has set to a function that does not make it.
        roots=tuple([recorder.data(array) for array in asked if recorder.is_made(array)]),
    )


def record_function(recorder: Recorder, position: int, keep: bool, repeats: bool = False) -> None:
    """Record how the outputs of a function are computed.

    Args:
        recorder: collects the records.
        position: of the function.
        keep: whether a gradient will be asked for.
        repeats: whether this computes again what was computed before.
    """
    function = recorder.order[position]
    operator = function._operator
    records = recorder.records
    if isinstance(operator, Callback):
        reads = recorder.shown(position)
        records.append(UserCall(position, reads, recorder.outputs(position)))
        return
    writes = False
    if operator.linked is not None:
        arrays = [buffers.data for buffers in function._outputs]
        if are_linked(operator, [v._buffers.data for v in function._inputs], arrays):
            if operator.write is None or repeats:
                reads = recorder.shown(position)
                moves = type(arrays[0]) is LinkedArray and recorder.is_produced(arrays[0])
                records.append(Link(position, reads, recorder.outputs(position), moves))
                return
            writes = True
    inputs = tuple(recorder.inputs(position))
    # Views are copied; where nobody can see the difference, a pass takes the copy away.
    kernel = ForwardKernel(keep, False, operator.view, repeats, writes)
    records.append(Call(position, kernel, inputs, recorder.outputs(position)))
