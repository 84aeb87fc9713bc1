"""Recurrent layers over whole sequences: Elman RNN, LSTM, GRU, with several layers and both directions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from .._private_torch import get_mkldnn_enabled, set_mkldnn_enabled
from ..errors import ArgumentError, GraphError, ShapeError
from ..graph.argument import Bool, Int, Single, Str, positive
from ..graph.derivative import Record, vector_jacobian
from ..graph.operator import Shape, operator
from ..graph.tracing import refuse_tracing
from .shapes import refuse_empty
from .stochastic import Stochastic

# torch.lstm, gru and rnn_* are ATen's kernels for one layer in one or both directions, over all steps. On the CPU an
# LSTM's two passes take 15 ms with them and 27 ms from separate operators (35 steps, batch 20, 200 units); 0.9 and
# 6.8 ms with 32 units.


@contextmanager
def _unfused() -> Iterator[None]:
    """Without oneDNN, whose recurrent kernels cannot be differentiated twice.

    `torch.backends.mkldnn.flags` would touch settings of other hardware, and warn where that is missing.
    """
    enabled = get_mkldnn_enabled()
    set_mkldnn_enabled(False)
    try:
        yield
    finally:
        set_mkldnn_enabled(enabled)


class Recurrent(Stochastic):
    """What the recurrent layers have in common: checks, weights by layer and direction, dropout, the
    gradient.

    Forward records ATen's operations and the gradient plays them back, for the kernels keep what it needs in
    forms of their own. The record reads inputs and outputs, so `grad` names them all.
    """

    num_layers: Any
    dropout: Any
    bidirectional: Any
    training: Any

    keeps = keeps_output = grad_is_differentiable = True
    # Dropout follows nnabla.seed.
    seed = -1

    _states = 1
    _gates = 1
    _bias_rows = 1

    def _check(
        self, x: Shape, states: Sequence[Shape], first: Shape, weight: Shape | None, bias: Shape | None
    ) -> list[Shape]:
        """Check all shapes; those of the outputs."""
        name = self.declaration.name
        if self.dropout is None:
            self.dropout = 0.0
        if not 0 <= self.dropout < 1:
            raise ArgumentError(f"{name}: dropout must be in [0, 1), not {self.dropout}")
        directions, layers = 1 + self.bidirectional, self.num_layers
        if len(x) != 3:
            raise ShapeError(f"{name}: x must have 3 axes: steps, batch, features")
        refuse_empty(x, name)
        h = states[0]
        if len(h) != 4 or h[:3] != (layers, directions, x[1]):
            raise ShapeError(f"{name}: h must have shape {(layers, directions, x[1])} + (hidden size,)")
        if len(states) > 1 and states[1] != h:
            raise ShapeError(f"{name}: c must have the shape of h")
        hidden = h[3]
        gates = (self._gates,) if self._gates > 1 else ()
        wanted: list[tuple[str, Shape | None, Shape]] = [
            ("weight_l0", first, (directions, *gates, hidden, x[2] + hidden)),
            ("weight", weight, (layers - 1, directions, *gates, hidden, (directions + 1) * hidden)),
            ("bias", bias, (layers, directions, *((self._bias_rows,) if gates else ()), hidden)),
        ]
        if (weight is None) != (layers == 1):
            raise ArgumentError(f"{name}: weight must be given if, and only if, num_layers is above 1")
        for argument, found, expected in wanted:
            if found is not None and found != expected:
                raise ShapeError(f"{name}: {argument} must have shape {expected}")
        self._sizes = (x[2], hidden)
        return [(x[0], x[1], directions * hidden), *[h] * len(states)]

    def _kernel(self, x: Tensor, states: Sequence[Tensor], parameters: list[Tensor], bias: bool) -> Any:
        """Run one layer; its output and last states."""
        raise NotImplementedError

    def _bias(self, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Bias of one layer and direction as the kernels take it: for the input, for the state before."""
        return bias.reshape(-1), bias.new_zeros(bias.numel())

    def _layers(
        self,
        masks: Sequence[Tensor],
        x: Tensor,
        states: Sequence[Tensor],
        first: Tensor,
        weight: Any,
        bias: Any,
    ) -> tuple[Tensor, ...]:
        """All layers; the output and the last states of every layer."""
        refuse_tracing("has a kernel for all steps of a sequence")
        features, hidden = self._sizes
        directions = range(1 + self.bidirectional)
        last: list[list[Tensor]] = [[] for _ in states]
        for layer in range(self.num_layers):
            matrices = first if layer == 0 else weight[layer - 1]
            if layer:
                features = len(directions) * hidden
                if masks:
                    x = x * masks[layer - 1]
            parameters = []
            for d in directions:
                matrix = matrices[d].reshape(-1, features + hidden)
                parameters += [matrix[:, :features], matrix[:, features:]]
                if bias is not None:
                    parameters += self._bias(bias[layer, d])
            x, *ends = self._kernel(x, [s[layer] for s in states], parameters, bias is not None)
            for found, end in zip(last, ends, strict=True):
                found.append(end)
        return (x, *[torch.stack(found) if len(found) > 1 else found[0].unsqueeze(0) for found in last])

    def _masks(self, x: Tensor, replay: bool = False) -> list[Tensor]:
        """Factors of dropout between layers: new ones, or those of the last forward."""
        if not self.training or not self.dropout or self.num_layers == 1:
            return []
        generator = self.replayed() if replay else self.generator()
        shape = (x.shape[0], x.shape[1], (1 + self.bidirectional) * self._sizes[1])
        scale = 1 / (1 - self.dropout)
        drawn = [
            torch.rand(shape, generator=generator, dtype=torch.float32, device=x.device)
            for _ in range(self.num_layers - 1)
        ]
        return [d.ge_(self.dropout).to(x.dtype).mul_(scale) for d in drawn]

    def _split(self, tensors: Sequence[Any]) -> tuple[Any, ...]:
        count = 1 + self._states
        return tensors[0], tensors[1:count], *tensors[count:]

    def _recorded(self, tensors: Sequence[Any], replay: bool = False) -> tuple[Tensor, ...]:
        """Compute with autograd's record, which `kept` then holds."""
        masks = self._masks(tensors[0], replay)
        if not self.training:
            return self._layers(masks, *self._split(tensors))
        self.kept = record = Record(
            lambda *leaves: self._layers(masks, *self._split(leaves)), tensors, [True] * len(tensors)
        )
        return tuple([y.detach() for y in record.ys])

    def recompute(self, *tensors: Any) -> tuple[Tensor, ...]:
        return self._recorded(tensors, replay=True)

    def infer(self, *tensors: Any) -> tuple[Tensor, ...]:
        return self._layers(self._masks(tensors[0]), *self._split(tensors))

    def _gradients(
        self, need: tuple[bool, ...], dys: Sequence[Tensor], tensors: Sequence[Any]
    ) -> tuple[Tensor | None, ...]:
        if not self.training:
            raise GraphError(f"{self.declaration.name}: there is a gradient with training=True only")
        again = any(t is not None and t.requires_grad for t in (*tensors, *dys))
        if again:
            # To be differentiated once more: by the inputs themselves, and by kernels that can be.
            leaves = [t if t is None or t.requires_grad else t.detach().requires_grad_() for t in tensors]
            with _unfused(), torch.backends.cudnn.flags(enabled=False):
                ys = self._layers(self._masks(tensors[0], replay=True), *self._split(leaves))
        else:
            # A weight that was updated since forward is a wrong record.
            if self.kept is None or not self.kept.holds:
                self._recorded(tensors, replay=True)
            leaves, ys = self.kept.leaves, self.kept.ys
        wanted = [leaf for leaf, want in zip(leaves, need, strict=True) if want]
        found = vector_jacobian(ys, [dy.contiguous() for dy in dys], wanted, keep=True, differentiable=again)
        rest = iter(found)
        return tuple([next(rest) if want else None for want in need])


@operator("RNN", "rnn", 1002)
class RNN(Recurrent):
    r"""Elman RNN, :math:`h_t = f(W x_t + U h_{t-1} + b)` with :math:`f` tanh or ReLU.

    Below, T is the number of steps, B the batch size, I the number of features, L the number of layers, D the
    number of directions and H the hidden size.

    Inputs:
        x: shape ``(T, B, I)``.
        h: states before the first step, shape ``(L, D, B, H)``.
        weight_l0: weight of the first layer, ``W`` and ``U`` side by side, shape ``(D, H, I + H)``.
        weight: weights of the other layers, shape ``(L - 1, D, H, D * H + H)``; ``None`` for one layer.
        bias: shape ``(L, D, H)``, or ``None`` for no bias.
    Args:
        num_layers: number of layers; each one reads the outputs of the one before.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        dropout: probability in [0, 1) that an output of a layer is not seen by the next one; default 0.
        bidirectional: run every layer in both directions of time, and put the outputs side by side.
        training: whether dropout is in force; without it there is no gradient.
    Returns:
        ``y``, the outputs of the last layer, shape ``(T, B, D * H)``, and ``h_n``, the last states of all
        layers, shape ``(L, D, B, H)``.
    Raises:
        ShapeError: an input has a shape that does not fit to the others.
        ArgumentError: an argument is out of range, or `weight` is missing or not wanted.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x, h, w = nn.Variable((5, 2, 3)), nn.Variable((1, 1, 2, 4)), nn.Variable((1, 4, 3 + 4))
        >>> y, h_n = F.rnn(x, h, w)
        >>> y.shape, h_n.shape
        ((5, 2, 4), (1, 1, 2, 4))

    Source: NNabla function reference, ``RNN``; J. L. Elman, "Finding structure in time", 1990.
    """

    num_layers = Int(1, "Number of layers.", check=positive)
    nonlinearity = Str("tanh", "The activation function.", choices=("tanh", "relu"))
    dropout = Single(None, "Probability that an output of a layer is not seen by the next one; default 0.")
    bidirectional = Bool(False, "Run every layer in both directions of time.")
    training = Bool(True, "Whether dropout is in force; without it there is no gradient.")
    outputs = ("y", "h_n")

    def output_shape(
        self, x: Shape, h: Shape, weight_l0: Shape, weight: Shape | None = None, bias: Shape | None = None
    ) -> list[Shape]:
        self._run = torch.rnn_tanh if self.nonlinearity == "tanh" else torch.rnn_relu
        return self._check(x, [h], weight_l0, weight, bias)

    def _kernel(self, x: Tensor, states: Sequence[Tensor], parameters: list[Tensor], bias: bool) -> Any:
        return self._run(x, states[0], parameters, bias, 1, 0.0, False, self.bidirectional, False)

    def forward(
        self,
        x: Tensor,
        h: Tensor,
        weight_l0: Tensor,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        return self._recorded((x, h, weight_l0, weight, bias))

    def grad(
        self,
        need: tuple[bool, ...],
        dy: Tensor,
        dh_n: Tensor,
        x: Tensor,
        h: Tensor,
        weight_l0: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        y: Tensor,
        h_n: Tensor,
    ) -> tuple[Tensor | None, ...]:
        return self._gradients(need, (dy, dh_n), (x, h, weight_l0, weight, bias))


@operator("LSTM", "lstm", 1003)
class LSTM(Recurrent):
    r"""Long short-term memory.

    .. math::
        i_t &= \sigma(W_i x_t + U_i h_{t-1} + b_i), \quad f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f), \\
        g_t &= \tanh(W_g x_t + U_g h_{t-1} + b_g), \quad o_t = \sigma(W_o x_t + U_o h_{t-1} + b_o), \\
        c_t &= f_t \odot c_{t-1} + i_t \odot g_t, \quad h_t = o_t \odot \tanh(c_t)

    Below, T is the number of steps, B the batch size, I the number of features, L the number of layers, D the
    number of directions and H the hidden size; an axis of length 4 holds the gates in the order i, f, g, o.

    Inputs:
        x: shape ``(T, B, I)``.
        h: states before the first step, shape ``(L, D, B, H)``.
        c: cells before the first step, shape ``(L, D, B, H)``.
        weight_l0: weight of the first layer, ``W`` and ``U`` side by side, shape ``(D, 4, H, I + H)``.
        weight: weights of the other layers, shape ``(L - 1, D, 4, H, D * H + H)``; ``None`` for one layer.
        bias: shape ``(L, D, 4, H)``, or ``None`` for no bias.
    Args:
        num_layers: number of layers; each one reads the outputs of the one before.
        dropout: probability in [0, 1) that an output of a layer is not seen by the next one; default 0.
        bidirectional: run every layer in both directions of time, and put the outputs side by side.
        training: whether dropout is in force; without it there is no gradient.
    Returns:
        ``y``, the outputs of the last layer, shape ``(T, B, D * H)``, and ``h_n`` and ``c_n``, the last
        states and cells of all layers, shape ``(L, D, B, H)``.
    Raises:
        ShapeError: an input has a shape that does not fit to the others.
        ArgumentError: an argument is out of range, or `weight` is missing or not wanted.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x, h, c = nn.Variable((5, 2, 3)), nn.Variable((1, 1, 2, 4)), nn.Variable((1, 1, 2, 4))
        >>> y, h_n, c_n = F.lstm(x, h, c, nn.Variable((1, 4, 4, 3 + 4)))
        >>> y.shape, c_n.shape
        ((5, 2, 4), (1, 1, 2, 4))

    Source: NNabla function reference, ``LSTM``; S. Hochreiter and J. Schmidhuber, "Long short-term memory",
    1997.
    """

    num_layers = Int(1, "Number of layers.", check=positive)
    dropout = Single(None, "Probability that an output of a layer is not seen by the next one; default 0.")
    bidirectional = Bool(False, "Run every layer in both directions of time.")
    training = Bool(True, "Whether dropout is in force; without it there is no gradient.")
    outputs = ("y", "h_n", "c_n")

    _states = 2
    _gates = 4
    _bias_rows = 4

    def output_shape(
        self,
        x: Shape,
        h: Shape,
        c: Shape,
        weight_l0: Shape,
        weight: Shape | None = None,
        bias: Shape | None = None,
    ) -> list[Shape]:
        return self._check(x, [h, c], weight_l0, weight, bias)

    def _kernel(self, x: Tensor, states: Sequence[Tensor], parameters: list[Tensor], bias: bool) -> Any:
        # `train` says whether the kernel leaves what its gradient needs.
        train = torch.is_grad_enabled() and x.requires_grad
        return torch.lstm(x, list(states), parameters, bias, 1, 0.0, train, self.bidirectional, False)

    def forward(
        self,
        x: Tensor,
        h: Tensor,
        c: Tensor,
        weight_l0: Tensor,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        return self._recorded((x, h, c, weight_l0, weight, bias))

    def grad(
        self,
        need: tuple[bool, ...],
        dy: Tensor,
        dh_n: Tensor,
        dc_n: Tensor,
        x: Tensor,
        h: Tensor,
        c: Tensor,
        weight_l0: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        y: Tensor,
        h_n: Tensor,
        c_n: Tensor,
    ) -> tuple[Tensor | None, ...]:
        return self._gradients(need, (dy, dh_n, dc_n), (x, h, c, weight_l0, weight, bias))


@operator("GRU", "gru", 1004)
class GRU(Recurrent):
    r"""Gated recurrent unit.

    .. math::
        r_t &= \sigma(W_r x_t + U_r h_{t-1} + b_r), \quad z_t = \sigma(W_z x_t + U_z h_{t-1} + b_z), \\
        n_t &= \tanh(W_n x_t + b_n + r_t \odot (U_n h_{t-1} + c_n)), \\
        h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}

    Below, T is the number of steps, B the batch size, I the number of features, L the number of layers, D the
    number of directions and H the hidden size; an axis of length 3 holds the gates in the order r, z, n.

    Inputs:
        x: shape ``(T, B, I)``.
        h: states before the first step, shape ``(L, D, B, H)``.
        weight_l0: weight of the first layer, ``W`` and ``U`` side by side, shape ``(D, 3, H, I + H)``.
        weight: weights of the other layers, shape ``(L - 1, D, 3, H, D * H + H)``; ``None`` for one layer.
        bias: :math:`b_r, b_z, b_n, c_n`, shape ``(L, D, 4, H)``, or ``None`` for no bias.
    Args:
        num_layers: number of layers; each one reads the outputs of the one before.
        dropout: probability in [0, 1) that an output of a layer is not seen by the next one; default 0.
        bidirectional: run every layer in both directions of time, and put the outputs side by side.
        training: whether dropout is in force; without it there is no gradient.
    Returns:
        ``y``, the outputs of the last layer, shape ``(T, B, D * H)``, and ``h_n``, the last states of all
        layers, shape ``(L, D, B, H)``.
    Raises:
        ShapeError: an input has a shape that does not fit to the others.
        ArgumentError: an argument is out of range, or `weight` is missing or not wanted.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x, h, w = nn.Variable((5, 2, 3)), nn.Variable((1, 1, 2, 4)), nn.Variable((1, 3, 4, 3 + 4))
        >>> y, h_n = F.gru(x, h, w)
        >>> y.shape, h_n.shape
        ((5, 2, 4), (1, 1, 2, 4))

    Source: NNabla function reference, ``GRU``; Cho et al. (arXiv:1406.1078).
    """

    num_layers = Int(1, "Number of layers.", check=positive)
    dropout = Single(None, "Probability that an output of a layer is not seen by the next one; default 0.")
    bidirectional = Bool(False, "Run every layer in both directions of time.")
    training = Bool(True, "Whether dropout is in force; without it there is no gradient.")
    outputs = ("y", "h_n")

    _gates = 3
    _bias_rows = 4

    def output_shape(
        self, x: Shape, h: Shape, weight_l0: Shape, weight: Shape | None = None, bias: Shape | None = None
    ) -> list[Shape]:
        return self._check(x, [h], weight_l0, weight, bias)

    def _bias(self, bias: Tensor) -> tuple[Tensor, Tensor]:
        zeros = bias.new_zeros(2 * bias.shape[1])
        return bias[:3].reshape(-1), torch.cat([zeros, bias[3]])

    def _kernel(self, x: Tensor, states: Sequence[Tensor], parameters: list[Tensor], bias: bool) -> Any:
        return torch.gru(x, states[0], parameters, bias, 1, 0.0, False, self.bidirectional, False)

    def forward(
        self,
        x: Tensor,
        h: Tensor,
        weight_l0: Tensor,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        return self._recorded((x, h, weight_l0, weight, bias))

    def grad(
        self,
        need: tuple[bool, ...],
        dy: Tensor,
        dh_n: Tensor,
        x: Tensor,
        h: Tensor,
        weight_l0: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        y: Tensor,
        h_n: Tensor,
    ) -> tuple[Tensor | None, ...]:
        return self._gradients(need, (dy, dh_n), (x, h, weight_l0, weight, bias))
