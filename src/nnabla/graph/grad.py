"""`nn.grad`: gradients as a graph, which can be differentiated again.

The gradient of a function is a function of its own, made from the same declaration: it computes what backward would,
and its gradient is derived by torch autograd from that computation. So a new operator has gradients of every order as
soon as it is declared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch

from .._nd_array import NdArray
from ..errors import ShapeError
from .call import apply
from .callback import Callback
from .derivative import derived_grad, vector_jacobian
from .function import Function
from .operator import Declaration, Input, Kind, Operator, Shape
from .order import topological
from .python_function import PythonFunction
from .second_order import SecondOrder, second_order
from .setup import may_want, with_gaps
from .variable import Buffers, Variable
from .wiring import call_grad

# By type name, what users have registered to build gradients: see `nnabla.backward_functions.register`.
builders: dict[str, Callable[..., Any]] = {}


class _Total(Operator):
    """Sum of arrays of one shape: the gradients that reach one variable along several paths."""

    declaration = Declaration(
        "GradientSum", "gradient_sum", (Input("x", False, True),), (), (), False, (Kind.COMPUTE,), True, True
    )

    def output_shape(self, *x: Shape) -> Shape:
        return x[0]

    def forward(self, *x: torch.Tensor) -> torch.Tensor:
        total = x[0].clone() if len(x) == 1 else x[0] + x[1]
        for term in x[2:]:
            total = total + term
        return total


class _Gradient(Operator):
    """The gradient of one function.

    Inputs: gradients of its outputs, then its inputs, then its outputs. Outputs: gradients of the inputs wanted.
    """

    view = True
    _second: SecondOrder | None = None

    def __init__(self, function: Function, wants: Sequence[bool]) -> None:
        source = function._operator
        self.source = source
        self.wants = tuple(wants)
        self._n_outputs = len(function._outputs)
        # What forward updates in place is only read here.
        kinds = [Kind.COMPUTE if k in (Kind.UPDATED, Kind.AS_IS) else k for k in source.wiring.kinds]
        outer = (Kind.COMPUTE,) * self._n_outputs
        self._kinds = (*outer, *kinds, *outer)
        self._shapes = [v.shape for v in function._inputs]
        self._need = tuple(with_gaps(source, wants, False))
        self._arguments = source.arguments
        self._second = second_order(function, wants)
        if self._second is not None:
            self.mask = self._second.depends
            self.grad = self._second.kernel
        elif source.grad is not None and (source.grad_is_differentiable or not source.keeps):
            # What it does not read, it does not depend on.
            steady = source.grad_is_steady
            xs = [function._reads("x", i) and not steady for i in range(len(function._inputs))]
            ys = [function._reads("y", i) and not steady for i in range(self._n_outputs)]
            self.mask = (*[True] * self._n_outputs, *xs, *ys)

    @property
    def declaration(self) -> Declaration:  # type: ignore[override]
        name = f"{self.source.declaration.type_name}Gradient"
        inputs = tuple(Input(f"x{i}", False, False) for i in range(len(self._kinds)))
        plain = all(k is Kind.COMPUTE for k in self._kinds)
        roles: tuple[tuple[str, int], ...] = ()
        if self._second is not None:
            roles = (*[("dy", i) for i in range(sum(self.wants))], *[("x", i) for i in self._second.reads])
        return Declaration(name, name, inputs, (), roles, bool(roles), self._kinds, False, plain)

    @property
    def full_precision(self) -> bool:  # type: ignore[override]
        return self.source.full_precision

    @property
    def arguments(self) -> dict[str, Any]:
        return self._arguments

    def output_shape(self, *shapes: Shape) -> list[Shape]:
        return [shape for shape, want in zip(self._shapes, self.wants, strict=True) if want]

    def _split(self, tensors: Sequence[torch.Tensor]) -> tuple[list[Any], list[Any], list[Any]]:
        n = self._n_outputs
        return list(tensors[:n]), list(tensors[n:-n]), list(tensors[-n:])

    def _chosen(self, grads: Sequence[Any]) -> Any:
        """The wanted ones among the gradients of all declared inputs, each in the shape of its input."""
        found = []
        for i, shape, want in zip(self.source.wiring.places, self._shapes, self.wants, strict=True):
            if want:
                dx = grads[i]
                found.append(dx.sum_to_size(shape) if dx.shape != shape else dx)
        return found[0] if len(found) == 1 else tuple(found)

    def forward(self, *tensors: torch.Tensor) -> Any:
        source = self.source
        dys, xs, ys = self._split(tensors)
        if source.grad is None or (source.keeps and source.kept is None):
            return self._chosen(derived_grad(source, self._need)(*dys, *with_gaps(source, xs)))
        return self._chosen(call_grad(source, self._need, dys, xs.__getitem__, ys.__getitem__))

    def recompute(self, *tensors: torch.Tensor) -> Any:
        """The same computed by differentiable operations, for where this gradient is itself differentiated."""
        source = self.source
        dys, xs, ys = self._split(tensors)
        if source.grad is not None and (source.grad_is_differentiable or not source.keeps):
            return self._chosen(call_grad(source, self._need, dys, xs.__getitem__, ys.__getitem__))
        # What forward kept is the result of computations on the inputs, which have to be part of the record.
        kept = source.kept
        xs = [
            x.detach().requires_grad_() if want and not x.requires_grad else x
            for x, want in zip(xs, self.wants, strict=True)
        ]
        results = source.recompute(*with_gaps(source, xs))
        source.kept = kept
        results = (results,) if isinstance(results, torch.Tensor) else tuple(results)
        targets = [x for x, want in zip(xs, self.wants, strict=True) if want]
        rest = iter(vector_jacobian(results, dys, targets, differentiable=True))
        return self._chosen(with_gaps(source, [next(rest) if want else None for want in self.wants]))


class _PythonGradient(PythonFunction):
    """The gradient of a user's function, by its backward_impl; it has no gradient of its own."""

    def __init__(self, function: Function, wants: Sequence[bool]) -> None:
        super().__init__(function.context)
        assert isinstance(function._operator, Callback)
        self.source = function._operator.user
        self.wants = list(wants)
        self._n_outputs = len(function._outputs)

    @property
    def name(self) -> str:
        return f"{self.source.name}Gradient"

    def min_outputs(self) -> int:
        return sum(self.wants)

    def _given(self, inputs: list[Variable]) -> list[Variable]:
        return inputs[self._n_outputs : -self._n_outputs]

    def setup_impl(self, inputs: list[Variable], outputs: list[Variable]) -> None:
        wanted = [x for x, want in zip(self._given(inputs), self.wants, strict=True) if want]
        for x, y in zip(wanted, outputs, strict=True):
            y.reset_shape(x.shape, True)

    def forward_impl(self, inputs: list[Variable], outputs: list[Variable]) -> None:
        n = self._n_outputs
        ys = [Variable._on(Buffers(y.data)) for y in inputs[-n:]]
        for y, dy in zip(ys, inputs[:n], strict=True):
            y.grad = dy.data
        xs = [Variable._on(Buffers(x.data)) for x in self._given(inputs)]
        results = iter(outputs)
        for x, want in zip(xs, self.wants, strict=True):
            if want:
                x.grad = next(results).data
        self.source.backward_impl(xs, ys, self.wants, [False] * len(xs))


def grad(
    outputs: Variable | Iterable[Variable],
    inputs: Variable | Iterable[Variable],
    grad_outputs: Any = None,
    persistent_outputs: Sequence[bool] = (),
    bind_grad_output: bool = False,
) -> list[Variable]:
    """Gradients of `outputs` in `inputs`, as variables of a graph that can be run and differentiated further.

    Args:
        outputs: a variable, or any iterable of variables; their gradients are summed.
        inputs: a variable, or any iterable of variables.
        grad_outputs: gradient of each output: a number, an array of its shape (NumPy, NdArray or Variable), or None
            for ones. One value, or a list of them.
        persistent_outputs: `persistent` flags for the outputs; none or one for each.
        bind_grad_output: let the gradients be computed into the `grad` of the inputs.

    Returns:
        A variable of its shape for each input; zeros where the outputs do not depend on it.

    Raises:
        ShapeError: a gradient has another shape than its output.
        ValueError: a list has another length than `outputs`.

    Example:
        >>> import nnabla as nn
        >>> x = nn.Variable.from_numpy_array([1.0, 2.0], need_grad=True)
        >>> (g,) = nn.grad([x**3], [x])
        >>> (gg,) = nn.grad([g], [x])
        >>> gg.forward()
        >>> gg.d
        array([ 6., 12.], dtype=float32)
    """
    ys = _variables(outputs, "outputs")
    if not ys:
        raise ValueError("grad: outputs must not be empty")
    xs = _variables(inputs, "inputs")
    dys = _gradients_of(ys, grad_outputs)
    if len(persistent_outputs) not in (0, len(ys)):
        raise ValueError(f"grad: persistent_outputs must have {len(ys)} entries or none, not {len(persistent_outputs)}")
    for y, flag in zip(ys, persistent_outputs, strict=False):
        y.persistent = flag
    totals = _propagate(ys, xs, dys)
    return [_result(x, totals.get(x), bind_grad_output) for x in xs]


def _variables(given: Any, name: str) -> list[Variable]:
    several = isinstance(given, Iterable) and not isinstance(given, (Variable, NdArray, str))
    variables = list(given) if several else [given]
    for variable in variables:
        if not isinstance(variable, Variable):
            raise TypeError(f"grad: {name} must be Variables, not {type(variable).__name__}")
    return variables


def _gradients_of(ys: list[Variable], given: Any) -> list[Variable]:
    """The gradient of each output, as a variable."""
    values = list(given) if isinstance(given, (list, tuple)) else [given] * len(ys)
    if len(values) != len(ys):
        raise ValueError(f"grad: grad_outputs must have {len(ys)} entries, as outputs has, not {len(values)}")
    found = []
    for y, value in zip(ys, values, strict=True):
        if isinstance(value, Variable):
            dy = value
        elif isinstance(value, NdArray):
            dy = Variable._on(Buffers(value))
        elif isinstance(value, np.ndarray) and value.ndim:
            dy = Variable.from_numpy_array(value)
        elif value is None or isinstance(value, (int, float, np.number, np.ndarray)):
            dy = Variable(y.shape)
            dy.data.fill(1 if value is None else float(value))
        else:
            raise TypeError(f"grad: grad_outputs must be numbers, arrays or None, not {type(value).__name__}")
        if dy.shape != y.shape:
            raise ShapeError(f"grad: the gradient of an output of shape {y.shape} has shape {dy.shape}")
        found.append(dy)
    return found


def _propagate(ys: list[Variable], xs: list[Variable], dys: list[Variable]) -> dict[Variable, list[Variable]]:
    """All gradients that reach each variable along the paths from `ys` to `xs`."""
    order = topological(ys)
    targets = set(xs)
    depends = set(targets)
    for function in order:
        if _has_gradient(function) and any(v in depends for v in function._inputs):
            depends.update(function.outputs)
    reached: dict[Variable, list[Variable]] = {}
    for y, dy in zip(ys, dys, strict=True):
        reached.setdefault(y, []).append(dy)
    for function in reversed(order):
        outputs = function.outputs
        if not any(y in reached for y in outputs) or not any(y in depends for y in outputs):
            continue
        builder = builders.get(function.info.type_name)
        if builder is not None:
            wants = [v in depends for v in function._inputs]
            grads = _by_user(function, builder, outputs, _arrived(outputs, reached))
        else:
            wants = [v in depends and may for v, may in zip(function._inputs, may_have_gradient(function), strict=True)]
            if not any(wants) or not function._operator.differentiable:
                continue
            grads = gradients(function, outputs, wants, _arrived(outputs, reached))
        for v, want, dx in zip(function._inputs, wants, grads, strict=True):
            if want and dx is not None:
                reached.setdefault(v, []).append(dx)
    return reached


def _has_gradient(function: Function) -> bool:
    return function._operator.differentiable or function.info.type_name in builders


def may_have_gradient(function: Function) -> list[bool]:
    """For each input of a function, whether there is a gradient for it."""
    operator = function._operator
    kinds = operator.wiring.kinds
    return [may and kind is not Kind.INDEX for may, kind in zip(may_want(operator), kinds, strict=True)]


def _arrived(outputs: list[Variable], reached: dict[Variable, list[Variable]]) -> list[Variable]:
    """The gradient of each output of a function: one variable for all that has reached it."""
    dys = []
    for y in outputs:
        arrived = reached.get(y)
        if arrived is None:
            dy = Variable(y.shape)
            dy.data.zero()
        else:
            dy = arrived[0] if len(arrived) == 1 else apply(_Total(), arrived)
            reached[y] = [dy]
        dys.append(dy)
    return dys


def gradients(
    function: Function, outputs: list[Variable], wants: list[bool], dys: list[Variable]
) -> list[Variable | None]:
    """The gradients of those inputs of a function that want one, from the gradients of its outputs."""
    operator: Operator
    if isinstance(function._operator, Callback):
        operator = Callback(_PythonGradient(function, wants), differentiable=False)
    else:
        operator = _Gradient(function, wants)
    made = apply(operator, (*dys, *function._inputs, *outputs))
    rest = iter(made if isinstance(made, tuple) else (made,))
    return [next(rest) if want else None for want in wants]


def _by_user(
    function: Function, builder: Callable[..., Any], outputs: list[Variable], dys: list[Variable]
) -> list[Variable | None]:
    """The gradients of the inputs of a function, from a user's builder."""
    inputs = function.inputs
    shapes = [v.shape for v in inputs]
    made = builder(dys, inputs, shapes, outputs, [v.shape for v in outputs], **function.info.args)
    found = list(made) if isinstance(made, (list, tuple)) else [made]
    found = (found + [None] * len(inputs))[: len(inputs)]
    where = f"grad: the backward function of {function.info.type_name}"
    for i, (dx, shape) in enumerate(zip(found, shapes, strict=True)):
        if dx is not None and not isinstance(dx, Variable):
            raise TypeError(f"{where} must return Variables or None, not {type(dx).__name__}")
        if dx is not None and dx.shape != shape:
            raise ShapeError(f"{where} must return a gradient of shape {shape} for input {i}, not {dx.shape}")
    return found


def _result(x: Variable, arrived: list[Variable] | None, bind: bool) -> Variable:
    if arrived is None:
        zeros = Variable(x.shape)
        zeros.data.zero()
        arrived = [zeros]
    if bind:
        return apply(_Total(), arrived, outputs=[x.grad])
    return arrived[0] if len(arrived) == 1 else apply(_Total(), arrived)


class Grad:
    """`grad`, as an object that can be called."""

    def __call__(
        self,
        outputs: Variable | Sequence[Variable],
        inputs: Variable | Sequence[Variable],
        grad_outputs: Any = None,
        persistent_outputs: Sequence[bool] = (),
        bind_grad_output: bool = False,
    ) -> list[Variable]:
        """See `grad`."""
        return grad(outputs, inputs, grad_outputs, persistent_outputs, bind_grad_output)


class GradEndFunction(PythonFunction):
    """Where gradients begin: ones in the shape of the first input, which does not depend on any."""

    @property
    def name(self) -> str:
        return "GradEndFunction"

    def grad_depends_input_data(self, i: int, j: int) -> bool:
        return False

    def grad_depends_output_data(self, i: int, o: int) -> bool:
        return False

    def setup_impl(self, inputs: list[Variable], outputs: list[Variable]) -> None:
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs: list[Variable], outputs: list[Variable]) -> None:
        outputs[0].data.fill(1)

    def backward_impl(
        self, inputs: list[Variable], outputs: list[Variable], propagate_down: list[bool], accum: list[bool]
    ) -> None:
        for x, wanted, adds in zip(inputs, propagate_down, accum, strict=True):
            if wanted and not adds:
                x.grad.zero()
