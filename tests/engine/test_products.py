"""Products of matrices in graphs that are compiled: fewer of them, and the same results."""

from __future__ import annotations

import pytest
import torch

from nnabla.engine.inductor import traced

_aten = torch.ops.aten
_PRODUCTS = (_aten.mm.default, _aten.addmm.default, _aten.bmm.default)


def rand(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """The same for the same shape."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype) - 0.5


def products(graph: torch.fx.GraphModule) -> list[torch.fx.Node]:
    return [node for node in graph.graph.nodes if node.op == "call_function" and node.target in _PRODUCTS]


def rewritten(function, *tensors: torch.Tensor) -> torch.fx.GraphModule:
    """The graph of a function, which computes the same on other values."""
    graph = traced(function, tensors)
    others = [tensor * 0.5 + 0.1 for tensor in tensors]
    results = graph(*others)
    for ours, expected in zip(results, function(*others), strict=True):
        assert ours.shape == expected.shape
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)
    storages = [result.untyped_storage().data_ptr() for result in results]
    assert len(set(storages)) == len(storages)
    return graph


def states(w, u, b, *xs):
    """Of a recurrent network."""
    found = []
    h = xs[0] * 0
    for x in xs:
        h = torch.tanh(torch.addmm(b, x, w) + h.mm(u))
        found.append(h)
    return found


def test_what_is_known_for_all_steps_is_multiplied_at_once():
    tensors = rand(40, 40), rand(40, 40), rand(40), *[rand(30, 40) + i for i in range(6)]
    graph = rewritten(states, *tensors)
    assert sorted(node.meta["val"].shape[0] for node in products(graph)) == [30] * 6 + [180]


def test_two_layers_are_multiplied_one_after_the_other():
    def two(w, u, b, *xs):
        return states(w, u, b, *states(w + 1, u, b, *xs))

    tensors = rand(40, 40), rand(40, 40), rand(40), *[rand(30, 40) + i for i in range(4)]
    graph = rewritten(two, *tensors)
    assert sorted(node.meta["val"].shape[0] for node in products(graph)) == [30] * 8 + [120] * 2


def test_layers_that_follow_from_each_other_stay_apart():
    def chain(w, x):
        for _ in range(5):
            x = torch.tanh(x.mm(w))
        return [x]

    assert len(products(rewritten(chain, rand(40, 40), rand(30, 40)))) == 5


def test_joined_arrays_are_taken_apart_where_some_are_known_for_all_steps():
    def cells(w, *xs):
        h = xs[0][:, :30] * 0
        for x in xs:
            h = torch.tanh(torch.cat([x, h], 1).mm(w))
        return [h]

    graph = rewritten(cells, rand(70, 30), *[rand(20, 40) + i for i in range(5)])
    assert sorted(node.meta["val"].shape[0] for node in products(graph)) == [20] * 5 + [100]


def test_joined_arrays_that_all_follow_from_each_other_stay_joined():
    def cells(w, x):
        h = x
        for _ in range(4):
            h = torch.tanh(torch.cat([h, h * 2], 1).mm(w))
        return [h]

    assert len(products(rewritten(cells, rand(80, 40), rand(30, 40)))) == 4


def test_columns_that_nobody_reads_are_not_computed():
    def part(a, b):
        return [a.mm(b.t()).split_with_sizes([10, 30, 24], 1)[1] * 2]

    (product,) = products(rewritten(part, rand(50, 40), rand(64, 40)))
    assert product.meta["val"].shape == (50, 30)

    def whole(a, b):
        x, y = a.mm(b).split_with_sizes([40, 24], 1)
        return [x * 2, y * 3]

    (product,) = products(rewritten(whole, rand(50, 40), rand(40, 64)))
    assert product.meta["val"].shape == (50, 64)


@pytest.mark.parametrize("shape", [(40, 30), (40, 5, 6)])
def test_a_sum_of_products_is_one(shape):
    def weight_gradient(*tensors):
        total = tensors[-1]
        for x, dy in zip(tensors[:-1:2], tensors[1:-1:2], strict=True):
            total = total + x.t().mm(dy).view(shape)
        return [total]

    pairs = [tensor + i for i in range(6) for tensor in (rand(20, 40), rand(20, 30))]
    (product,) = products(rewritten(weight_gradient, *pairs, rand(*shape)))
    a, b = (node.meta["val"] for node in product.args)
    assert (a.shape, b.shape) == ((40, 120), (120, 30))


def test_products_that_others_read_too_or_that_are_large_stay_apart():
    def read_twice(a, b, c, d):
        x, y = a.mm(b), c.mm(d)
        return [x + y, x * 2, y * 3]

    assert len(products(rewritten(read_twice, rand(40, 40), rand(40, 50), rand(40, 30), rand(30, 50)))) == 2

    def large(a, b, c, d):
        return [a.mm(b) + c.mm(d)]

    matrix = rand(40, 40), rand(40, 50), rand(40, 30), rand(30, 50)
    assert len(products(rewritten(large, *matrix))) == 1
    assert len(products(traced(large, [torch.empty(100, 500), torch.empty(500, 60)] * 2))) == 2


def test_a_product_that_is_added_to_itself_counts_twice():
    def twice(a, b):
        x = a.mm(b)
        return [x + x]

    rewritten(twice, rand(40, 40), rand(40, 50))


def test_the_smallest_are_loops():
    def small(a, b, c):
        return [a.mm(b), torch.addmm(c, a, b), a.mm(c.expand(5, 5)), torch.bmm(a[None] * 2, b[None])]

    assert not products(rewritten(small, rand(4, 5), rand(5, 5), rand(5)))

    def steps(w, x):
        for _ in range(3):
            x = torch.tanh(x * 2).mm(w.t())
        return [x]

    graph = rewritten(steps, rand(12, 12), rand(10, 12))
    assert not products(graph)
    # The weights are brought in order once, and what is multiplied is written to memory.
    targets = [node.target for node in graph.graph.nodes]
    assert targets.count(_aten.clone.default) == 1
    assert targets.count(_aten.as_strided.default) == 4


def test_calls_that_write_to_what_was_computed_do_not_matter():
    def network(w, *xs):
        found = []
        for x in xs:
            x = x * 2
            y = x.mm(w)
            x.add_(1)
            found.append(y + x.mm(w))
        return found

    (product,) = products(rewritten(network, rand(40, 40), *[rand(30, 40) + i for i in range(4)]))
    assert product.meta["val"].shape == (240, 40)


def test_calls_that_write_to_what_is_given_stay_in_their_order():
    def network(w, *xs):
        found = [x.mm(w) for x in xs]
        w.add_(1)
        return [*found, *[x.mm(w) for x in xs]]

    tensors = rand(40, 40), *[rand(30, 40) + i for i in range(4)]
    graph = traced(network, tensors)
    assert len(products(graph)) == 8
    ours, expected = (f(*[tensor.clone() for tensor in tensors]) for f in (graph, network))
    for found, wanted in zip(ours, expected, strict=True):
        torch.testing.assert_close(found, wanted)
