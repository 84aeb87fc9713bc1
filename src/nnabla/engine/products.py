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

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from .aten_graph import (
    ADD,
    ADDMM,
    BMM,
    CAT,
    MM,
    RESHAPES,
    SHOWING,
    SLICE,
    SPLITS,
    VIEW,
    Additions,
    Node,
    T,
    arguments_of,
    aten,
    depths_in,
    is_product,
    is_sum,
    operands_of,
    products_in,
    shape_of,
    skip_idle,
    sort,
    transposed_of,
    value_of,
    writes,
)

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
    skip_idle(graph)
    for rewrite in (_narrow, _split, _join_rows, _join_sums, _keep_apart, _small_as_loops):
        rewrite(Additions(graph))
        sort(graph)
        graph.eliminate_dead_code()
    module.recompile()


# ---- the rewrites ------------------------------------------------------------------------------------------------


def _narrow(add: Additions) -> None:
    """Compute no columns of a product that nobody reads: a gradient of joined arrays of which some want none."""
    for product in products_in(add.graph):
        if product.target is not MM or len(product.users) != 1:
            continue
        (split,) = product.users
        if split.target not in SPLITS or arguments_of(split)[2:] not in ((1,), (-1,)):
            continue
        ends = [0]
        for part in split.meta["val"]:
            ends.append(ends[-1] + part.shape[1])
        read = [node for node in split.users if node.users]
        if len({arguments_of(node)[1] for node in read}) == len(ends) - 1:
            continue
        a, b = operands_of(product)
        for node in read:
            i = arguments_of(node)[1]
            node.replace_all_uses_with(add.new(MM, a, add.piece(b, 1, ends[i], ends[i + 1])))


def _split(add: Additions) -> None:
    """Take products with joined arrays apart where some of these are there for all steps of a network at once."""
    groups: dict[Any, list[Node]] = {}
    for product in products_in(add.graph):
        a, b = operands_of(product)
        if a.op == "call_function" and a.target is CAT and arguments_of(a)[1:] in ((1,), (-1,)):
            widths = tuple([shape_of(part)[1] for part in arguments_of(a)[0]])
            if shape_of(a)[0] <= _FEW_ROWS:
                groups.setdefault((b, widths), []).append(product)
    for (b, widths), members in groups.items():
        if len(members) < _WORTH_JOINING:
            continue
        depths = depths_in(add.graph, members)
        parts = {product: arguments_of(operands_of(product)[0])[0] for product in members}
        # By position among what is joined: on how many members it depends, one after the other.
        found = [{depths[parts[product][i]] for product in members} for i in range(len(widths))]
        if not any([2 * len(different) < len(members) for different in found]):
            continue
        for product in members:
            total: Any = None if product.target is MM else arguments_of(product)[0]
            start = 0
            for part, width in zip(parts[product], widths, strict=True):
                one = add.new(MM, part, add.piece(b, 0, start, start + width))
                total = one if total is None else add.new(ADD, total, one)
                start += width
            product.replace_all_uses_with(total)
        sort(add.graph)


def _join_rows(add: Additions) -> None:
    """Multiply a matrix once by all rows that do not follow from the products: those of all steps of a network."""
    groups: dict[Any, list[Node]] = {}
    for product in products_in(add.graph):
        a, b = operands_of(product)
        if shape_of(a)[0] <= _FEW_ROWS:
            groups.setdefault((b, shape_of(a)), []).append(product)
    for (b, (rows, _)), found in groups.items():
        for members in _independent(add.graph, found):
            whole = add.call(MM, add.joined([operands_of(product)[0] for product in members], 0), b)
            for i, product in enumerate(members):
                part = add.piece(whole, 0, i * rows, (i + 1) * rows)
                if product.target is ADDMM:
                    part = add.new(ADD, part, arguments_of(product)[0])
                product.replace_all_uses_with(part)
            sort(add.graph)


def _independent(graph: torch.fx.Graph, members: Sequence[Node]) -> Iterator[list[Node]]:
    """Those of `members` that do not depend on each other, where they are enough to be worth joining."""
    if len(members) < _WORTH_JOINING:
        return
    depths = depths_in(graph, members)
    groups: dict[int, list[Node]] = {}
    for node in members:
        groups.setdefault(depths[node], []).append(node)
    for group in groups.values():
        if len(group) >= _WORTH_JOINING:
            yield group


def _join_sums(add: Additions) -> None:
    """Compute a sum of products as one."""
    inner: set[Node] = set()
    for root in reversed(list(add.graph.nodes)):
        if not is_sum(root) or root in inner:
            continue
        terms: list[Node] = []
        stack = [root]
        while stack:
            node = stack.pop()
            if node is root or (is_sum(node) and len(node.users) == 1):
                inner.add(node)
                stack += reversed(arguments_of(node))
            else:
                terms.append(node)
        groups: dict[Any, list[tuple[Node, Node]]] = {}
        rest: list[Node] = []
        for term in terms:
            product = _product_in(term)
            if product is not None and _is_cheap(product):
                groups.setdefault((shape_of(product), value_of(product).dtype), []).append((term, product))
            else:
                rest.append(term)
        for members in groups.values():
            pairs = [operands_of(product) for _, product in members]
            if not _is_worth_joining(pairs):
                rest += [term for term, _ in members]
                continue
            whole = add.new(MM, *[add.joined([pair[i] for pair in pairs], 1 - i) for i in (0, 1)])
            if shape_of(whole) != shape_of(root):
                whole = add.call(VIEW, whole, list(shape_of(root)))
            rest.append(whole)
        if len(rest) < len(terms):
            total = rest[0]
            for term in rest[1:]:
                total = add.new(ADD, total, term)
            root.replace_all_uses_with(total)
            sort(add.graph)


def _product_in(term: Node) -> Node | None:
    """The product that a term of a sum is, maybe in another shape, where nothing else reads it."""
    while term.op == "call_function" and term.target in RESHAPES and len(term.users) == 1:
        term = arguments_of(term)[0]
    return term if is_product(term) and term.target is MM and len(term.users) == 1 else None


def _is_cheap(product: Node) -> bool:
    """Whether joining it to others takes less time than it saves: a call, and the way of a product through memory."""
    a, b = operands_of(product)
    (m, k), n = shape_of(a), shape_of(b)[1]
    return k * (m + n) <= max(_CHEAP_TO_COPY, m * n)


def _is_worth_joining(pairs: Sequence[tuple[Node, Node]]) -> bool:
    """Whether there are several, and they are no loops that are as fast each by itself."""
    multiplications = [value_of(a).numel() * shape_of(b)[1] for a, b in pairs]
    return len(pairs) > 1 and (max(multiplications) > _SMALL or sum(multiplications) >= _WORTH_A_CALL)


def _keep_apart(add: Additions) -> None:
    """Give results memory of their own: a part of a product would keep the whole in memory."""
    output = add.graph.output_node()
    changed: dict[Node, Node] = {}
    for result in output.all_input_nodes:
        source = result
        while source.op == "call_function" and source.target in SHOWING:
            is_part = source.target is SLICE
            source = arguments_of(source)[0]
            if is_part and is_product(source):
                changed[result] = add.copy(result)
    if changed:
        output.args = torch.fx.node.map_arg(output.args, lambda node: changed.get(node, node))


# ---- small products as loops -------------------------------------------------------------------------------------


def _small_as_loops(add: Additions) -> None:
    """Write the smallest products as loops among the others."""
    copies: dict[Node, Node] = {}
    for product in list(add.graph.nodes):
        if product.op != "call_function" or product.target not in (MM, BMM, ADDMM) or product.kwargs:
            continue
        a, b = operands_of(product)
        if not _is_small(value_of(a), value_of(b)):
            continue
        if not _is_in_order(value_of(b)) and len(b.users) >= _WORTH_JOINING:
            if b not in copies:
                copies[b] = _written(add, add.copy(b))
            b = copies[b]
        rows, columns = shape_of(a)[-2], shape_of(b)[-1]
        a, b = _in_memory(add, a, columns), _in_memory(add, b, rows)
        axis = len(shape_of(a)) - 1
        factors = add.call(aten.unsqueeze.default, a, axis + 1), add.call(aten.unsqueeze.default, b, axis - 1)
        total = add.new(aten.sum.dim_IntList, add.new(aten.mul.Tensor, *factors), [axis])
        if product.target is ADDMM:
            total = add.new(ADD, arguments_of(product)[0], total)
        product.replace_all_uses_with(total)


def _is_small(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.numel() * b.shape[-1] <= _SMALL and a.dtype in (torch.float32, torch.float64)


def _is_in_order(b: torch.Tensor) -> bool:
    """Whether a loop over columns goes through memory element by element."""
    return b.stride(-1) == 1 or b.shape[-1] == 1


def _in_memory(add: Additions, node: Node, reads: int) -> Node:
    """`node` such that the compiler does not compute its elements anew each time that one is read."""
    if node.op != "call_function" or reads <= _FEW_READS:
        return node
    source = transposed_of(node)
    if source is not None:
        return add.call(T, _in_memory(add, source, reads))
    if torch.Tag.pointwise not in getattr(node.target, "tags", ()) or not value_of(node).is_contiguous():
        return node
    return _written(add, node)


def _written(add: Additions, node: Node) -> Node:
    """`node`, which the compiler does write to memory: where strides are given, there must be some."""
    return add.call(aten.as_strided.default, node, list(shape_of(node)), list(value_of(node).stride()))
