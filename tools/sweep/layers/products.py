"""Layers that are products of matrices, and tables."""

from __future__ import annotations

from draw import Draw, product
from operators.arrays import integers, normal, positive
from operators.case import Case, case
from operators.cases.quantization import binary_affine, incremental
from registry import layer


def matrices(r: Draw) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Shapes of x and the weight of an affine layer, and base_axis."""
    base_axis = r.randint(0, 3)
    batch, features = r.shape(base_axis, 300), r.shape(r.one_of(1, 1, 2, 3), 300)
    return (*batch, *features), (product(features), *r.shape(r.one_of(1, 1, 1, 2), 70)), base_axis


@layer("affine", share=3)
def draw_affine(r: Draw) -> Case:
    x, w, base_axis = matrices(r)
    bias = normal(*w[1:]) if r.chance(0.5) else None
    return case("affine", normal(*x), normal(*w), bias, args={"base_axis": base_axis})


@layer("binary_connect_affine", kinks=True)
def draw_binary_connect(r: Draw) -> Case:
    x, w, base_axis = matrices(r)
    return binary_affine(x, w, False, r.chance(0.5), base_axis=base_axis)


@layer("binary_weight_affine", kinks=True)
def draw_binary_weight(r: Draw) -> Case:
    x, w, base_axis = matrices(r)
    return binary_affine(x, w, True, r.chance(0.5), base_axis=base_axis)


@layer("inq_affine", kinks=True)
def draw_inq(r: Draw) -> Case:
    x, w, base_axis = matrices(r)
    return incremental("inq_affine", x, w[:2], r.chance(0.5), r.chance(0.5), base_axis=base_axis, inq_iterations=(0, 1))


@layer("batch_matmul", share=2)
def draw_batch_matmul(r: Draw) -> Case:
    batch = r.shape(r.randint(1, 3), 24)
    m, k, n = (r.one_of(1, 2, 3, r.randint(1, 20), r.randint(1, 70)) for _ in range(3))
    turn_a, turn_b = r.chance(0.5), r.chance(0.5)
    a = tuple([1 if r.chance(0.15) else length for length in batch])
    b = tuple([1 if r.chance(0.15) else length for length in batch])
    return case(
        "batch_matmul",
        normal(*a, *((k, m) if turn_a else (m, k))),
        normal(*b, *((n, k) if turn_b else (k, n))),
        args={"transpose_a": turn_a, "transpose_b": turn_b},
    )


@layer("einsum")
def draw_einsum(r: Draw) -> Case:
    sizes = {letter: r.one_of(1, 2, 3, r.randint(1, 9), r.randint(1, 20)) for letter in "bijkl"}
    a, b = r.one_of(("bij", "bjk"), ("ij", "jk"), ("bijk", "bkl"), ("ij", "ik"), ("bi", "bi"), ("bikj", "jl"))
    letters = sorted(set(a + b))
    kept = r.sample(letters, r.randint(0, min(4, len(letters))))
    shapes = [[sizes[letter] for letter in index] for index in (a, b)]
    return case("einsum", *[normal(*s) for s in shapes], args={"equation": f"{a},{b}->{''.join(kept)}"})


@layer("multi_head_attention")
def draw_attention(r: Draw) -> Case:
    target, source, batch, heads = r.length(9), r.length(9), r.one_of(1, 2, 3, 5), r.one_of(1, 2, 3)
    features = [r.channels(17) for _ in range(3)]
    e, ev, out = (heads * r.channels(9) for _ in range(3))
    key, value = (source, batch, features[1]), (source, batch, features[2])
    inputs = [normal(target, batch, features[0]), normal(*key), normal(*value)]
    weights = [normal(f, size, scale=0.3) for f, size in zip(features, (e, e, ev), strict=True)]
    biases = [normal(e), normal(e), normal(ev), normal(out)] if r.chance(0.5) else []
    return case(
        "multi_head_attention", *inputs, *weights, normal(ev, out, scale=0.3), *biases, args={"num_heads": heads}
    )


@layer("embed")
def draw_embed(r: Draw) -> Case:
    rows = r.one_of(1, 2, 5, 40)
    return case(
        "embed", integers(*r.shape(r.randint(0, 3), 60), high=rows), normal(rows, *r.shape(r.randint(0, 2), 60))
    )


@layer("prelu", kinks=True)
def draw_prelu(r: Draw) -> Case:
    x = r.shape(r.randint(2, 5))
    return case("prelu", normal(*x), positive(*r.one_of((), (x[1],))), args={"base_axis": 1})
