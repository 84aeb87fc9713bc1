"""Functions that matter for the way of gradients only: ends of a graph, stops, and noise from gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import ShapeError
from ..graph.argument import Bool, Int, Single
from ..graph.call import apply, public
from ..graph.operator import Operator, Shape, operator
from ..graph.variable import Buffers, Variable
from .axes import normalized
from .shapes import Elementwise


@operator("Unlink", "unlink", 1218)
class Unlink(Elementwise):
    """The input, unchanged, :math:`y = x`; its gradient is 0.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.Variable.from_numpy_array([1.0, 2.0]).apply(need_grad=True)
        >>> y = F.unlink(x)
        >>> y.forward()
        >>> x.grad.zero()
        >>> y.backward()
        >>> y.d, x.g
        (array([1., 2.]), array([0., 0.], dtype=float32))

    Source: NNabla function reference, ``Unlink``.
    """

    view = True
    linked = 0

    def forward(self, x: Tensor) -> Tensor:
        return x

    def grad(self, dy: Tensor) -> Tensor:
        return torch.zeros_like(dy)


@operator("Sink", "sink", 1219)
class Sink(Operator):
    """Brings several variables together, so that one call of forward or backward reaches them all;
    the value is :math:`y = 0`.

    The gradient of each input is set, not added to. It works as documented where it is the last function of a
    graph.

    Inputs:
        x: any number of arrays of any shapes.
    Args:
        one_input_grad: whether backward sets the gradient of each input to 1; else it starts from what the
            gradients of the inputs hold.
    Returns:
        Shape ``()``.

    Source: NNabla function reference, ``Sink``.
    """

    one_input_grad = Bool(True, "Whether backward sets the gradient of each input to 1.")
    grad_aliases = True
    protects_inputs = True

    # Where the gradients of the inputs are, which backward reads and sets.
    buffers: tuple[Buffers, ...] = ()

    def output_shape(self, *x: Shape) -> Shape:
        self._x = x
        return ()

    def forward(self, *x: Tensor) -> Tensor:
        return torch.zeros((), dtype=self.compute_dtype, device=self.device)

    def grad(self, need: tuple[bool, ...], dy: Tensor) -> tuple[Tensor | None, ...]:
        found: list[Tensor | None] = []
        met: set[int] = set()
        for i, (shape, wanted) in enumerate(zip(self._x, need, strict=True)):
            if not wanted:
                found.append(None)
                continue
            buffers = self.buffers[i] if self.buffers else None
            again = buffers is not None and id(buffers) in met
            met.add(id(buffers))
            if self.one_input_grad:
                dx = dy.new_zeros(shape) if again else dy.new_ones(()).expand(shape)
            elif buffers is None or again:
                dx = dy.new_zeros(shape)
            else:
                dx = buffers.grad._as(dy.dtype, dy.device).clone()
            if buffers is not None:
                # What is returned takes the place of the gradient, also where gradients are accumulated.
                buffers.grad.zero()
            found.append(dx)
        return tuple(found)


@public
def sink(*x: Any, **kw: Any) -> Any:
    """Bring several variables together, so that one call of forward or backward reaches them all;
    the value is :math:`y = 0`.

    The gradient of each input is set, not added to. Call it on the last variables of a graph.

    Inputs:
        x: any number of variables of any shapes.
    Args:
        one_input_grad: whether backward sets the gradient of each input to 1 (default); else it starts from
            what the gradients of the inputs hold.
    Returns:
        Shape ``()``.
    Raises:
        TypeError: there is no input.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.Variable.from_numpy_array([1.0, 2.0]).apply(need_grad=True)
        >>> a, b = F.mul_scalar(x, 10.0), F.sum(x)
        >>> y = F.sink(a, b)
        >>> y.forward()
        >>> x.grad.zero()
        >>> y.backward()
        >>> a.d, b.d, x.g
        (array([10., 20.], dtype=float32), array(3., dtype=float32), array([11., 11.], dtype=float32))

    Source: NNabla function reference, ``sink``.
    """
    if not x:
        raise TypeError("sink: at least one input must be given")
    n_outputs, outputs = kw.pop("n_outputs", -1), kw.pop("outputs", None)
    function = Sink(**kw)
    if all(isinstance(v, Variable) for v in x):
        function.buffers = tuple([v._buffers for v in x])
    return apply(function, x, n_outputs, outputs)


@operator("VATNoise", "vat_noise", 1217)
class VATNoise(Operator):
    r"""Noise of a given norm, :math:`y = \epsilon x / \sqrt{\|x\|^2 + 10^{-8}}` for each sample.

    Backward writes :math:`\epsilon\, dy` to the data of `w`, to be the noise of the next step; the gradients
    are 0.

    Inputs:
        x: noise, shape ``(M_1, ..., M_B, D_1, ..., D_N)`` with ``B = base_axis``.
        w: receives the gradient of the output in each backward; shape of `x`.
    Args:
        base_axis: first axis of a sample; a negative value counts from the end.
        eps: norm :math:`\epsilon` of the noise.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: the shapes differ.
        ArgumentError: `base_axis` is not an axis of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.vat_noise(nn.NdArray.from_numpy_array([[3.0, 4.0]]), nn.NdArray((1, 2)), eps=10.0).data
        array([[6., 8.]], dtype=float32)

    Source: T. Miyato et al., "Virtual Adversarial Training", arXiv:1704.03976, equation 10.
    """

    base_axis = Int(1, "First axis of a sample.")
    eps = Single(1.0, "Norm of the noise.")
    constants = ("w",)
    updated = ("w",)

    # Against division by zero; its square is added.
    _SMALL = torch.tensor(1e-4, dtype=torch.float64)

    def output_shape(self, x: Shape, w: Shape) -> Shape:
        if w != x:
            raise ShapeError(f"vat_noise: w must have the shape of x, {x}, not {w}")
        axis = normalized(self.base_axis, len(x), "vat_noise", "base_axis")
        self._axes = list(range(axis, len(x)))
        return x

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(x, 2, self._axes, True)
        return x * (self.eps / torch.hypot(norm, self._SMALL))

    def grad(self, dy: Tensor, w: Tensor) -> tuple[Tensor, None]:
        w.copy_(dy * self.eps)
        return torch.zeros_like(dy), None
