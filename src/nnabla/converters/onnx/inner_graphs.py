"""Operators with graphs inside: branches that are chosen while reading, and loops, which are written out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto

from ..obstacles import Unsupported
from ..reading.graph_reader import GraphReader, Value
from .import_rules.registry import Node, axis_of

if TYPE_CHECKING:
    from .graph_walk import GraphWalk, Names, Place

Rule = Callable[..., Sequence[Value]]


def if_(
    walk: GraphWalk, op: Node, node: NodeProto, inputs: Sequence[Value | None], names: Names, place: Place
) -> Sequence[Value]:
    """The branch that a condition chooses; where that is known only later, a choice between what both compute."""
    condition = inputs[0]
    assert condition is not None
    inner = place.inside(node)
    if condition.array is not None:
        if condition.array.size != 1:
            raise Unsupported("its condition must have one element")
        chosen = op.attr("then_branch" if condition.array.ravel()[0] else "else_branch")
        return walk.graph(chosen, [], names, inner)
    both = [walk.graph(op.attr(branch), [], names, inner) for branch in ("then_branch", "else_branch")]
    results = []
    for a, b in zip(*both, strict=True):
        if a.shape != b.shape:
            raise Unsupported(f"its branches give shapes {a.shape} and {b.shape}, and the condition is not known")
        one = walk.reader.reshape(condition, (1,) * a.rank)
        results.append(walk.reader("Where", walk.reader.expand(one, a.shape), a, b).typed(a.dtype))
    return results


def loop(
    walk: GraphWalk, op: Node, node: NodeProto, inputs: Sequence[Value | None], names: Names, place: Place
) -> Sequence[Value]:
    """A loop whose number of rounds is known, written out."""
    r = walk.reader
    most, going, *carried = inputs
    rounds = None if most is None else r.ints(most, "the number of rounds")[0]
    on = going is None or _true(r, going)
    if rounds is None and going is None:
        raise Unsupported("it has no end")
    body: GraphProto = op.attr("body")
    inner = place.inside(node)
    scanned: list[list[Value]] = [[] for _ in range(len(body.output) - 1 - len(carried))]
    done = 0
    state: list[Any] = list(carried)
    while on and (rounds is None or done < rounds):
        r.budget.node()
        number, condition = r.constant(np.int64(done), TensorProto.INT64), r.constant(np.bool_(True), TensorProto.BOOL)
        on_value, *results = walk.graph(body, [number, condition, *state], names, inner)
        on = _true(r, on_value)
        state = results[: len(carried)]
        for values, result in zip(scanned, results[len(carried) :], strict=True):
            values.append(result)
        done += 1
    return [*state, *[_stacked(r, values, 0) for values in scanned]]


def _true(r: GraphReader, x: Value) -> bool:
    found = r.known(x, "whether it goes on")
    if found.size != 1:
        raise Unsupported("its condition must have one element")
    return bool(found.ravel()[0])


def scan(
    walk: GraphWalk, op: Node, node: NodeProto, inputs: Sequence[Value | None], names: Names, place: Place
) -> Sequence[Value]:
    """A loop over the slices of arrays, written out."""
    if op.opset < 9:
        raise Unsupported("before opset 9 it has no counterpart")
    r = walk.reader
    count = op.attr("num_scan_inputs")
    if not 0 < count <= len(inputs):
        raise Unsupported(f"num_scan_inputs is {count}, but it has {len(inputs)} inputs")
    values = [x for x in inputs if x is not None]
    state, sources = values[: len(values) - count], values[len(values) - count :]
    body: GraphProto = op.attr("body")
    outputs = len(body.output) - len(state)
    axes = _listed(op, "scan_input_axes", count)
    back = _listed(op, "scan_input_directions", count)
    out_axes = _listed(op, "scan_output_axes", outputs)
    out_back = _listed(op, "scan_output_directions", outputs)
    axes = [axis_of(a, x.rank) for a, x in zip(axes, sources, strict=True)]
    lengths = {x.shape[a] for a, x in zip(axes, sources, strict=True)}
    if len(lengths) != 1:
        raise Unsupported(f"the arrays that it goes through have lengths {sorted(lengths)}")
    inner = place.inside(node)
    scanned: list[list[Value]] = [[] for _ in range(outputs)]
    steps = lengths.pop()
    for step in range(steps):
        r.budget.node()
        slices = []
        for x, a, reverse in zip(sources, axes, back, strict=True):
            at = steps - 1 - step if reverse else step
            slices.append(r.reshape(r.cut(x, {a: (at, at + 1, 1)}), x.shape[:a] + x.shape[a + 1 :]))
        results = walk.graph(body, [*state, *slices], names, inner)
        state = results[: len(state)]
        for found, result in zip(scanned, results[len(state) :], strict=True):
            found.append(result)
    stacked = []
    for found, a, reverse in zip(scanned, out_axes, out_back, strict=True):
        stacked.append(_stacked(r, found[::-1] if reverse else found, a))
    return [*state, *stacked]


def _listed(op: Node, name: str, count: int) -> list[int]:
    given = op.attr(name)
    if given is None:
        return [0] * count
    if len(given) != count:
        raise Unsupported(f"{name} must have {count} entries")
    return list(given)


def _stacked(r: GraphReader, values: list[Value], axis: int) -> Value:
    if not values:
        raise Unsupported("it has no rounds, and so nothing says what shape its output has")
    axis = axis_of(axis, values[0].rank + 1)
    if all(x.array is not None for x in values):
        if not r.budget.allows(sum(x.array.size for x in values if x.array is not None)):
            raise Unsupported("what it computes is too large")
        return r.constant(np.stack([np.asarray(x.array) for x in values], axis), values[0].dtype)
    y: Value = r("Stack", *values, axis=axis)
    return y


INNER: dict[str, Rule] = {"If": if_, "Loop": loop, "Scan": scan}
