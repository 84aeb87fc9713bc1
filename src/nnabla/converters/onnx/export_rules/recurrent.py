"""Recurrent layers."""

from __future__ import annotations

import numpy as np

from ..graph_writer import GraphWriter
from .registry import Call, export

# NNabla's gates in ONNX's order: i, o, f, c out of i, f, g, o; z, r, h out of r, z, n.
_ORDER = {"RNN": [0], "LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2]}


@export("RNN", "GRU")
def rnn(
    g: GraphWriter, f: Call, x: str, h: str, weight_l0: str, weight: str | None = None, bias: str | None = None
) -> list[str]:
    return _layers(g, f, x, [h], weight_l0, weight, bias)


@export("LSTM")
def lstm(
    g: GraphWriter,
    f: Call,
    x: str,
    h: str,
    c: str,
    weight_l0: str,
    weight: str | None = None,
    bias: str | None = None,
) -> list[str]:
    return _layers(g, f, x, [h, c], weight_l0, weight, bias)


def _layers(
    g: GraphWriter, f: Call, x: str, states: list[str], first: str, others: str | None, bias: str | None
) -> list[str]:
    """One ONNX layer after the other: outputs, then the last states of all layers."""
    steps, batch, width = g.shape(x)
    directions, hidden = (2 if f.bidirectional else 1), g.shape(states[0])[-1]
    last: list[list[str]] = [[] for _ in states]
    y = x
    for layer in range(f.num_layers):
        if layer and f.training and f.dropout:
            y = g("Dropout", y, ratio=f.dropout) if g.opset < 12 else g("Dropout", y, g.constant(f.dropout))
        weight = first if layer == 0 or others is None else _part(g, others, layer - 1)
        given = [_part(g, s, layer) for s in states]
        of_layer = None if bias is None else _part(g, bias, layer)
        size = width if layer == 0 else directions * hidden
        found, *ends = _layer(g, f, y, weight, of_layer, given, directions, hidden, size)
        # (T, D, B, H), of which the directions come last here.
        y = g.reshape(g.transpose(found, [0, 2, 1, 3]), [steps, batch, directions * hidden])
        for collected, end in zip(last, ends, strict=True):
            collected.append(g.unsqueeze(end, [0]))
    return [y, *[s[0] if len(s) == 1 else str(g("Concat", *s, axis=0)) for s in last]]


def _part(g: GraphWriter, x: str, place: int) -> str:
    """One element of the first axis."""
    return g.squeeze(g.slice(x, [place], [place + 1], [0], [1]), [0])


def _layer(
    g: GraphWriter,
    f: Call,
    x: str,
    weight: str,
    bias: str | None,
    states: list[str],
    directions: int,
    hidden: int,
    width: int,
) -> tuple[str, ...]:
    kind = f.declaration.type_name
    order = _ORDER[kind]
    count = len(order)
    if kind != "RNN":
        weight = g.reshape(g("Gather", weight, g.ints(order), axis=1), [directions, count * hidden, width + hidden])
    w, r = g.slice(weight, [0], [width], [2], [1]), g.slice(weight, [width], [width + hidden], [2], [1])
    b = None if bias is None else _biases(g, kind, bias, directions, hidden)
    args = {"hidden_size": hidden, "direction": "bidirectional" if directions == 2 else "forward"}
    if kind == "RNN":
        name = "Relu" if f.nonlinearity == "relu" else "Tanh"
        return tuple(g("RNN", x, w, r, b, None, *states, outputs=2, activations=[name] * directions, **args))
    if kind == "GRU":
        return tuple(g("GRU", x, w, r, b, None, *states, outputs=2, linear_before_reset=1, **args))
    return tuple(g("LSTM", x, w, r, b, None, *states, outputs=3, **args))


def _biases(g: GraphWriter, kind: str, bias: str, directions: int, hidden: int) -> str:
    """ONNX has one for the inputs and one for the states, side by side."""
    count = len(_ORDER[kind])
    zeros = g.constant(np.zeros((directions, count * hidden)))
    if kind == "RNN":
        return str(g("Concat", bias, zeros, axis=1))
    if kind == "LSTM":
        of_inputs = g.reshape(g("Gather", bias, g.ints(_ORDER[kind]), axis=1), [directions, count * hidden])
        return str(g("Concat", of_inputs, zeros, axis=1))
    # r, z, n, and of the states n alone.
    of_inputs = g.reshape(g("Gather", bias, g.ints(_ORDER[kind]), axis=1), [directions, count * hidden])
    of_states = g.reshape(g.slice(bias, [3], [4], [1], [1]), [directions, hidden])
    nothing = g.constant(np.zeros((directions, 2 * hidden)))
    return str(g("Concat", of_inputs, nothing, of_states, axis=1))
