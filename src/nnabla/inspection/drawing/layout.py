"""Where the nodes of a directed graph go: layers from top to bottom.

The method of Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures", 1981, in
its four steps: layers by longest path, bends where an edge crosses a layer, an order in each layer by barycentres, and
coordinates. These are least squares of the distances to the neighbours under the order of the layer, found by
pooling adjacent violators.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

SWEEPS = 8
GAP_X = 18.0
GAP_Y = 30.0


class Layout(NamedTuple):
    """Positions, in the unit of the sizes; y grows downwards."""

    centers: dict[str, tuple[float, float]]
    """Of each node."""
    bends: dict[tuple[str, str], list[tuple[float, float]]]
    """Points that each edge goes through between its ends."""
    width: float
    height: float


def layered(sizes: Mapping[str, tuple[float, float]], edges: Sequence[tuple[str, str]]) -> Layout:
    """Lay out a graph without circles.

    Args:
        sizes: width and height of each node by key.
        edges: pairs of keys, source first; one that stands there twice is drawn once.

    Raises:
        ValueError: an edge names an unknown node, or the edges form a circle.
    """
    edges = list(dict.fromkeys(edges))
    for edge in edges:
        for key in edge:
            if key not in sizes:
                raise ValueError(f"layered: edge {edge} names the unknown node {key!r}")
    layer = _layers(list(sizes), edges)
    rows: list[list[object]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for key in sizes:
        rows[layer[key]].append(key)
    up: dict[object, list[object]] = {key: [] for key in sizes}
    down: dict[object, list[object]] = {key: [] for key in sizes}
    bends: dict[tuple[str, str], list[object]] = {}
    for source, target in edges:
        chain: list[object] = [source]
        for level in range(layer[source] + 1, layer[target]):
            bend = (source, target, level)
            rows[level].append(bend)
            up[bend], down[bend] = [], []
            chain.append(bend)
        bends[source, target] = chain[1:]
        chain.append(target)
        for above, below in pairwise(chain):
            down[above].append(below)
            up[below].append(above)
    _order(rows, up, down)
    widths = {item: sizes[item][0] if isinstance(item, str) else 6.0 for row in rows for item in row}
    x = _coordinates(rows, up, down, widths)
    y: dict[object, float] = {}
    top = 0.0
    for row in rows:
        height = max((sizes[item][1] for item in row if isinstance(item, str)), default=0.0)
        for item in row:
            y[item] = top + height / 2
        top += height + GAP_Y
    left = min((x[item] - widths[item] / 2 for item in x), default=0.0)
    right = max((x[item] + widths[item] / 2 for item in x), default=0.0)
    return Layout(
        {key: (x[key] - left, y[key]) for key in sizes},
        {edge: [(x[item] - left, y[item]) for item in chain] for edge, chain in bends.items()},
        right - left,
        max(top - GAP_Y, 0.0),
    )


def _layers(keys: list[str], edges: list[tuple[str, str]]) -> dict[str, int]:
    below: dict[str, list[str]] = {key: [] for key in keys}
    waiting = dict.fromkeys(keys, 0)
    for source, target in edges:
        below[source].append(target)
        waiting[target] += 1
    sources = [key for key in keys if not waiting[key]]
    layer = dict.fromkeys(keys, 0)
    ready = deque(sources)
    done = 0
    while ready:
        key = ready.popleft()
        done += 1
        for target in below[key]:
            layer[target] = max(layer[target], layer[key] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    if done < len(keys):
        raise ValueError("layered: the edges form a circle")
    for key in sources:
        # Parameters stand beside what reads them, not at the top of the picture.
        layer[key] = min((layer[target] for target in below[key]), default=1) - 1
    return layer


def _order(rows: list[list[object]], up: Mapping[object, list[object]], down: Mapping[object, list[object]]) -> None:
    """Sort each row by the mean position of the neighbours, in sweeps down and up; the best order seen is kept."""
    best, fewest = [list(row) for row in rows], _crossings(rows, down)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        downwards = sweep % 2 == 0
        neighbours = up if downwards else down
        order = range(1, len(rows)) if downwards else range(len(rows) - 2, -1, -1)
        for level in order:
            beside = rows[level - 1] if downwards else rows[level + 1]
            place = {item: position for position, item in enumerate(beside)}
            means = []
            for position, item in enumerate(rows[level]):
                places = [place[other] for other in neighbours[item]]
                means.append((sum(places) / len(places) if places else float(position), position, item))
            rows[level] = [item for _, _, item in sorted(means, key=lambda entry: entry[:2])]
        crossings = _crossings(rows, down)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    rows[:] = best


def _crossings(rows: list[list[object]], down: Mapping[object, list[object]]) -> int:
    """How many pairs of edges cross: inversions of the lower ends, counted with a Fenwick tree."""
    total = 0
    for row, below in pairwise(rows):
        place = {item: position for position, item in enumerate(below)}
        ends = [end for item in row for end in sorted(place[other] for other in down[item])]
        tree = [0] * (len(below) + 1)
        for seen, end in enumerate(ends):
            not_right, at = 0, end + 1
            while at:
                not_right += tree[at]
                at &= at - 1
            total += seen - not_right
            at = end + 1
            while at < len(tree):
                tree[at] += 1
                at += at & -at
    return total


def _coordinates(
    rows: list[list[object]],
    up: Mapping[object, list[object]],
    down: Mapping[object, list[object]],
    widths: Mapping[object, float],
) -> dict[object, float]:
    x: dict[object, float] = {}
    for row in rows:
        _place(row, [0.0] * len(row), widths, x)
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        for row in rows if downwards else reversed(rows):
            wanted = []
            for item in row:
                neighbours = (up[item] if downwards else down[item]) or up[item] or down[item]
                wanted.append(sum(x[other] for other in neighbours) / len(neighbours) if neighbours else x[item])
            _place(row, wanted, widths, x)
    return x


def _place(row: list[object], wanted: list[float], widths: Mapping[object, float], x: dict[object, float]) -> None:
    """Put the items of a row as near as the order allows to where they are wanted, in least squares."""
    offsets, offset = [], 0.0
    for previous, item in zip([None, *row], row, strict=False):
        if previous is not None:
            offset += (widths[previous] + widths[item]) / 2 + GAP_X
        offsets.append(offset)
    # Without their distances the positions must only not decrease: the mean of each block that would.
    blocks: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        value, count = want - offset, 1
        while blocks and blocks[-1][0] > value:
            mean, size = blocks.pop()
            value, count = (value * count + mean * size) / (count + size), count + size
        blocks.append((value, count))
    values = [value for value, count in blocks for _ in range(count)]
    x.update((item, value + offset) for item, value, offset in zip(row, values, offsets, strict=True))
