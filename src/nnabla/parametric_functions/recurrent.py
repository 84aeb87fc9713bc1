"""Recurrent networks: whole sequences at once, and LSTM step by step."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functions as F
from ..errors import ArgumentError, ShapeError
from ..graph.variable import Variable
from ..initializer import ConstantInitializer
from .layers import Initializer, affine, glorot, weight
from .registration import parametric_function_api


def _parameters(
    function: str,
    gates: tuple[int, ...],
    bias_gates: tuple[int, ...],
    x: Any,
    h: Any,
    num_layers: int,
    bidirectional: bool,
    inits: tuple[Initializer, Initializer, Initializer],
    rng: np.random.RandomState | None,
    with_bias: bool,
    fix_parameters: bool,
) -> tuple[Any, Any, Any]:
    """The parameters ``weight_l0``, ``weight`` (None for one layer) and ``bias`` (None without)."""
    if num_layers < 1:
        raise ArgumentError(f"{function}: num_layers must be at least 1, not {num_layers}")
    if x.ndim != 3 or h.ndim != 4:
        raise ShapeError(
            f"{function}: x must have 3 axes (time, batch, features) and h 4 (layers, directions, batch, features), "
            f"not {x.shape} and {h.shape}"
        )
    features, hidden = x.shape[2], h.shape[3]
    directions = 2 if bidirectional else 1

    def drawn(leading: tuple[int, ...], inmaps: int) -> np.ndarray:
        """Weights for the input and for the state, side by side, each with limits of its own."""
        shape = (*leading, *gates, hidden)
        return np.concatenate(
            [glorot(None, size, hidden, rng=rng)((*shape, size)) for size in (inmaps, hidden)], axis=-1
        )

    def layer_weight(name: str, leading: tuple[int, ...], inmaps: int, init: Initializer) -> Any:
        shape = (*leading, *gates, hidden, inmaps + hidden)
        first = (lambda shape: drawn(leading, inmaps)) if init is None else init
        return weight(name, shape, first, fix_parameters, None)

    w0_init, w_init, b_init = inits
    first = layer_weight("weight_l0", (directions,), features, w0_init)
    others = None
    if num_layers > 1:
        others = layer_weight("weight", (num_layers - 1, directions), directions * hidden, w_init)
    bias_shape = (num_layers, directions, *bias_gates, hidden)
    if not with_bias:
        return first, others, None
    b_init = ConstantInitializer(0) if b_init is None else b_init
    return first, others, weight("bias", bias_shape, b_init, fix_parameters, None)


@parametric_function_api(
    "rnn",
    [
        ("weight_l0", "Weight of the first layer", "``(D, H, I + H)``", True),
        ("weight", "Weights of the others", "``(num_layers - 1, D, H, D * H + H)``", True),
        ("bias", "Bias", "``(num_layers, D, H)``", True),
    ],
)
def rnn(
    x: Any,
    h: Any,
    w0_init: Initializer = None,
    w_init: Initializer = None,
    b_init: Initializer = None,
    num_layers: int = 1,
    nonlinearity: str = "tanh",
    dropout: float = 0.0,
    bidirectional: bool = False,
    training: bool = True,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
    fix_parameters: bool = False,
) -> tuple[Variable, Variable]:
    """Elman network over a sequence; see `nnabla.functions.rnn`.

    Below, T is the number of steps, B the batch size, I the number of features, H the hidden size and D the
    number of directions, 1 or 2.

    Args:
        x: shape ``(T, B, I)``.
        h: state at the beginning, shape ``(num_layers, D, B, H)``.
        w0_init: initializer or array for the weight of the first layer; default Glorot's uniform distribution.
        w_init: initializer or array for the weights of the other layers; default likewise.
        b_init: initializer or array for the bias; default zeros.
        num_layers: number of layers.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        dropout: probability that an output of a layer is set to 0 on the way to the next.
        bidirectional: also go through the sequence from its end.
        training: whether backward is wanted.
        rng: random generator of the default initializers; default nnabla's.
        with_bias: whether to add a bias.
        fix_parameters: do not train the parameters.

    Returns:
        Outputs, shape ``(T, B, D * H)``, and the state at the end, shape of `h`.
    """
    w0, w, b = _parameters(
        "rnn", (), (), x, h, num_layers, bidirectional, (w0_init, w_init, b_init), rng, with_bias, fix_parameters
    )
    return F.rnn(x, h, w0, w, b, num_layers, nonlinearity, dropout, bidirectional, training)


@parametric_function_api(
    "lstm",
    [
        ("weight_l0", "Weight of the first layer", "``(D, 4, H, I + H)``", True),
        ("weight", "Weights of the others", "``(num_layers - 1, D, 4, H, D * H + H)``", True),
        ("bias", "Bias", "``(num_layers, D, 4, H)``", True),
    ],
)
def lstm(
    x: Any,
    h: Any,
    c: Any,
    w0_init: Initializer = None,
    w_init: Initializer = None,
    b_init: Initializer = None,
    num_layers: int = 1,
    dropout: float = 0.0,
    bidirectional: bool = False,
    training: bool = True,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
    fix_parameters: bool = False,
) -> tuple[Variable, Variable, Variable]:
    """Long short-term memory over a sequence; see `nnabla.functions.lstm`.

    Args:
        x: shape ``(T, B, I)``.
        h: state at the beginning, shape ``(num_layers, D, B, H)``.
        c: memory at the beginning, shape of `h`.
        w0_init: initializer or array for the weight of the first layer; default Glorot's uniform distribution.
        w_init: initializer or array for the weights of the other layers; default likewise.
        b_init: initializer or array for the bias; default zeros.
        num_layers: number of layers.
        dropout: probability that an output of a layer is set to 0 on the way to the next.
        bidirectional: also go through the sequence from its end.
        training: whether backward is wanted.
        rng: random generator of the default initializers; default nnabla's.
        with_bias: whether to add a bias.
        fix_parameters: do not train the parameters.

    Returns:
        Outputs, shape ``(T, B, D * H)``, and state and memory at the end, shape of `h`.

    Raises:
        ArgumentError: `w0_init` is an integer, as in calls of the function that is named `lstm_cell` now.
        ShapeError: `x`, `h` or `c` does not fit.
    """
    if isinstance(w0_init, int):
        raise ArgumentError(
            f"lstm: w0_init must be an initializer or an array, not {w0_init}; lstm(x, h, c, state_size), one step, "
            "is lstm_cell now"
        )
    inits = (w0_init, w_init, b_init)
    w0, w, b = _parameters("lstm", (4,), (4,), x, h, num_layers, bidirectional, inits, rng, with_bias, fix_parameters)
    return F.lstm(x, h, c, w0, w, b, num_layers, dropout, bidirectional, training)


@parametric_function_api(
    "gru",
    [
        ("weight_l0", "Weight of the first layer", "``(D, 3, H, I + H)``", True),
        ("weight", "Weights of the others", "``(num_layers - 1, D, 3, H, D * H + H)``", True),
        ("bias", "Bias", "``(num_layers, D, 4, H)``", True),
    ],
)
def gru(
    x: Any,
    h: Any,
    w0_init: Initializer = None,
    w_init: Initializer = None,
    b_init: Initializer = None,
    num_layers: int = 1,
    dropout: float = 0.0,
    bidirectional: bool = False,
    training: bool = True,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
    fix_parameters: bool = False,
) -> tuple[Variable, Variable]:
    """Gated recurrent unit over a sequence; see `nnabla.functions.gru`.

    Args:
        x: shape ``(T, B, I)``.
        h: state at the beginning, shape ``(num_layers, D, B, H)``.
        w0_init: initializer or array for the weight of the first layer; default Glorot's uniform distribution.
        w_init: initializer or array for the weights of the other layers; default likewise.
        b_init: initializer or array for the bias; default zeros.
        num_layers: number of layers.
        dropout: probability that an output of a layer is set to 0 on the way to the next.
        bidirectional: also go through the sequence from its end.
        training: whether backward is wanted.
        rng: random generator of the default initializers; default nnabla's.
        with_bias: whether to add a bias.
        fix_parameters: do not train the parameters.

    Returns:
        Outputs, shape ``(T, B, D * H)``, and the state at the end, shape of `h`.
    """
    inits = (w0_init, w_init, b_init)
    w0, w, b = _parameters("gru", (3,), (4,), x, h, num_layers, bidirectional, inits, rng, with_bias, fix_parameters)
    return F.gru(x, h, w0, w, b, num_layers, dropout, bidirectional, training)


@parametric_function_api(
    "lstm",
    [
        ("affine/W", "Weights of the four gates", "``(I + state_size, 4, state_size)``", True),
        ("affine/b", "Biases of the four gates", "``(4, state_size)``", True),
    ],
)
def lstm_cell(
    x: Any,
    h: Any,
    c: Any,
    state_size: int,
    w_init: Initializer = None,
    b_init: Initializer = None,
    fix_parameters: bool = False,
) -> tuple[Variable, Variable]:
    r"""One step of long short-term memory.

    .. math::
        i &= \sigma(W_i x + U_i h + b_i), \quad f = \sigma(W_f x + U_f h + b_f), \\
        g &= \tanh(W_g x + U_g h + b_g), \quad o = \sigma(W_o x + U_o h + b_o), \\
        c' &= f \odot c + i \odot g, \quad h' = o \odot \tanh(c')

    Args:
        x: shape ``(B, I)``.
        h: state, shape ``(B, state_size)``.
        c: memory, shape ``(B, state_size)``.
        state_size: size of state and memory.
        w_init: initializer or array for the weights; default Glorot's uniform distribution.
        b_init: initializer or array for the biases; default zeros.
        fix_parameters: do not train the parameters.

    Returns:
        The next state and memory.

    Raises:
        ShapeError: `h` or `c` has another size than `state_size`, or `x` has not two axes.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997; with the forget gate of Gers,
        Schmidhuber and Cummins, "Learning to Forget", 2000.
    """
    if x.ndim != 2 or any(v.shape != (x.shape[0], state_size) for v in (h, c)):
        raise ShapeError(
            f"lstm_cell: x must have shape (batch, features), h and c (batch, {state_size}), "
            f"not {x.shape}, {h.shape} and {c.shape}"
        )
    joined = F.concatenate(x, h, axis=1)
    gates = affine(joined, (4, state_size), w_init=w_init, b_init=b_init, fix_parameters=fix_parameters)
    i, o, f, g = F.split(gates, axis=1)
    c = F.sigmoid(f) * c + F.sigmoid(i) * F.tanh(g)
    return F.sigmoid(o) * F.tanh(c), c


class LSTMCell:
    """Long short-term memory that keeps its state from call to call; see `lstm_cell`.

    Args:
        batch_size: number of samples.
        state_size: size of state and memory.
        h: state at the beginning; default zeros.
        c: memory at the beginning; default zeros.
        name: scope of the parameters.

    Example:
        >>> import nnabla as nn
        >>> cell = LSTMCell(2, 3, name="doc")
        >>> cell(nn.Variable((2, 5))).shape
        (2, 3)
    """

    def __init__(self, batch_size: int, state_size: int, h: Any = None, c: Any = None, name: str | None = None) -> None:
        self.batch_size = batch_size
        self.state_size = state_size
        self.name = name
        self.h = _zeros((batch_size, state_size)) if h is None else h
        self.c = _zeros((batch_size, state_size)) if c is None else c

    def reset_state(self) -> None:
        """Fills state and memory with zeros."""
        self.h.data.zero()
        self.c.data.zero()

    def __call__(
        self, x: Any, w_init: Initializer = None, b_init: Initializer = None, fix_parameters: bool = False
    ) -> Variable:
        """One step: updates `h` and `c`, and returns `h`.

        Args:
            x: shape ``(batch_size, I)``.
            w_init: initializer or array for the weights; default Glorot's uniform distribution.
            b_init: initializer or array for the biases; default zeros.
            fix_parameters: do not train the parameters.
        """
        self.h, self.c = lstm_cell(x, self.h, self.c, self.state_size, w_init, b_init, fix_parameters, name=self.name)
        return self.h


def _zeros(shape: tuple[int, ...]) -> Variable:
    variable = Variable(shape)
    variable.data.zero()
    return variable
