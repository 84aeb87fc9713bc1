"""Products of matrices in a graph of ATen calls, before it is compiled: few large ones, and the smallest as loops.

A recurrent network multiplies the same weights in each step, by what is known for all steps, or by what follows from
the step before. The compiler takes each product as it is: as a call of a library, which for a few rows takes its time
for reading the weights. These rewrites are on the graph, so that it does not matter how the network was written:

- a part of a product is the product with a part of the matrix (`_narrow`);
- the product with rows that were joined of several matrices is the sum of products, where some of them are known for
  all steps (`_split`);
- products with the same matrix that do not depend on each other are one (`_join_rows`);
- a sum of products is one product: the gradient of a weight, over all steps (`_join_sums`);
- a product that takes less time than a call is a loop among the others (`_small_as_loops`).
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch

from .._private_torch import unsafe_view

_aten: Any = torch.ops.aten
_MM, _ADDMM, _BMM = _aten.mm.default, _aten.addmm.default, _aten.bmm.default
_ADD, _CAT, _SLICE, _T = _aten.add.Tensor, _aten.cat.default, _aten.slice.Tensor, _aten.t.default
_VIEW = _aten.view.default

Node = torch.fx.Node

# Calls that show the memory of another tensor in another way; what they do follows from whole numbers.
_RESHAPES = (_VIEW, unsafe_view, _aten.reshape.default)
_SPLITS = (_aten.split_with_sizes.default, _aten.split.Tensor)
_SHOWING = (
    *_RESHAPES,
    *_SPLITS,
    _SLICE,
    _T,
    _aten.transpose.int,
    _aten.permute.default,
    _aten.select.int,
    _aten.unbind.int,
    _aten.unsqueeze.default,
    _aten.squeeze.dim,
    _aten.expand.default,
    _aten.alias.default,
    _aten.detach.default,
    operator.getitem,
)

# Those that may show all of it as it is.
_IDLE = (*_RESHAPES, _aten.alias.default, _aten.detach.default)

# Products. For fewer that share a matrix, joining their rows takes as long as it saves.
_WORTH_JOINING = 3

# Rows. A product of more takes no longer for each than one of many more.
_FEW_ROWS = 128

# Elements that may be copied whatever the size of the product: they take less time than a call.
_CHEAP_TO_COPY = 1 << 13

# Multiplications. A smaller product of matrices takes less time as a loop within a compiled function than the call of a
# library that would cut that function in two.
_SMALL = 1 << 14

# Together they are worth a call from so many on.
_WORTH_A_CALL = 1 << 16

# So often an element may be computed anew.
_FEW_READS = 8


def improve_products(module: torch.fx.GraphModule) -> None:
    """Rewrite the products of a graph, whose nodes have tensors without values in ``meta["val"]``."""
    if writes(module):
        # Calls have to stay in their order.
        return
    graph = module.graph
    _skip_idle(graph)
    for rewrite in (_narrow, _split, _join_rows, _join_sums, _keep_apart, _small_as_loops):
        rewrite(_Additions(graph))
        _sort(graph)
        graph.eliminate_dead_code()
    module.recompile()


def writes(module: torch.fx.GraphModule) -> bool:
    """Whether a call in a graph writes to a tensor."""
    schemas = [getattr(node.target, "_schema", None) for node in module.graph.nodes]
    return any([schema is not None and schema.is_mutable for schema in schemas])


# ---- reading a graph ---------------------------------------------------------------------------------------------


def _value(node: Node) -> torch.Tensor:
    tensor: torch.Tensor = node.meta["val"]
    return tensor


def _shape(node: Node) -> tuple[int, ...]:
    return tuple(_value(node).shape)


def _is_product(node: Any) -> bool:
    if not isinstance(node, Node) or node.op != "call_function":
        return False
    return node.target is _MM or (node.target is _ADDMM and not node.kwargs)


def _arguments(node: Node) -> tuple[Any, ...]:
    return node.args


def _operands(product: Node) -> tuple[Node, Node]:
    a, b = _arguments(product)[-2:]
    return a, b


def _transposed(node: Node) -> Node | None:
    """The matrix that `node` is the transposed of, if it is that of one."""
    if node.op != "call_function" or len(_shape(node)) != 2:
        return None
    source, *axes = _arguments(node)
    if node.target is _aten.transpose.int:
        return source if sorted([axis % 2 for axis in axes]) == [0, 1] else None
    if node.target is _aten.permute.default:
        return source if [axis % 2 for axis in axes[0]] == [1, 0] else None
    return source if node.target is _T else None


def _products(graph: torch.fx.Graph) -> list[Node]:
    return [node for node in graph.nodes if _is_product(node)]


def _depths(graph: torch.fx.Graph, members: Sequence[Node]) -> dict[Node, int]:
    """For each node, on how many of `members` it depends one after the other. Members of one depth are independent."""
    among = set(members)
    depths: dict[Node, int] = {}
    for node in graph.nodes:
        depth = max([depths[before] for before in node.all_input_nodes], default=0)
        depths[node] = depth + 1 if node in among else depth
    return depths


def _independent(graph: torch.fx.Graph, members: Sequence[Node]) -> Iterator[list[Node]]:
    """Those of `members` that do not depend on each other, where they are enough to be worth joining."""
    if len(members) < _WORTH_JOINING:
        return
    depths = _depths(graph, members)
    groups: dict[int, list[Node]] = {}
    for node in members:
        groups.setdefault(depths[node], []).append(node)
    for group in groups.values():
        if len(group) >= _WORTH_JOINING:
            yield group


# ---- writing to it -----------------------------------------------------------------------------------------------


class _Additions:
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
        node.meta["val"] = target(*torch.fx.node.map_arg(arguments, _value))
        return node

    def call(self, target: Any, *arguments: Any) -> Node:
        """A call that may be there already."""
        key = (target, *[tuple(a) if isinstance(a, list) else a for a in arguments])
        if key not in self._known:
            self._known[key] = self.new(target, *arguments)
        return self._known[key]

    def copy(self, node: Node) -> Node:
        copied = self.new(_aten.clone.default, node)
        copied.kwargs = {"memory_format": torch.contiguous_format}
        copied.meta["val"] = _value(node).contiguous()
        return copied

    def joined(self, nodes: Sequence[Node], axis: int) -> Node:
        """Matrices side by side, or one above the other."""
        if len(nodes) == 1:
            return nodes[0]
        sources = [_transposed(node) for node in nodes]
        if axis == 1 and all([source is not None for source in sources]):
            # What is copied is read, and written, in the order of its memory.
            return self.call(_T, self.call(_CAT, sources, 0))
        return self.call(_CAT, list(nodes), axis)

    def piece(self, node: Node, axis: int, start: int, end: int) -> Node:
        if start == 0 and end == _shape(node)[axis]:
            return node
        return self.call(_SLICE, node, axis, start, end)


def _sort(graph: torch.fx.Graph) -> None:
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


def _skip_idle(graph: torch.fx.Graph) -> None:
    """Take out calls that change nothing, and all but the first of those that show the same in the same way."""
    first: dict[Any, Node] = {}
    for node in list(graph.nodes):
        if node.op != "call_function" or node.target not in _SHOWING or node.kwargs:
            continue
        source, *more = _arguments(node)
        known = first.setdefault((node.target, source, *[tuple(a) if isinstance(a, list) else a for a in more]), node)
        if node.target in _IDLE:
            was, now = _value(source), _value(node)
            if was.shape == now.shape and was.stride() == now.stride():
                known = source
        if known is not node:
            # Results stay as many arrays as they are.
            node.replace_all_uses_with(known, delete_user_cb=lambda user: user.op != "output")


# ---- the rewrites ------------------------------------------------------------------------------------------------


def _narrow(add: _Additions) -> None:
    """Compute no columns of a product that nobody reads: a gradient of joined arrays of which some want none."""
    for product in _products(add.graph):
        if product.target is not _MM or len(product.users) != 1:
            continue
        (split,) = product.users
        if split.target not in _SPLITS or _arguments(split)[2:] not in ((1,), (-1,)):
            continue
        ends = [0]
        for part in split.meta["val"]:
            ends.append(ends[-1] + part.shape[1])
        read = [node for node in split.users if node.users]
        if len({_arguments(node)[1] for node in read}) == len(ends) - 1:
            continue
        a, b = _operands(product)
        for node in read:
            i = _arguments(node)[1]
            node.replace_all_uses_with(add.new(_MM, a, add.piece(b, 1, ends[i], ends[i + 1])))


def _split(add: _Additions) -> None:
    """Take products with joined arrays apart where some of these are there for all steps of a network at once."""
    groups: dict[Any, list[Node]] = {}
    for product in _products(add.graph):
        a, b = _operands(product)
        if a.op == "call_function" and a.target is _CAT and _arguments(a)[1:] in ((1,), (-1,)):
            widths = tuple([_shape(part)[1] for part in _arguments(a)[0]])
            if _shape(a)[0] <= _FEW_ROWS:
                groups.setdefault((b, widths), []).append(product)
    for (b, widths), members in groups.items():
        if len(members) < _WORTH_JOINING:
            continue
        depths = _depths(add.graph, members)
        parts = {product: _arguments(_operands(product)[0])[0] for product in members}
        # By position among what is joined: on how many members it depends, one after the other.
        found = [{depths[parts[product][i]] for product in members} for i in range(len(widths))]
        if not any([2 * len(different) < len(members) for different in found]):
            continue
        for product in members:
            total: Any = None if product.target is _MM else _arguments(product)[0]
            start = 0
            for part, width in zip(parts[product], widths, strict=True):
                one = add.new(_MM, part, add.piece(b, 0, start, start + width))
                total = one if total is None else add.new(_ADD, total, one)
                start += width
            product.replace_all_uses_with(total)
        _sort(add.graph)


def _join_rows(add: _Additions) -> None:
    """Multiply a matrix once by all rows that do not follow from the products: those of all steps of a network."""
    groups: dict[Any, list[Node]] = {}
    for product in _products(add.graph):
        a, b = _operands(product)
        if _shape(a)[0] <= _FEW_ROWS:
            groups.setdefault((b, _shape(a)), []).append(product)
    for (b, (rows, _)), found in groups.items():
        for members in _independent(add.graph, found):
            whole = add.call(_MM, add.joined([_operands(product)[0] for product in members], 0), b)
            for i, product in enumerate(members):
                part = add.piece(whole, 0, i * rows, (i + 1) * rows)
                if product.target is _ADDMM:
                    part = add.new(_ADD, part, _arguments(product)[0])
                product.replace_all_uses_with(part)
            _sort(add.graph)


def _join_sums(add: _Additions) -> None:
    """Compute a sum of products as one."""
    inner: set[Node] = set()
    for root in reversed(list(add.graph.nodes)):
        if not _is_sum(root) or root in inner:
            continue
        terms: list[Node] = []
        stack = [root]
        while stack:
            node = stack.pop()
            if node is root or (_is_sum(node) and len(node.users) == 1):
                inner.add(node)
                stack += reversed(_arguments(node))
            else:
                terms.append(node)
        groups: dict[Any, list[tuple[Node, Node]]] = {}
        rest: list[Node] = []
        for term in terms:
            product = _product_in(term)
            if product is not None and _is_cheap(product):
                groups.setdefault((_shape(product), _value(product).dtype), []).append((term, product))
            else:
                rest.append(term)
        for members in groups.values():
            pairs = [_operands(product) for _, product in members]
            if not _is_worth_joining(pairs):
                rest += [term for term, _ in members]
                continue
            whole = add.new(_MM, *[add.joined([pair[i] for pair in pairs], 1 - i) for i in (0, 1)])
            if _shape(whole) != _shape(root):
                whole = add.call(_VIEW, whole, list(_shape(root)))
            rest.append(whole)
        if len(rest) < len(terms):
            total = rest[0]
            for term in rest[1:]:
                total = add.new(_ADD, total, term)
            root.replace_all_uses_with(total)
            _sort(add.graph)


def _is_sum(node: Node) -> bool:
    """Whether it is the sum of two arrays of its own shape and type."""
    if node.op != "call_function" or node.target is not _ADD or node.kwargs:
        return False
    whole = _value(node)
    return all([isinstance(x, Node) and _is_like(_value(x), whole) for x in node.args])


def _is_like(tensor: torch.Tensor, other: torch.Tensor) -> bool:
    return tensor.shape == other.shape and tensor.dtype is other.dtype


def _product_in(term: Node) -> Node | None:
    """The product that a term of a sum is, maybe in another shape, where nothing else reads it."""
    while term.op == "call_function" and term.target in _RESHAPES and len(term.users) == 1:
        term = _arguments(term)[0]
    return term if _is_product(term) and term.target is _MM and len(term.users) == 1 else None


def _is_cheap(product: Node) -> bool:
    """Whether joining it to others takes less time than it saves: a call, and the way of a product through memory."""
    a, b = _operands(product)
    (m, k), n = _shape(a), _shape(b)[1]
    return k * (m + n) <= max(_CHEAP_TO_COPY, m * n)


def _is_worth_joining(pairs: Sequence[tuple[Node, Node]]) -> bool:
    """Whether there are several, and they are no loops that are as fast each by itself."""
    multiplications = [_value(a).numel() * _shape(b)[1] for a, b in pairs]
    return len(pairs) > 1 and (max(multiplications) > _SMALL or sum(multiplications) >= _WORTH_A_CALL)


def _keep_apart(add: _Additions) -> None:
    """Give results memory of their own: a part of a product would keep the whole in memory."""
    output = add.graph.output_node()
    changed: dict[Node, Node] = {}
    for result in output.all_input_nodes:
        source = result
        while source.op == "call_function" and source.target in _SHOWING:
            is_part = source.target is _SLICE
            source = _arguments(source)[0]
            if is_part and _is_product(source):
                changed[result] = add.copy(result)
    if changed:
        output.args = torch.fx.node.map_arg(output.args, lambda node: changed.get(node, node))


# ---- small products as loops -------------------------------------------------------------------------------------


def _small_as_loops(add: _Additions) -> None:
    """Write the smallest products as loops among the others."""
    copies: dict[Node, Node] = {}
    for product in list(add.graph.nodes):
        if product.op != "call_function" or product.target not in (_MM, _BMM, _ADDMM) or product.kwargs:
            continue
        a, b = _operands(product)
        if not _is_small(_value(a), _value(b)):
            continue
        if not _is_in_order(_value(b)) and len(b.users) >= _WORTH_JOINING:
            if b not in copies:
                copies[b] = _written(add, add.copy(b))
            b = copies[b]
        rows, columns = _shape(a)[-2], _shape(b)[-1]
        a, b = _in_memory(add, a, columns), _in_memory(add, b, rows)
        axis = len(_shape(a)) - 1
        factors = add.call(_aten.unsqueeze.default, a, axis + 1), add.call(_aten.unsqueeze.default, b, axis - 1)
        total = add.new(_aten.sum.dim_IntList, add.new(_aten.mul.Tensor, *factors), [axis])
        if product.target is _ADDMM:
            total = add.new(_ADD, _arguments(product)[0], total)
        product.replace_all_uses_with(total)


def _is_small(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.numel() * b.shape[-1] <= _SMALL and a.dtype in (torch.float32, torch.float64)


def _is_in_order(b: torch.Tensor) -> bool:
    """Whether a loop over columns goes through memory element by element."""
    return b.stride(-1) == 1 or b.shape[-1] == 1


def _in_memory(add: _Additions, node: Node, reads: int) -> Node:
    """`node` such that the compiler does not compute its elements anew each time that one is read."""
    if node.op != "call_function" or reads <= _FEW_READS:
        return node
    source = _transposed(node)
    if source is not None:
        return add.call(_T, _in_memory(add, source, reads))
    if torch.Tag.pointwise not in getattr(node.target, "tags", ()) or not _value(node).is_contiguous():
        return node
    return _written(add, node)


def _written(add: _Additions, node: Node) -> Node:
    """`node`, which the compiler does write to memory: where strides are given, there must be some."""
    return add.call(_aten.as_strided.default, node, list(_shape(node)), list(_value(node).stride()))
