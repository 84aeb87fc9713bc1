"""Recurrent layers written out for the C runtime, step by step; the weights must be parameters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .rules import Call, rule
from .runtime_network import RuntimeNetwork, Unsupported

# From input and states of one step to the new states, the first of which is the output.
Cell = Callable[[str, list[str]], list[str]]


def _part(g: RuntimeNetwork, x: str, index: list[int]) -> str:
    """An element of the first axes of a variable, without these axes."""
    shape = g.shapes[x]
    rest = shape[len(index) :]
    cut = (*[1] * len(index), *rest)
    starts = [*index, *[0] * len(rest)]
    stops = [*[i + 1 for i in index], *rest]
    if cut == shape:
        return g.reshape(x, rest)
    return g.reshape(g.apply("Slice", x, shape=cut, start=starts, stop=stops, step=[1] * len(shape)), rest)


def _affine(g: RuntimeNetwork, weight: np.ndarray, bias: np.ndarray | None) -> Callable[[str], str]:
    """A layer with a weight of shape (outputs, inputs), which is stored once."""
    kernel = g.constant(weight, (weight.shape[1], weight.shape[0]), "weight")
    offset = [] if bias is None else [g.constant(bias, word="bias")]

    def apply(x: str) -> str:
        return g.apply("Affine", x, kernel, *offset, shape=(g.shapes[x][0], weight.shape[0]), base_axis=1)

    return apply


def _gates(g: RuntimeNetwork, x: str, count: int) -> list[str]:
    """Equal parts of the columns."""
    rows, width = g.shapes[x][0], g.shapes[x][1] // count
    return [
        g.apply("Slice", x, shape=(rows, width), start=[0, i * width], stop=[rows, (i + 1) * width], step=[1, 1])
        for i in range(count)
    ]


def _joined(g: RuntimeNetwork, a: str, b: str) -> str:
    width = g.shapes[a][1] + g.shapes[b][1]
    return g.apply("Concatenate", a, b, shape=(g.shapes[a][0], width), axis=1)


def _lstm_cell(g: RuntimeNetwork, f: Call, weight: np.ndarray, bias: np.ndarray | None) -> Cell:
    layer = _affine(g, weight.reshape(-1, weight.shape[-1]), None if bias is None else bias.ravel())

    def step(x: str, states: list[str]) -> list[str]:
        h, c = states
        i, forget, cell, o = _gates(g, layer(_joined(g, x, h)), 4)
        kept = g.apply("Mul2", g.apply("Sigmoid", forget), c, inplace=False)
        new = g.apply("Mul2", g.apply("Sigmoid", i), g.apply("Tanh", cell), inplace=False)
        c = g.apply("Add2", kept, new, inplace=False)
        return [g.apply("Mul2", g.apply("Sigmoid", o), g.apply("Tanh", c), inplace=False), c]

    return step


def _gru_cell(g: RuntimeNetwork, f: Call, weight: np.ndarray, bias: np.ndarray | None) -> Cell:
    size = weight.shape[1]
    width = weight.shape[2] - size
    offsets = [None] * 4 if bias is None else list(bias)
    both = None if bias is None else bias[:2].ravel()
    gates = _affine(g, weight[:2].reshape(-1, weight.shape[-1]), both)
    of_x, of_h = _affine(g, weight[2, :, :width], offsets[2]), _affine(g, weight[2, :, width:], offsets[3])

    def step(x: str, states: list[str]) -> list[str]:
        (h,) = states
        r, z = (g.apply("Sigmoid", gate) for gate in _gates(g, gates(_joined(g, x, h)), 2))
        n = g.apply("Tanh", g.apply("Add2", of_x(x), g.apply("Mul2", r, of_h(h), inplace=False), inplace=False))
        # (1 - z) n + z h
        change = g.apply("Mul2", z, g.apply("Sub2", h, n, inplace=False), inplace=False)
        return [g.apply("Add2", n, change, inplace=False)]

    return step


def _rnn_cell(g: RuntimeNetwork, f: Call, weight: np.ndarray, bias: np.ndarray | None) -> Cell:
    layer = _affine(g, weight, bias)
    relu = f.nonlinearity == "relu"

    def step(x: str, states: list[str]) -> list[str]:
        y = layer(_joined(g, x, states[0]))
        return [g.apply("ReLU", y, inplace=False) if relu else g.apply("Tanh", y)]

    return step


@rule("RNN", "GRU")
def recurrent(
    g: RuntimeNetwork, f: Call, x: str, h: str, first: str, weight: str | None = None, bias: str | None = None
) -> None:
    _layers(g, f, x, [h], first, weight, bias, _rnn_cell if f.type == "RNN" else _gru_cell)


@rule("LSTM")
def lstm(
    g: RuntimeNetwork,
    f: Call,
    x: str,
    h: str,
    c: str,
    first: str,
    weight: str | None = None,
    bias: str | None = None,
) -> None:
    _layers(g, f, x, [h, c], first, weight, bias, _lstm_cell)


def _layers(
    g: RuntimeNetwork,
    f: Call,
    x: str,
    states: list[str],
    first: str,
    weight: str | None,
    bias: str | None,
    cell: Callable[[RuntimeNetwork, Call, np.ndarray, np.ndarray | None], Cell],
) -> None:
    if f.training and f.dropout and f.num_layers > 1:
        raise Unsupported("there is no dropout between the layers")
    weights = [g.value(first, "the weight")]
    if weight is not None:
        weights += list(g.value(weight, "the weight"))
    biases = None if bias is None else g.value(bias, "the bias")
    directions = 2 if f.bidirectional else 1
    length = g.shapes[x][0]
    sequence = [_part(g, x, [t]) for t in range(length)]
    last: list[list[str]] = [[] for _ in states]
    for number in range(f.num_layers):
        found = []
        for direction in range(directions):
            step = cell(g, f, weights[number][direction], None if biases is None else biases[number][direction])
            now = [_part(g, state, [number, direction]) for state in states]
            results = []
            for entry in sequence if direction == 0 else reversed(sequence):
                now = step(entry, now)
                results.append(now[0])
            for kept, state in zip(last, now, strict=True):
                kept.append(state)
            found.append(results if direction == 0 else results[::-1])
        sequence = found[0] if directions == 1 else [_joined(g, a, b) for a, b in zip(*found, strict=True)]
    g.call("Stack", sequence, f.outputs[:1], axis=0)
    for output, parts in zip(f.outputs[1:], last, strict=False):
        stacked = g.apply("Stack", *parts, shape=(len(parts), *g.shapes[parts[0]]), axis=0)
        shape = list(g.shapes[output])
        g.call("Reshape", [stacked], [output], shape=shape, inplace=False)
