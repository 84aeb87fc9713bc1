"""Records which arrays were freed by when: for tests of what `clear_buffer` and `clear_no_need_grad` do.

After each function that `Variable.forward`, `Variable.backward` or `nnabla.forward_all` runs while the recorder is
active, it notes `NdArray.clear_called` of the data and the gradient of each input and output.

Example:
    >>> import nnabla as nn, nnabla.functions as F
    >>> y = F.exp(F.relu(nn.Variable((2,))))
    >>> activate_clear_called_flag_recorder()
    >>> y.forward(clear_buffer=True)
    >>> get_input_clear_called_flags()
    [[(False, False)], [(True, False)]]
    >>> deactivate_clear_called_flag_recorder()
"""

from __future__ import annotations

from ..graph.epoch import advance
from ..graph.function import Function
from ..graph.hooks import function_freed_hooks, set_function_post_hook, unset_function_post_hook
from ..graph.variable import Variable

Flags = list[list[tuple[bool, bool]]]

_KEY = "clear_called_flag_recorder"

_inputs: Flags = []
_outputs: Flags = []


def activate_clear_called_flag_recorder() -> None:
    """Begin to record, or go on where it has begun."""
    function_freed_hooks[_KEY] = _record
    # Graphs are run with hooks if there is one of the usual kind.
    set_function_post_hook(_KEY, lambda function: None)
    advance()


def deactivate_clear_called_flag_recorder() -> None:
    """Record no more, and forget what was recorded."""
    function_freed_hooks.pop(_KEY, None)
    unset_function_post_hook(_KEY)
    advance()
    _inputs.clear()
    _outputs.clear()


def get_input_clear_called_flags() -> Flags:
    """For each function that ran, for each of its inputs: whether data and gradient were freed by the end of it."""
    return [list(flags) for flags in _inputs]


def get_output_clear_called_flags() -> Flags:
    """The same for the outputs."""
    return [list(flags) for flags in _outputs]


def _record(function: Function) -> None:
    _inputs.append([_flags(variable) for variable in function.inputs])
    _outputs.append([_flags(variable) for variable in function.outputs])


def _flags(variable: Variable) -> tuple[bool, bool]:
    return variable.data.clear_called, variable.grad.clear_called
