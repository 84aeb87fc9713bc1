"""Recurrent layers: NNabla's functions where they compute the same, else steps that are written out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from ...obstacles import Unsupported
from ...reading.graph_reader import GraphReader, Value
from .registry import Node, read

# More steps are not written out.
_MOST_STEPS = 256
_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
_USUAL = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
# ONNX's gates in NNabla's order: i, f, g, o out of i, o, f, c; r, z, n out of z, r, h.
_ORDER = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 2, 3, 1]}


@dataclasses.dataclass
class _Layer:
    """A recurrent layer, time first.

    Args:
        x: (T, B, I).
        w, u: weights of inputs and states, (D, gates * H, I) and (D, gates * H, H).
        bias: of inputs, then of states, (D, 2 * gates * H), or ``None``.
        h, c: first states and cells, (D, B, H).
        directions: for each, whether it goes backwards in time.
    """

    kind: str
    x: Value
    w: Value
    u: Value
    bias: Value | None
    h: Value
    c: Value | None
    directions: list[bool]
    hidden: int


@read("RNN", "GRU")
def rnn(
    r: GraphReader,
    n: Node,
    x: Value,
    w: Value,
    u: Value,
    bias: Value | None = None,
    lengths: Value | None = None,
    h: Value | None = None,
) -> list[Value]:
    return _recurrent(r, n, x, w, u, bias, lengths, h, None, None)


@read("LSTM")
def lstm(
    r: GraphReader,
    n: Node,
    x: Value,
    w: Value,
    u: Value,
    bias: Value | None = None,
    lengths: Value | None = None,
    h: Value | None = None,
    c: Value | None = None,
    peepholes: Value | None = None,
) -> list[Value]:
    return _recurrent(r, n, x, w, u, bias, lengths, h, c, peepholes)


def _recurrent(
    r: GraphReader,
    n: Node,
    x: Value,
    w: Value,
    u: Value,
    bias: Value | None,
    lengths: Value | None,
    h: Value | None,
    c: Value | None,
    peepholes: Value | None,
) -> list[Value]:
    layer = _layer(r, n, x, w, u, bias, h, c)
    steps = layer.x.shape[0]
    if lengths is not None and lengths.array is not None and (lengths.array == steps).all():
        lengths = None
    plain = lengths is None and peepholes is None and n.attr("clip") is None and not n.attr("input_forget")
    plain = plain and (layer.kind != "GRU" or bool(n.attr("linear_before_reset")))
    usual = [name.lower() for name in _USUAL[layer.kind]] * len(layer.directions)
    names = [name.lower() for name in n.attr("activations")] if n.has("activations") else usual
    if len(names) != len(usual):
        raise Unsupported(f"it takes {len(usual)} activations, not {len(names)}")
    same_relu = layer.kind == "RNN" and set(names) == {"relu"}
    if plain and (names == usual or same_relu):
        found = _by_function(r, layer, "relu" if same_relu else "tanh")
    else:
        found = _written_out(r, n, layer, names, lengths, peepholes)
    return _as_wanted(r, n, found)


def _layer(
    r: GraphReader,
    n: Node,
    x: Value,
    w: Value,
    u: Value,
    bias: Value | None,
    h: Value | None,
    c: Value | None,
) -> _Layer:
    kind, direction = n.op_type, n.attr("direction")
    backwards = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}.get(direction)
    if backwards is None:
        raise Unsupported(f"direction {direction!r} is not known")
    gates, count = _GATES[kind], len(backwards)
    if x.rank != 3 or w.rank != 3 or u.rank != 3:
        raise Unsupported("input and weights must have 3 axes")
    hidden = n.attr("hidden_size") or u.shape[2]
    if w.shape[:2] != (count, gates * hidden) or u.shape != (count, gates * hidden, hidden):
        raise Unsupported(f"weights of shapes {w.shape} and {u.shape} do not fit to a hidden size of {hidden}")
    if bias is not None and bias.shape != (count, 2 * gates * hidden):
        raise Unsupported(f"a bias of shape {bias.shape} does not fit to a hidden size of {hidden}")
    if n.attr("layout"):
        x = r.transpose(x, [1, 0, 2])
        h, c = (None if s is None else r.transpose(s, [1, 0, 2]) for s in (h, c))
    shape = (count, x.shape[1], hidden)
    if not r.budget.allows(2 * count * x.shape[1] * hidden) or any(d < 1 for d in (*x.shape, hidden)):
        raise Unsupported(f"states of shape {shape} are too large, or an axis is empty")
    zeros = np.zeros(shape, np.float32)
    h = r.constant(zeros) if h is None else h
    c = None if kind != "LSTM" else r.constant(zeros) if c is None else c
    if h.shape != shape or (c is not None and c.shape != shape):
        raise Unsupported(f"first states of shape {h.shape} do not fit to {shape}")
    return _Layer(kind, x, w, u, bias, h, c, backwards, hidden)


def _blocks(r: GraphReader, x: Value, hidden: int, order: list[int], axis: int) -> list[Value]:
    """The parts for each gate, in an order."""
    return [r.cut(x, {axis: (i * hidden, (i + 1) * hidden, 1)}) for i in order]


def _by_function(r: GraphReader, layer: _Layer, nonlinearity: str) -> list[Value]:
    """y (T, D, B, H), h (D, B, H) and c, by NNabla's function."""
    kind, hidden, count = layer.kind, layer.hidden, len(layer.directions)
    gates, order = _GATES[kind], _ORDER[kind]
    joined = r.join([layer.w, layer.u], 2)
    weight = r.join(_blocks(r, joined, hidden, order, 1), 1)
    width = layer.x.shape[2] + hidden
    bias = None
    if layer.bias is not None:
        ends = _blocks(r, layer.bias, gates * hidden, [0, 1], 1)
        of_x, of_h = (_blocks(r, b, hidden, order, 1) for b in ends)
        if kind == "GRU":
            parts = [_sum(r, of_x[0], of_h[0]), _sum(r, of_x[1], of_h[1]), of_x[2], of_h[2]]
        else:
            parts = [_sum(r, a, b) for a, b in zip(of_x, of_h, strict=True)]
        bias = r.reshape(r.join(parts, 1), [1, count, *([len(parts)] if kind != "RNN" else []), hidden])
    weight = r.reshape(weight, [count, *([gates] if kind != "RNN" else []), hidden, width])
    reverse = layer.directions == [True]
    x = r("Flip", layer.x, axes=[0]) if reverse else layer.x
    states = [r.reshape(s, [1, *s.shape]) for s in (layer.h, layer.c) if s is not None]
    args = {"nonlinearity": nonlinearity} if kind == "RNN" else {}
    y, *last = r(kind, x, *states, weight, None, bias, outputs=1 + len(states), num_layers=1,
                 bidirectional=count == 2, training=False, **args)  # fmt: skip
    if reverse:
        y = r("Flip", y, axes=[0])
    steps, batch = layer.x.shape[:2]
    y = r.transpose(r.reshape(y, [steps, batch, count, hidden]), [0, 2, 1, 3])
    return [y, *[r.reshape(s, s.shape[1:]) for s in last]]


def _sum(r: GraphReader, a: Value, b: Value) -> Value:
    if a.array is not None and b.array is not None:
        return r.constant(a.array + b.array, a.dtype, a.edge.name, a.edge.learned)
    return r.add(a, b)


def _as_wanted(r: GraphReader, n: Node, found: list[Value]) -> list[Value]:
    """The outputs of the node, with its layout."""
    if not n.attr("layout"):
        return found
    y, *last = found
    return [r.transpose(y, [2, 0, 1, 3]), *[r.transpose(s, [1, 0, 2]) for s in last]]


# ---- steps that are written out ----------------------------------------------------------------------------

Activation = Callable[[Value], Value]


def _activation(r: GraphReader, name: str, alpha: float | None, beta: float | None) -> Activation:
    plain = {"relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid", "softsign": "SoftSign", "softplus": "SoftPlus"}
    if name in plain:
        return lambda x: r(plain[name], x)
    a = {"leakyrelu": 0.01, "elu": 1.0, "hardsigmoid": 0.2, "affine": 1.0}.get(name) if alpha is None else alpha
    b = {"hardsigmoid": 0.5, "affine": 0.0}.get(name) if beta is None else beta
    if name == "leakyrelu":
        return lambda x: r("LeakyReLU", x, alpha=a)
    if name == "elu":
        return lambda x: r("ELU", x, alpha=a)
    if name == "scaledtanh" and a is not None and b is not None:
        return lambda x: r.mul(r("Tanh", r.mul(x, b)), a)
    if name == "affine" and a is not None and b is not None:
        return lambda x: r.add(r.mul(x, a), b)
    if name == "hardsigmoid" and a is not None and b is not None:
        return lambda x: r.clip(r.add(r.mul(x, a), b), 0.0, 1.0)
    raise Unsupported(f"activation {name!r} has no counterpart")


def _written_out(
    r: GraphReader, n: Node, layer: _Layer, names: list[str], lengths: Value | None, peepholes: Value | None
) -> list[Value]:
    steps = layer.x.shape[0]
    if steps > _MOST_STEPS:
        raise Unsupported(f"it has {steps} steps; more than {_MOST_STEPS} are not written out")
    each = len(_USUAL[layer.kind])
    alphas, betas = n.attr("activation_alpha") or [], n.attr("activation_beta") or []
    outputs, last = [], []
    for d, reverse in enumerate(layer.directions):
        chosen = names[d * each : (d + 1) * each]
        functions = []
        for i, name in enumerate(chosen, d * each):
            functions.append(_activation(r, name, *[v[i] if i < len(v) else None for v in (alphas, betas)]))
        y, states = _direction(r, n, layer, d, reverse, functions, lengths, peepholes)
        outputs.append(y)
        last.append(states)
    y = outputs[0] if len(outputs) == 1 else r("Concatenate", *outputs, axis=1)
    return [y, *[s[0] if len(s) == 1 else r("Concatenate", *s, axis=0) for s in map(list, zip(*last, strict=True))]]


def _direction(
    r: GraphReader,
    n: Node,
    layer: _Layer,
    d: int,
    reverse: bool,
    functions: list[Activation],
    lengths: Value | None,
    peepholes: Value | None,
) -> tuple[Value, list[Value]]:
    """y (T, 1, B, H), and the last states (1, B, H) of one direction."""
    steps, batch, _ = layer.x.shape
    hidden, gates = layer.hidden, _GATES[layer.kind]

    def of(x: Value) -> Value:
        part = r.cut(x, {0: (d, d + 1, 1)})
        return r.reshape(part, part.shape[1:])

    w, u = r.transpose(of(layer.w), [1, 0]), r.transpose(of(layer.u), [1, 0])
    biases: list[Value | None] = [None] * (2 * gates)
    if layer.bias is not None:
        parts = _blocks(r, of(layer.bias), hidden, list(range(2 * gates)), 0)
        biases = [r.reshape(b, [hidden]) for b in parts]
    peeps = None if peepholes is None else _blocks(r, of(peepholes), hidden, [0, 1, 2], 0)
    cell = _Cell(r, layer.kind, hidden, u, biases[:gates], biases[gates:], functions, peeps, n)
    states = [of(s) for s in (layer.h, layer.c) if s is not None]
    projected = r("Affine", layer.x, w, base_axis=2)
    results: list[Value | None] = [None] * steps
    for t in range(steps - 1, -1, -1) if reverse else range(steps):
        now = r.reshape(r.cut(projected, {0: (t, t + 1, 1)}), [batch, gates * hidden])
        new = cell(now, states)
        y = new[0]
        if lengths is not None:
            # Beyond the end of a sample its state stays, and its output is 0.
            inside = r.reshape(r("GreaterScalar", lengths, val=float(t)), [batch, 1])
            wide = r.expand(inside, [batch, hidden])
            new = [r("Where", wide, a, b) for a, b in zip(new, states, strict=True)]
            y = r.mul(y, inside)
        states = new
        results[t] = r.reshape(y, [1, 1, batch, hidden])
    found = [y for y in results if y is not None]
    stacked = found[0] if len(found) == 1 else r("Concatenate", *found, axis=0)
    return stacked, [r.reshape(s, [1, *s.shape]) for s in states]


@dataclasses.dataclass
class _Cell:
    """One step of one direction, on gates that have the part of the input already."""

    r: GraphReader
    kind: str
    hidden: int
    u: Value
    of_x: list[Value | None]
    of_h: list[Value | None]
    functions: list[Activation]
    peepholes: list[Value] | None
    node: Node

    def __call__(self, now: Value, states: list[Value]) -> list[Value]:
        gates = _GATES[self.kind]
        parts = _blocks(self.r, now, self.hidden, list(range(gates)), 1)
        x = [self._plus(g, b) for g, b in zip(parts, self.of_x, strict=True)]
        steps: dict[str, Callable[..., list[Value]]] = {"RNN": self._rnn, "GRU": self._gru, "LSTM": self._lstm}
        return steps[self.kind](x, *states)

    def _plus(self, x: Value, bias: Value | None) -> Value:
        return x if bias is None else self.r.add(x, bias)

    def _of_state(self, h: Value) -> list[Value]:
        y = self.r("Affine", h, self.u, base_axis=1)
        return _blocks(self.r, y, self.hidden, list(range(_GATES[self.kind])), 1)

    def _bounded(self, x: Value) -> Value:
        bound = self.node.attr("clip")
        return x if bound is None else self.r.clip(x, -bound, bound)

    def _rnn(self, x: list[Value], h: Value) -> list[Value]:
        total = self.r.add(x[0], self._plus(self._of_state(h)[0], self.of_h[0]))
        return [self.functions[0](self._bounded(total))]

    def _gru(self, x: list[Value], h: Value) -> list[Value]:
        r, (f, g) = self.r, self.functions
        of_state = self._of_state(h)
        z = f(self._bounded(r.add(x[0], self._plus(of_state[0], self.of_h[0]))))
        reset = f(self._bounded(r.add(x[1], self._plus(of_state[1], self.of_h[1]))))
        if self.node.attr("linear_before_reset"):
            inner = r.mul(reset, self._plus(of_state[2], self.of_h[2]))
        else:
            last = r.cut(self.u, {1: (2 * self.hidden, 3 * self.hidden, 1)})
            inner = self._plus(r("Affine", r.mul(reset, h), last, base_axis=1), self.of_h[2])
        new = g(self._bounded(r.add(x[2], inner)))
        return [r.add(r.mul(r("RSubScalar", z, val=1.0), new), r.mul(z, h))]

    def _lstm(self, x: list[Value], h: Value, c: Value) -> list[Value]:
        r, (f, g, last) = self.r, self.functions
        i, o, forget, new = [r.add(a, self._plus(b, bias)) for a, b, bias in
                             zip(x, self._of_state(h), self.of_h, strict=True)]  # fmt: skip
        peeps = self.peepholes
        if peeps is not None:
            i, forget = r.add(i, r.mul(c, peeps[0])), r.add(forget, r.mul(c, peeps[2]))
        i = f(self._bounded(i))
        keep = r("RSubScalar", i, val=1.0) if self.node.attr("input_forget") else f(self._bounded(forget))
        cell = r.add(r.mul(keep, c), r.mul(i, g(self._bounded(new))))
        if peeps is not None:
            o = r.add(o, r.mul(cell, peeps[1]))
        return [r.mul(f(self._bounded(o)), last(cell)), cell]
