"""Fewer operators that compute the same: axes turned less often, factors in weights, activations in layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from .flat_graph import FlatGraph, Operation, Shape

# Operators of each element.
_EACH = ("LOGISTIC", "TANH", "RELU", "RELU6", "ABS", "EXP", "LOG", "FLOOR", "CEIL", "SQRT", "SIN", "COS", "ELU",
         "LEAKY_RELU", "GELU")  # fmt: skip
_PAIRS = ("ADD", "SUB", "MUL", "DIV", "POW", "MAXIMUM", "MINIMUM")
# Where the channels of the results stand in the weights.
_CHANNELS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
_WITH_ACTIVATION = (*_CHANNELS, "ADD", "SUB", "MUL", "MAX_POOL_2D", "AVERAGE_POOL_2D")
_ACTIVATIONS = {"RELU": 1, "RELU6": 3}


def simplify(g: FlatGraph, results: Sequence[int]) -> None:
    """Rewrite the operators of a graph, so that its results are the same but for rounding.

    Args:
        g: of float32; its operators are replaced.
        results: numbers of the tensors that are its outputs.
    """
    _sink_transposes(g)
    prune(g, results)
    _recognize_relu6(g, results)
    _fold_factors(g, results)
    _fuse_activations(g, results)
    _still_axes(g)
    prune(g, results)


def prune(g: FlatGraph, results: Sequence[int]) -> None:
    """Leave out operators whose results nobody reads."""
    needed, kept = set(results), list[Operation]()
    for operation in reversed(g.operations):
        if needed.intersection(operation.outputs):
            needed.update(operation.inputs)
            kept.append(operation)
    g.operations = kept[::-1]


def readers_of(g: FlatGraph, results: Sequence[int]) -> dict[int, int]:
    """How many operators read each tensor; an output of the graph has one reader more."""
    counts: dict[int, int] = {}
    for n in (*results, *[n for o in g.operations for n in o.inputs]):
        counts[n] = counts.get(n, 0) + 1
    return counts


# ---- order of axes -----------------------------------------------------------------------------------------


@dataclasses.dataclass
class _Turn:
    """A tensor that is another one with its axes in another order."""

    source: int
    axes: list[int]


def _sink_transposes(g: FlatGraph) -> None:
    """Do to the sources what is done to each element of turned tensors, and turn the results."""
    turns: dict[int, _Turn] = {}
    names: dict[int, int] = {}
    operations, g.operations = g.operations, []
    for o in operations:
        inputs = [names.get(n, n) for n in o.inputs]
        o = dataclasses.replace(o, inputs=inputs)
        if o.code == "TRANSPOSE":
            turn = _composed(g, turns, inputs)
            if turn.axes == sorted(turn.axes) and not g.tensors[o.outputs[0]].name:
                names[o.outputs[0]] = turn.source
                continue
            turns[o.outputs[0]] = turn
            g.operations.append(dataclasses.replace(o, inputs=[turn.source, g.integers(turn.axes)]))
            continue
        moved = _moved(g, turns, o)
        if moved is None:
            g.operations.append(o)
            continue
        sources, axes, values = moved
        (output,) = o.outputs
        back = np.argsort(axes).tolist()
        inner = g.add([g.shape(output)[a] for a in back], dtype=g.tensors[output].dtype)
        g.operations.append(dataclasses.replace(o, inputs=sources, outputs=[inner], values=values))
        g.operations.append(Operation("TRANSPOSE", [inner, g.integers(axes)], [output], "TransposeOptions", {}))
        turns[output] = _Turn(inner, axes)


def _composed(g: FlatGraph, turns: dict[int, _Turn], inputs: list[int]) -> _Turn:
    order = g.value(inputs[1])
    assert order is not None
    before = turns.get(inputs[0])
    if before is None:
        return _Turn(inputs[0], [int(a) for a in order])
    return _Turn(before.source, [before.axes[int(a)] for a in order])


def _moved(
    g: FlatGraph, turns: dict[int, _Turn], o: Operation
) -> tuple[list[int], list[int], dict[str, object]] | None:
    """For an operator that can be done before axes are turned, its inputs then, the order, and its options."""
    if o.code in _EACH and o.inputs[0] in turns:
        turn = turns[o.inputs[0]]
        return [turn.source], turn.axes, o.values
    if o.code == "CONCATENATION" and all(n in turns for n in o.inputs):
        axes = turns[o.inputs[0]].axes
        if all(turns[n].axes == axes for n in o.inputs):
            return [turns[n].source for n in o.inputs], axes, {**o.values, "Axis": axes[o.values["Axis"]]}
    if o.code in _PAIRS and len(o.outputs) == 1:
        first = next((n for n in o.inputs if n in turns and g.rank(n) == g.rank(o.outputs[0])), None)
        if first is None:
            return None
        axes, rank, sources = turns[first].axes, g.rank(first), []
        for n in o.inputs:
            value = g.value(n)
            if n in turns and turns[n].axes == axes:
                sources.append(turns[n].source)
            elif value is not None and value.ndim <= rank:
                wide = value.reshape((1,) * (rank - value.ndim) + value.shape)
                sources.append(g.constant(wide.transpose(np.argsort(axes)), name=g.tensors[n].name))
            else:
                return None
        return sources, axes, o.values
    return None


def _still_axes(g: FlatGraph) -> None:
    """Turns in which only axes of one element move are no work: they become another shape."""
    for i, o in enumerate(g.operations):
        if o.code != "TRANSPOSE":
            continue
        order, shape = g.value(o.inputs[1]), g.shape(o.inputs[0])
        assert order is not None
        if [a for a in order if shape[a] != 1] == [a for a in range(len(shape)) if shape[a] != 1]:
            target = list(g.shape(o.outputs[0]))
            inputs = [o.inputs[0], g.integers(target)]
            g.operations[i] = Operation("RESHAPE", inputs, o.outputs, "ReshapeOptions", {"NewShape": target})


# ---- layers ------------------------------------------------------------------------------------------------


def _makers(g: FlatGraph) -> dict[int, Operation]:
    return {n: o for o in g.operations for n in o.outputs}


def _along_last(constant: np.ndarray, shape: Shape) -> np.ndarray | None:
    """The numbers of a constant that differs along the last axis only, one for each channel."""
    if constant.ndim > len(shape) or any(d != 1 for d in constant.shape[:-1]):
        return None
    if constant.size not in (1, shape[-1]):
        return None
    return np.broadcast_to(constant.astype(np.float64).ravel(), (shape[-1],))


def _fold_factors(g: FlatGraph, results: Sequence[int]) -> None:
    """Factors and summands for each channel, as of a normalization behind a convolution, become part of its weights."""
    counts, makers, kept = readers_of(g, results), _makers(g), list[Operation]()
    for o in g.operations:
        folded = False
        if o.code in ("MUL", "ADD", "SUB") and not o.values.get("FusedActivationFunction"):
            for x, c in ((o.inputs[0], o.inputs[1]), (o.inputs[1], o.inputs[0])):
                constant, layer = g.value(c), makers.get(x)
                if constant is None or layer is None or layer.code not in _CHANNELS or counts[x] != 1:
                    continue
                if o.code == "SUB" and x != o.inputs[0]:
                    continue
                row = _along_last(constant, g.shape(x))
                if row is None or g.shape(x) != g.shape(o.outputs[0]) or layer.values.get("FusedActivationFunction"):
                    continue
                folded = _fold(g, layer, o.code, row)
                if folded:
                    del makers[x]
                    layer.outputs = list(o.outputs)
                    makers[o.outputs[0]] = layer
                    break
        if not folded:
            kept.append(o)
    # A layer stands where it stood: all that it reads is there already.
    g.operations = kept


def _fold(g: FlatGraph, layer: Operation, code: str, row: np.ndarray) -> bool:
    weight = g.value(layer.inputs[1])
    missing = len(layer.inputs) < 3 or layer.inputs[2] < 0
    bias = np.zeros(len(row)) if missing else g.value(layer.inputs[2])
    if weight is None or bias is None:
        return False
    names = [g.tensors[layer.inputs[1]].name, "" if missing else g.tensors[layer.inputs[2]].name]
    wide = bias.astype(np.float64)
    table = layer.inputs[1]
    if code == "MUL":
        shape = [-1 if a == _CHANNELS[layer.code] else 1 for a in range(weight.ndim)]
        table = g.constant(weight.astype(np.float64) * row.reshape(shape), name=names[0])
        wide = wide * row
    else:
        wide = wide + row if code == "ADD" else wide - row
    layer.inputs = [layer.inputs[0], table, g.constant(wide, name=names[1])]
    return True


def _recognize_relu6(g: FlatGraph, results: Sequence[int]) -> None:
    counts, makers = readers_of(g, results), _makers(g)
    for i, o in enumerate(g.operations):
        if o.code != "MINIMUM":
            continue
        for x, c in ((o.inputs[0], o.inputs[1]), (o.inputs[1], o.inputs[0])):
            limit, relu = g.value(c), makers.get(x)
            if limit is None or limit.size != 1 or limit.ravel()[0] != 6 or relu is None or relu.code != "RELU":
                continue
            if counts[x] == 1 and g.shape(x) == g.shape(o.outputs[0]):
                g.operations[i] = Operation("RELU6", relu.inputs, o.outputs, "", {})
                break
    prune(g, results)


def _fuse_activations(g: FlatGraph, results: Sequence[int]) -> None:
    """RELU and RELU6 behind a layer become part of it."""
    counts, makers, kept = readers_of(g, results), _makers(g), list[Operation]()
    for o in g.operations:
        layer = makers.get(o.inputs[0]) if o.code in _ACTIVATIONS else None
        if layer is None or layer.code not in _WITH_ACTIVATION or counts[o.inputs[0]] != 1:
            kept.append(o)
            continue
        if layer.values.get("FusedActivationFunction") or not layer.options:
            kept.append(o)
            continue
        layer.values = {**layer.values, "FusedActivationFunction": _ACTIVATIONS[o.code]}
        layer.outputs = list(o.outputs)
        makers[o.outputs[0]] = layer
    g.operations = kept
