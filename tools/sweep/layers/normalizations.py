"""Normalizations. A large eps keeps them well-conditioned, whatever the number of samples."""

from __future__ import annotations

from typing import Any

from draw import Draw, product
from operators.arrays import distinct, normal, positive
from operators.case import Case, case
from operators.cases.normalization_more import normalization, spectral
from registry import layer

EPS = 0.1


def image(r: Draw) -> tuple[int, ...]:
    """A shape with at least two axes."""
    n = r.one_of(2, 3, 4, 4, 4, 5)
    shape = [r.batch(), r.channels(), *r.lengths(n - 2, 9)]
    while product(shape) > 30_000:
        shape[shape.index(max(shape))] //= 2
    return tuple(shape)


def along(shape: tuple[int, ...], axes: list[int]) -> tuple[int, ...]:
    """1 on all other axes."""
    return tuple([length if i in axes else 1 for i, length in enumerate(shape)])


def batch_normalization(r: Draw, function: str, nonlinear: bool = False) -> Case:
    x = image(r)
    axis = r.one_of(1, 1, 1, len(x) - 1, 0)
    parameters = along(x, [axis])
    args: dict[str, Any] = {"axes": [axis], "eps": EPS, "batch_stat": r.chance(0.7)}
    inputs = [normal(*x), normal(*parameters), positive(*parameters), normal(*parameters), positive(*parameters)]
    grad = [0, 1, 2]
    for i in (1, 2):
        if r.chance(0.15):
            inputs[i] = None
            grad.remove(i)
    if nonlinear:
        inputs.append(distinct(*x) if r.chance(0.5) else None)
        grad += [5] if inputs[5] else []
    elif args["batch_stat"] and r.chance(0.2):
        args["output_stat"] = True
    return case(function, *inputs, args=args, grad=tuple(grad), updates=(3, 4) if args["batch_stat"] else ())


@layer("batch_normalization", share=3)
def draw_batch(r: Draw) -> Case:
    return batch_normalization(r, "batch_normalization")


@layer("fused_batch_normalization", kinks=True)
def draw_fused_batch(r: Draw) -> Case:
    return batch_normalization(r, "fused_batch_normalization", nonlinear=True)


# The result of parts with one element is 0: what rounding leaves is compared with the smallest scale that there is.
OF_ONE_ELEMENT = 1e-3


@layer("layer_normalization", tolerance=OF_ONE_ELEMENT)
def draw_layer(r: Draw) -> Case:
    x = image(r)
    batch = r.axes_of(len(x))
    rest = [i for i in range(len(x)) if i not in batch]
    return normalization("layer_normalization", x, along(x, rest), _affine(r), _grad, batch_axis=batch, eps=EPS)


@layer("instance_normalization", tolerance=OF_ONE_ELEMENT)
def draw_instance(r: Draw) -> Case:
    x = image(r)
    return normalization("instance_normalization", x, along(x, [1]), _affine(r), _grad, eps=EPS)


@layer("group_normalization", tolerance=OF_ONE_ELEMENT)
def draw_group(r: Draw) -> Case:
    x = image(r)
    groups = r.choice([g for g in range(1, x[1] + 1) if x[1] % g == 0])
    return normalization("group_normalization", x, along(x, [1]), _affine(r), _grad, num_groups=groups, eps=EPS)


_grad = (0, 1, 2)


def _affine(r: Draw) -> str:
    return r.one_of("both", "both", "beta", "gamma", "none")


@layer("tensor_normalization", tolerance=OF_ONE_ELEMENT)
def draw_tensor(r: Draw) -> Case:
    x = image(r)
    return case("tensor_normalization", normal(*x), args={"axes": r.axes_of(len(x)), "eps": EPS})


@layer("weight_standardization")
def draw_weight_standardization(r: Draw) -> Case:
    w = image(r)
    return case("weight_standardization", normal(*w), args={"channel_axis": r.randrange(len(w)), "eps": EPS})


@layer("weight_normalization")
def draw_weight_normalization(r: Draw) -> Case:
    w = image(r)
    dim = r.randrange(len(w))
    return case("weight_normalization", normal(*w), positive(w[dim]), args={"dim": dim, "eps": EPS})


@layer("spectral_norm", tolerance=2e-3)
def draw_spectral(r: Draw) -> Case:
    w = image(r)
    dim = r.randrange(len(w))
    return spectral(w, (w[dim],), dim=dim, itr=r.randint(1, 3), eps=EPS)


@layer("norm_normalization")
def draw_norm(r: Draw) -> Case:
    # Near a norm of 0 derivatives are as large as one likes.
    x = image(r)
    return case("norm_normalization", positive(*x), args={"p": r.one_of(2, 2, 3), "axes": r.axes_of(len(x))})


@layer("mean_subtraction")
def draw_mean_subtraction(r: Draw) -> Case:
    x = image(r)
    base_axis = r.randint(1, len(x) - 1)
    return case(
        "mean_subtraction", normal(*x), normal(*x[base_axis:]), positive(1),
        args={"base_axis": base_axis}, grad=(0,), updates=(1, 2),
    )  # fmt: skip


@layer("softmax")
def draw_softmax(r: Draw) -> Case:
    x = image(r)
    return case(r.one_of("softmax", "log_softmax"), normal(*x), args={"axis": r.randrange(len(x))})
