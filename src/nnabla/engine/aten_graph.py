"""Graphs of ATen calls, as torch traces them: what the nodes are, and calls that are added.

Each node has a tensor without values in ``meta["val"]``.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch

from .._private_torch import unsafe_view

aten: Any = torch.ops.aten
MM, ADDMM, BMM = aten.mm.default, aten.addmm.default, aten.bmm.default
ADD, CAT, SLICE, T = aten.add.Tensor, aten.cat.default, aten.slice.Tensor, aten.t.default
VIEW = aten.view.default

Node = torch.fx.Node

# Calls that show the memory of another tensor in another way; what they do follows from whole numbers.
RESHAPES = (VIEW, unsafe_view, aten.reshape.default)
SPLITS = (aten.split_with_sizes.default, aten.split.Tensor)
SHOWING = (
    *RESHAPES,
    *SPLITS,
    SLICE,
    T,
    aten.transpose.int,
    aten.permute.default,
    aten.select.int,
    aten.unbind.int,
    aten.unsqueeze.default,
    aten.squeeze.dim,
    aten.expand.default,
    aten.alias.default,
    aten.detach.default,
    operator.getitem,
)

# Those that may show all of it as it is.
_IDLE = (*RESHAPES, aten.alias.default, aten.detach.default)


# ---- reading a graph ---------------------------------------------------------------------------------------------


def writes(module: torch.fx.GraphModule) -> bool:
    """Whether a call in a graph writes to a tensor."""
    schemas = [getattr(node.target, "_schema", None) for node in module.graph.nodes]
    return any([schema is not None and schema.is_mutable for schema in schemas])


def value_of(node: Node) -> torch.Tensor:
    tensor: torch.Tensor = node.meta["val"]
    return tensor


def shape_of(node: Node) -> tuple[int, ...]:
    return tuple(value_of(node).shape)


def is_product(node: Any) -> bool:
    if not isinstance(node, Node) or node.op != "call_function":
        return False
    return node.target is MM or (node.target is ADDMM and not node.kwargs)


def arguments_of(node: Node) -> tuple[Any, ...]:
    return node.args


def operands_of(product: Node) -> tuple[Node, Node]:
    a, b = arguments_of(product)[-2:]
    return a, b


def transposed_of(node: Node) -> Node | None:
    """The matrix that `node` is the transposed of, if it is that of one."""
    if node.op != "call_function" or len(shape_of(node)) != 2:
        return None
    source, *axes = arguments_of(node)
    if node.target is aten.transpose.int:
        return source if sorted([axis % 2 for axis in axes]) == [0, 1] else None
    if node.target is aten.permute.default:
        return source if [axis % 2 for axis in axes[0]] == [1, 0] else None
    return source if node.target is T else None


def products_in(graph: torch.fx.Graph) -> list[Node]:
    return [node for node in graph.nodes if is_product(node)]


def depths_in(graph: torch.fx.Graph, members: Sequence[Node]) -> dict[Node, int]:
    """For each node, on how many of `members` it depends one after the other. Members of one depth are independent."""
    among = set(members)
    depths: dict[Node, int] = {}
    for node in graph.nodes:
        depth = max([depths[before] for before in node.all_input_nodes], default=0)
        depths[node] = depth + 1 if node in among else depth
    return depths


def is_sum(node: Node) -> bool:
    """Whether it is the sum of two arrays of its own shape and type."""
    if node.op != "call_function" or node.target is not ADD or node.kwargs:
        return False
    whole = value_of(node)
    return all([isinstance(x, Node) and _is_like(value_of(x), whole) for x in node.args])


def _is_like(tensor: torch.Tensor, other: torch.Tensor) -> bool:
    return tensor.shape == other.shape and tensor.dtype is other.dtype


# ---- writing to it -----------------------------------------------------------------------------------------------


class Additions:
    """Calls that are added to a graph.

    Args:
        graph: that one. They stand at its end until it is sorted.
    """

    def __init__(self, graph: torch.fx.Graph) -> None:
        self.graph = graph
        self._known: dict[Any, Node] = {}

    def new(self, target: Any, *arguments: Any) -> Node:
        with self.graph.inserting_before(self.graph.output_node()):
            node = self.graph.call_function(target, arguments)
        node.meta["val"] = target(*torch.fx.node.map_arg(arguments, value_of))
        return node

    def call(self, target: Any, *arguments: Any) -> Node:
        """A call that may be there already."""
        key = (target, *[tuple(a) if isinstance(a, list) else a for a in arguments])
        if key not in self._known:
            self._known[key] = self.new(target, *arguments)
        return self._known[key]

    def copy(self, node: Node) -> Node:
        copied = self.new(aten.clone.default, node)
        copied.kwargs = {"memory_format": torch.contiguous_format}
        copied.meta["val"] = value_of(node).contiguous()
        return copied

    def joined(self, nodes: Sequence[Node], axis: int) -> Node:
        """Matrices side by side, or one above the other."""
        if len(nodes) == 1:
            return nodes[0]
        sources = [transposed_of(node) for node in nodes]
        if axis == 1 and all([source is not None for source in sources]):
            # What is copied is read, and written, in the order of its memory.
            return self.call(T, self.call(CAT, sources, 0))
        return self.call(CAT, list(nodes), axis)

    def piece(self, node: Node, axis: int, start: int, end: int) -> Node:
        if start == 0 and end == shape_of(node)[axis]:
            return node
        return self.call(SLICE, node, axis, start, end)


def sort(graph: torch.fx.Graph) -> None:
    """Bring the nodes in an order in which each stands behind those that it reads."""
    seen: set[Node] = set()
    order: list[Node] = []
    for root in list(graph.nodes):
        stack = [root]
        while stack:
            node = stack[-1]
            missing = [] if node in seen else [before for before in node.all_input_nodes if before not in seen]
            if missing:
                stack += missing
                continue
            stack.pop()
            if node not in seen:
                seen.add(node)
                order.append(node)
    for before, node in pairwise(order):
        before.append(node)


def skip_idle(graph: torch.fx.Graph) -> None:
    """Take out calls that change nothing, and all but the first of those that show the same in the same way."""
    first: dict[Any, Node] = {}
    for node in list(graph.nodes):
        if node.op != "call_function" or node.target not in SHOWING or node.kwargs:
            continue
        source, *more = arguments_of(node)
        known = first.setdefault((node.target, source, *[tuple(a) if isinstance(a, list) else a for a in more]), node)
        if node.target in _IDLE:
            was, now = value_of(source), value_of(node)
            if was.shape == now.shape and was.stride() == now.stride():
                known = source
        if known is not node:
            # Results stay as many arrays as they are.
            node.replace_all_uses_with(known, delete_user_cb=lambda user: user.op != "output")
