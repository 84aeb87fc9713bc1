"""Runs a case through the public API, in each of the three modes, and reports what a user would see.

Nothing here depends on which implementation of `nnabla` is imported: the recorder runs it on the original,
the tests run it on this package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import nnabla as nn
import nnabla.function as nodes
import nnabla.functions as F

from .case import Case

# What an implementation may raise to refuse an input. Anything else (AttributeError, ...) is a defect.
REFUSALS = (ValueError, TypeError, RuntimeError, IndexError)


@dataclass
class Observation:
    """What a case does in static mode.

    Args:
        refused: the step that raised: ``"build"``, ``"forward"``, ``"backward"``, or ``""``. Outputs are
            there even if backward is refused.
        error: the message of that refusal, for reading; it is not recorded.
        graph: type name and arguments of each function node, in the order of a visit; the last one made the
            outputs.
        outputs: one array for each output.
        updates: what the inputs in `Case.updates` hold after forward.
        grads: for each input in `Case.grad`, its gradient after `grad.zero()`.
        accumulated: the same, but on top of `noise`.
    """

    refused: str = ""
    error: str = ""
    graph: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    outputs: list[np.ndarray] = field(default_factory=list)
    updates: list[np.ndarray] = field(default_factory=list)
    grads: list[np.ndarray] = field(default_factory=list)
    accumulated: list[np.ndarray] = field(default_factory=list)


def call(case: Case, inputs: Sequence[Any]) -> list[Any]:
    """The case's function on variables or arrays; always a list of outputs."""
    args = dict(case.args)
    if case.is_node:
        node = getattr(nodes, case.function)(nn.get_current_context(), **args)
        outputs = node(*[x for x in inputs if x is not None])
    else:
        outputs = getattr(F, case.function)(*inputs, **args)
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def variables(case: Case, arrays: Sequence[np.ndarray | None]) -> list[nn.Variable | None]:
    """The inputs as variables that hold `arrays`; those in `Case.grad` want a gradient."""
    result: list[nn.Variable | None] = []
    for i, array in enumerate(arrays):
        if array is None:
            result.append(None)
            continue
        x = nn.Variable(array.shape, need_grad=i in case.grad)
        x.d = array.astype(case.dtype)
        result.append(x)
    return result


def ndarrays(arrays: Sequence[np.ndarray | None], dtype: str = "float32") -> list[nn.NdArray | None]:
    """The inputs as NdArrays that hold `arrays` as `dtype`."""
    return [None if a is None else nn.NdArray.from_numpy_array(a.astype(dtype)) for a in arrays]


def copies(items: Sequence[Any]) -> list[np.ndarray]:
    """The values of variables or NdArrays, as arrays of their own."""
    return [np.array(v.data if isinstance(v, nn.NdArray) else v.d) for v in items]


def graph_of(outputs: Sequence[nn.Variable]) -> list[tuple[str, dict[str, Any]]]:
    """Type name and arguments of every function under the first output, in the order of a visit."""
    graph: list[tuple[str, dict[str, Any]]] = []

    def visit(function: Any) -> None:
        graph.append((function.info.type_name, dict(function.info.args)))

    outputs[0].visit(visit)
    return graph


def backward(outputs: Sequence[nn.Variable], dys: Sequence[np.ndarray]) -> None:
    """Back-propagates all `dys` at once; several outputs meet in the sum of their products with `dys`."""
    if len(outputs) == 1:
        outputs[0].backward(dys[0])
        return
    products = []
    for y, dy in zip(outputs, dys, strict=True):
        weight = nn.Variable(y.shape)
        weight.d = dy
        products.append(F.sum(F.mul2(y, weight)))
    total = products[0]
    for product in products[1:]:
        total = F.add2(total, product)
    total.forward()
    total.backward()


def noise(case: Case) -> list[np.ndarray]:
    """What the gradient buffers hold before the accumulating run: one array for each input in `Case.grad`."""
    rng = case.random_state("noise")
    return [rng.standard_normal(case.inputs[i].shape).astype("float32") for i in case.grad]


def output_gradients(case: Case, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """Random `dy`, float64: with ones, a transposed or permuted gradient would look right."""
    rng = case.random_state("dy")
    return [np.asarray(rng.standard_normal(shape)) for shape in shapes]


def static(case: Case, refusals: tuple[type[Exception], ...] = REFUSALS) -> Observation:
    """Builds the graph without running it, then runs it forward and backward; reports `refusals`."""
    seen = Observation()
    arrays = case.arrays()
    try:
        outputs = call(case, variables(case, arrays))
    except refusals as error:
        return Observation(refused="build", error=repr(error))
    seen.graph = graph_of(outputs)

    def run(fill: Callable[[int, nn.Variable], None]) -> list[np.ndarray]:
        xs = variables(case, arrays)
        outputs = call(case, xs)
        nn.forward_all(outputs)
        seen.outputs = copies(outputs)
        seen.updates = copies([xs[i] for i in case.updates])
        wanted = [xs[i] for i in case.grad]
        if not wanted:
            return []
        for k, x in enumerate(wanted):
            fill(k, x)
        dys = output_gradients(case, [y.shape for y in outputs])
        seen.refused = "backward"
        backward(outputs, [dy.astype("float32") for dy in dys])
        seen.refused = ""
        return [np.array(x.g) for x in wanted]

    def assign_noise(k: int, x: nn.Variable) -> None:
        x.g = before[k]

    before = noise(case)
    try:
        seen.grads = run(lambda k, x: x.grad.zero())
        seen.accumulated = run(assign_noise)
    except refusals as error:
        if not seen.refused:
            return Observation(refused="forward", error=repr(error))
        seen.error = repr(error)
    return seen


def dynamic(case: Case) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Outputs and updated inputs, when every function runs as it is called."""
    xs = variables(case, case.arrays())
    with nn.auto_forward():
        outputs = call(case, xs)
    return copies(outputs), copies([xs[i] for i in case.updates])


def imperative(case: Case) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Outputs and updated inputs, when the function is called on NdArrays: no graph."""
    xs = ndarrays(case.arrays(), case.dtype)
    outputs = call(case, xs)
    for y in outputs:
        if not isinstance(y, nn.NdArray):
            raise TypeError(f"{case}: NdArray inputs must give NdArray outputs, got {type(y).__name__}")
    return copies(outputs), copies([xs[i] for i in case.updates])
