"""Affine layers and convolutions that see only the signs of their weights."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from ..errors import ShapeError
from ..graph.argument import Int, Single, Sizes, positive
from ..graph.operator import Operator, Shape, operator
from .convolution import Convolution
from .layers import Affine

BASE_AXIS = "Number of leading axes kept as batch; a negative value counts from the end."
PAD = "Zeros added on both sides of each spatial axis; default 0."
STRIDE = "Step between windows, for each spatial axis; default 1."
DILATION = "Step between the elements of a window, for each spatial axis; default 1."
GROUP = "Number of groups that channels are divided into."
_ZERO = "What a weight of 0 becomes."


def affine_layer(function: Any) -> Affine:
    """The affine layer with the arguments of `function`."""
    return Affine(function.base_axis)


def convolution_layer(function: Any) -> Convolution:
    """The convolution with the arguments of `function`."""
    return Convolution(function.base_axis, function.pad, function.stride, function.dilation, function.group)


def settle_window(function: Any, layer: Any) -> None:
    """Take over the arguments that follow from the shapes."""
    function.pad, function.stride, function.dilation = layer.pad, layer.stride, layer.dilation


# ---- binary weights ----------------------------------------------------------------------------------------


class BinaryWeights(Operator):
    """A layer with the signs of its weight, which forward writes to another input.

    The gradient of the weight is the one that the layer has for the signs. Subclasses declare
    `quantize_zero_to`.
    """

    constants = ("binary_weight", "alpha")
    updated = ("binary_weight", "alpha")
    keeps = True

    quantize_zero_to: Any

    def lay_out(
        self,
        layer: Any,
        x: Shape,
        weight: Shape,
        binary_weight: Shape,
        bias: Shape | None,
        alpha: Shape | None,
    ) -> Shape:
        """Shape of the output.

        Args:
            layer: what computes it, from the signs.
            x, weight, binary_weight, bias, alpha: shapes of the inputs.

        Raises:
            ShapeError: an input does not fit.
        """
        name = self.declaration.name
        layer.settle(self.context)
        y: Shape = layer.output_shape(x, weight, bias)
        if math.prod(binary_weight) != math.prod(weight):
            raise ShapeError(f"{name}: binary_weight must have the shape of weight, {weight}, not {binary_weight}")
        # The axes of the weight that do not tell its outputs apart: the first of an affine layer, all but the
        # first of a convolution.
        self._inner = (0,) if isinstance(layer, Affine) else tuple(range(1, len(weight)))
        outputs = math.prod([d for a, d in enumerate(weight) if a not in self._inner])
        if alpha is not None and math.prod(alpha) != outputs:
            raise ShapeError(f"{name}: alpha must have {outputs} elements, one for each output, not shape {alpha}")
        self._layer = layer
        return y

    def compute(
        self,
        x: Tensor,
        weight: Tensor,
        binary_weight: Tensor,
        bias: Tensor | None,
        alpha: Tensor | None = None,
    ) -> Tensor:
        """The output; signs and sizes are written to `binary_weight` and `alpha`."""
        signs = weight.sign().masked_fill_(weight == 0, self.quantize_zero_to)
        binary_weight.copy_(signs.view(binary_weight.shape))
        if alpha is not None:
            sizes = weight.abs().mean(self._inner, keepdim=True)
            alpha.copy_(sizes.view(alpha.shape))
            signs = signs * sizes
        self.kept = signs
        return self._layer.forward(x, signs, bias)

    def gradients(self, need: tuple[bool, bool, bool], dy: Tensor, x: Tensor) -> tuple[Any, Any, Any]:
        """Gradients of `x`, `weight` and `bias`."""
        dx, dw, db = self._layer.grad(need, dy, x, self.kept)
        return dx, dw, db


@operator("BinaryConnectAffine", "binary_connect_affine", 1202)
class BinaryConnectAffine(BinaryWeights):
    r"""Affine layer with the signs of its weight, :math:`y = x\, \mathrm{sign}(W) + b`.

    The gradient of `weight` is that of its sign.

    Inputs:
        x: shape ``(M_1, ..., M_B, D_1, ..., D_N)`` with ``B = base_axis``.
        weight: shape ``(D, L_1, ..., L_K)``, where ``D`` is the product of the ``D_i``.
        binary_weight: receives the signs in each forward; as many elements as `weight`.
        bias: shape ``(L_1, ..., L_K)``, or ``None`` for no bias.
    Args:
        base_axis: number of leading axes kept as batch; a negative value counts from the end.
        quantize_zero_to: what a weight of 0 becomes.
    Returns:
        Shape ``(M_1, ..., M_B, L_1, ..., L_K)``.
    Raises:
        ShapeError: an input does not fit.
        ArgumentError: `base_axis` is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x, w = nn.NdArray.from_numpy_array([[2.0, 3.0]]), nn.NdArray.from_numpy_array([[0.3], [-0.1]])
        >>> F.binary_connect_affine(x, w, nn.NdArray((2, 1))).data
        array([[-1.]], dtype=float32)

    Source: M. Courbariaux, Y. Bengio and J.-P. David, "BinaryConnect", arXiv:1511.00363, algorithm 1.
    """

    base_axis = Int(1, BASE_AXIS)
    quantize_zero_to = Single(1.0, _ZERO)
    held = ("binary_weight",)

    def output_shape(self, x: Shape, weight: Shape, binary_weight: Shape, bias: Shape | None = None) -> Shape:
        return self.lay_out(affine_layer(self), x, weight, binary_weight, bias, None)

    def forward(self, x: Tensor, weight: Tensor, binary_weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return self.compute(x, weight, binary_weight, bias)

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: Tensor) -> tuple[Any, ...]:
        dx, dw, db = self.gradients((need[0], need[1], need[3]), dy, x)
        return dx, dw, None, db


@operator("BinaryConnectConvolution", "binary_connect_convolution", 1203)
class BinaryConnectConvolution(BinaryWeights):
    r"""Convolution with the signs of its weight, :math:`y = \mathrm{conv}(x, \mathrm{sign}(W)) + b`.

    The gradient of `weight` is that of its sign.

    Inputs:
        x: shape ``(M_1, ..., M_B, C, L_1, ..., L_N)`` with ``B = base_axis``.
        weight: shape ``(C', C / group, K_1, ..., K_N)``.
        binary_weight: receives the signs in each forward; as many elements as `weight`.
        bias: shape ``(C',)``, or ``None`` for no bias.
    Args:
        base_axis: number of leading axes kept as batch; a negative value counts from the end.
        pad: zeros on both sides of each spatial axis; default 0.
        stride: step between windows, for each spatial axis; default 1.
        dilation: step between the elements of a window, for each spatial axis; default 1.
        group: number of groups that channels are divided into.
        quantize_zero_to: what a weight of 0 becomes.
    Returns:
        Shape as of `convolution`.
    Raises:
        ShapeError, ArgumentError: as in `convolution`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x, w = nn.Variable((2, 3, 8, 8)), nn.Variable((16, 3, 3, 3))
        >>> F.binary_connect_convolution(x, w, nn.Variable(w.shape)).shape
        (2, 16, 6, 6)

    Source: M. Courbariaux, Y. Bengio and J.-P. David, "BinaryConnect", arXiv:1511.00363, algorithm 1.
    """

    base_axis = Int(1, BASE_AXIS)
    pad = Sizes(None, PAD)
    stride = Sizes(None, STRIDE)
    dilation = Sizes(None, DILATION)
    group = Int(1, GROUP, check=positive)
    quantize_zero_to = Single(1.0, _ZERO)
    held = ("binary_weight",)

    def output_shape(self, x: Shape, weight: Shape, binary_weight: Shape, bias: Shape | None = None) -> Shape:
        layer = convolution_layer(self)
        y = self.lay_out(layer, x, weight, binary_weight, bias, None)
        settle_window(self, layer)
        return y

    def forward(self, x: Tensor, weight: Tensor, binary_weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return self.compute(x, weight, binary_weight, bias)

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: Tensor) -> tuple[Any, ...]:
        dx, dw, db = self.gradients((need[0], need[1], need[3]), dy, x)
        return dx, dw, None, db


@operator("BinaryWeightAffine", "binary_weight_affine", 1204)
class BinaryWeightAffine(BinaryWeights):
    r"""Affine layer with the signs of its weight times their mean size for each output.

    :math:`y_j = \alpha_j \sum_i x_i\, \mathrm{sign}(W_{ij}) + b_j` with :math:`\alpha_j = \|W_j\|_1 / D`. The
    gradient of `weight` is that of its sign, without :math:`\alpha`.

    Inputs:
        x: shape ``(M_1, ..., M_B, D_1, ..., D_N)`` with ``B = base_axis``.
        weight: shape ``(D, L_1, ..., L_K)``, where ``D`` is the product of the ``D_i``.
        binary_weight: receives the signs in each forward; as many elements as `weight`.
        alpha: receives the mean sizes in each forward; as many elements as there are outputs.
        bias: shape ``(L_1, ..., L_K)``, or ``None`` for no bias.
    Args:
        base_axis: number of leading axes kept as batch; a negative value counts from the end.
        quantize_zero_to: what a weight of 0 becomes.
    Returns:
        Shape ``(M_1, ..., M_B, L_1, ..., L_K)``.
    Raises:
        ShapeError: an input does not fit.
        ArgumentError: `base_axis` is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x, w = nn.NdArray.from_numpy_array([[2.0, 3.0]]), nn.NdArray.from_numpy_array([[0.25], [-0.75]])
        >>> F.binary_weight_affine(x, w, nn.NdArray((2, 1)), nn.NdArray((1,))).data
        array([[-0.5]], dtype=float32)

    Source: M. Rastegari et al., "XNOR-Net", arXiv:1603.05279, section 3.1.
    """

    base_axis = Int(1, BASE_AXIS)
    quantize_zero_to = Single(1.0, _ZERO)

    def output_shape(
        self, x: Shape, weight: Shape, binary_weight: Shape, alpha: Shape, bias: Shape | None = None
    ) -> Shape:
        return self.lay_out(affine_layer(self), x, weight, binary_weight, bias, alpha)

    def forward(
        self, x: Tensor, weight: Tensor, binary_weight: Tensor, alpha: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        return self.compute(x, weight, binary_weight, bias, alpha)

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: Tensor) -> tuple[Any, ...]:
        dx, dw, db = self.gradients((need[0], need[1], need[4]), dy, x)
        return dx, dw, None, None, db


@operator("BinaryWeightConvolution", "binary_weight_convolution", 1205)
class BinaryWeightConvolution(BinaryWeights):
    r"""Convolution with the signs of its weight times their mean size for each output map.

    :math:`y_o = \alpha_o \, \mathrm{conv}(x, \mathrm{sign}(W_o)) + b_o`, where :math:`\alpha_o` is the
    mean of :math:`|W_o|`. The gradient of `weight` is that of its sign, without :math:`\alpha`.

    Inputs:
        x: shape ``(M_1, ..., M_B, C, L_1, ..., L_N)`` with ``B = base_axis``.
        weight: shape ``(C', C / group, K_1, ..., K_N)``.
        binary_weight: receives the signs in each forward; as many elements as `weight`.
        alpha: receives the mean sizes in each forward; ``C'`` elements.
        bias: shape ``(C',)``, or ``None`` for no bias.
    Args:
        base_axis: number of leading axes kept as batch; a negative value counts from the end.
        pad: zeros on both sides of each spatial axis; default 0.
        stride: step between windows, for each spatial axis; default 1.
        dilation: step between the elements of a window, for each spatial axis; default 1.
        group: number of groups that channels are divided into.
        quantize_zero_to: what a weight of 0 becomes.
    Returns:
        Shape as of `convolution`.
    Raises:
        ShapeError, ArgumentError: as in `convolution`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x, w = nn.Variable((2, 3, 8, 8)), nn.Variable((16, 3, 3, 3))
        >>> F.binary_weight_convolution(x, w, nn.Variable(w.shape), nn.Variable((16,))).shape
        (2, 16, 6, 6)

    Source: M. Rastegari et al., "XNOR-Net", arXiv:1603.05279, section 3.1.
    """

    base_axis = Int(1, BASE_AXIS)
    pad = Sizes(None, PAD)
    stride = Sizes(None, STRIDE)
    dilation = Sizes(None, DILATION)
    group = Int(1, GROUP, check=positive)
    quantize_zero_to = Single(1.0, _ZERO)

    def output_shape(
        self, x: Shape, weight: Shape, binary_weight: Shape, alpha: Shape, bias: Shape | None = None
    ) -> Shape:
        layer = convolution_layer(self)
        y = self.lay_out(layer, x, weight, binary_weight, bias, alpha)
        settle_window(self, layer)
        return y

    def forward(
        self, x: Tensor, weight: Tensor, binary_weight: Tensor, alpha: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        return self.compute(x, weight, binary_weight, bias, alpha)

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: Tensor) -> tuple[Any, ...]:
        dx, dw, db = self.gradients((need[0], need[1], need[4]), dy, x)
        return dx, dw, None, None, db
