"""`pprint`: a graph as text, function by function, in the layout of NNabla 1.39."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from .._nd_array import NdArray
from ..graph.function import Function
from ..graph.variable import Variable
from .functions_seen import arguments_of, depth_of, parameter_names

_STATISTICS = (("Med", np.median), ("Ave", np.mean), ("Std", np.std), ("Min", np.min), ("Max", np.max))


class PrettyPrinter:
    """Prints each function that it is called with.

    Args:
        summary: also print statistics of the values and gradients of inputs and outputs.
        hidden: keep the variables of each function, those that nobody else holds among them.

    Attributes:
        functions: where `hidden`, for each function a dict of its ``"name"``, as it is printed, its ``"inputs"`` and
            its ``"outputs"``.
    """

    def __init__(self, summary: bool = False, hidden: bool = False) -> None:
        self._summary = summary
        self._hidden = hidden
        self.functions: list[dict[str, Any]] = []

    def get_scope_name(self, x: Variable) -> str | None:
        """The scope of a registered parameter; ``None`` for other variables."""
        name = parameter_names().get(x)
        return None if name is None else name.rpartition("/")[0]

    def __call__(self, f: Function) -> None:
        """Print a function; see `pprint`."""
        inputs, outputs = f.inputs, f.outputs
        # A weight is the second input.
        scope = self.get_scope_name(inputs[1]) if len(inputs) > 1 else None
        name = f"{scope + '/' if scope else ''}{f.name}({f.info.type_name})"
        if self._hidden:
            self.functions.append({"name": name, "inputs": inputs, "outputs": outputs})
        print("\n".join(self._lines(f, name, inputs, outputs)))

    def _lines(self, f: Function, name: str, inputs: list[Variable], outputs: list[Variable]) -> list[str]:
        lines = [
            name,
            f"\tDepth = {depth_of(f)}",
            f"\tArgs: {[f'{name}={value}' for name, value in arguments_of(f).items()]}",
            f"\tInputs: {[v.shape for v in inputs]}",
            f"\tOutputs: {[v.shape for v in outputs]}",
            f"\tBackward Inputs: {[v.need_grad for v in inputs]}",
        ]
        if self._summary:
            lines += _summary("Input Data", [v._buffers.data for v in inputs])
            lines += _summary("Output Data", [v._buffers.data for v in outputs])
            lines += _summary("Input Grads", [v._buffers.grad for v in inputs])
            lines += _summary("Output Grads", [v._buffers.grad for v in outputs])
        return lines


def _summary(title: str, arrays: Iterable[NdArray]) -> list[str]:
    values = [_values(array) for array in arrays]
    lines = [f"\t{title}:"]
    for name, statistic in _STATISTICS:
        lines.append(f"\t\t{name}:  [{', '.join([_shown(statistic, x) for x in values])}]")
    return lines


def _values(array: NdArray) -> np.ndarray | None:
    """The values of an array, which stays where and as it is; ``None`` if they were freed."""
    tensor = array._tensor
    if tensor is None:
        if array.clear_called:
            return None
        # All alike; one is enough.
        return np.full((1,) if array.size else (0,), array._fill or 0, array.dtype)
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()


def _shown(statistic: Any, x: np.ndarray | None) -> str:
    if x is None:
        return "freed"
    if x.size == 0:
        return "nan"
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        return str(statistic(x))


def pprint(
    v: Variable,
    forward: bool = False,
    backward: bool = False,
    summary: bool = False,
    hidden: bool = False,
    printer: bool = False,
) -> PrettyPrinter | None:
    """Print the functions that lead to a variable, in the order in which they run.

    Of each its name, in the scope of its parameters, and type; how deep it is in the graph; arguments; shapes of inputs
    and outputs; and which inputs want a gradient.

    Args:
        v: the variable.
        forward: compute it first.
        backward: compute gradients from it first. As always, they are added to those of parameters.
        summary: also print median, mean, standard deviation, minimum and maximum of the values and gradients of each
            input and output; ``freed`` stands where a clear option has freed them.
        hidden: keep the variables of each function in the printer's attribute `functions`.
        printer: return what has printed.

    Returns:
        The `PrettyPrinter` if `printer`, else ``None``.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> pprint(F.relu(nn.Variable((2, 3), need_grad=True)))  # doctest: +NORMALIZE_WHITESPACE
        ReLU(ReLU)
                Depth = 0
                Args: ['inplace=False']
                Inputs: [(2, 3)]
                Outputs: [(2, 3)]
                Backward Inputs: [True]
    """
    if not isinstance(v, Variable):
        raise TypeError(f"pprint: v must be a Variable, not {type(v).__name__}")
    if forward:
        v.forward()
    if backward:
        v.backward()
    found = PrettyPrinter(summary, hidden)
    v.visit(found)
    return found if printer else None
