"""Convolutions and products of matrices."""

from __future__ import annotations

import math
import string

from ...obstacles import Unsupported
from ...reading.graph_reader import GraphReader, Value
from .registry import Node, read, windows_of


@read("Conv")
def conv(r: GraphReader, n: Node, x: Value, weight: Value, bias: Value | None = None) -> Value:
    return convolved(r, n, x, weight, bias)


def convolved(
    r: GraphReader, n: Node, x: Value, weight: Value, bias: Value | None = None, border: float = 0.0
) -> Value:
    """A convolution as the attributes of a node say it."""
    kernel = _kernel(n, weight)
    windows = windows_of(n, x, kernel)
    pad = windows.before
    if not windows.symmetric or border:
        x, pad = windows.bordered(r, x, border), [0] * len(kernel)
    y: Value = r("Convolution", x, weight, bias, base_axis=1, pad=pad, stride=windows.strides,
                 dilation=windows.dilations, group=n.attr("group"))  # fmt: skip
    return y


def _kernel(n: Node, weight: Value) -> list[int]:
    kernel = list(weight.shape[2:])
    if n.attr("kernel_shape") not in (None, kernel):
        raise Unsupported(f"kernel_shape {n.attr('kernel_shape')[:9]} is not that of weights of shape {weight.shape}")
    return kernel


@read("ConvTranspose")
def conv_transpose(r: GraphReader, n: Node, x: Value, weight: Value, bias: Value | None = None) -> Value:
    kernel, group = _kernel(n, weight), n.attr("group")
    count = len(kernel)
    if x.rank != count + 2:
        raise Unsupported(f"weights of shape {weight.shape} do not fit to an array of {x.rank} axes")
    strides, dilations = n.attr("strides") or [1] * count, n.attr("dilations") or [1] * count
    extra, pads = n.attr("output_padding") or [0] * count, n.attr("pads") or [0] * 2 * count
    auto, wanted = n.attr("auto_pad"), n.attr("output_shape")
    if not len(strides) == len(dilations) == len(extra) == count or len(pads) != 2 * count:
        raise Unsupported(f"strides, dilations, output_padding and pads do not fit to {count} axes")
    if wanted is not None and len(wanted) == count + 2:
        wanted = wanted[2:]
    before, after = list(pads[:count]), list(pads[count:])
    full = [(d - 1) * s + (k - 1) * e + 1 for d, s, k, e in
            zip(x.shape[2:], strides, kernel, dilations, strict=True)]  # fmt: skip
    if wanted is None and auto in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [d * s for d, s in zip(x.shape[2:], strides, strict=True)]
    if wanted is not None:
        if len(wanted) != count:
            raise Unsupported(f"output_shape {wanted[:9]} does not fit to {count} axes")
        for i in range(count):
            total = full[i] + extra[i] - wanted[i]
            before[i] = total // 2 if auto == "SAME_UPPER" else total - total // 2
            after[i] = total - before[i]
    elif auto == "VALID":
        before = after = [0] * count
    plain = before == after and min(before) >= 0 and all(0 <= e < s for e, s in zip(extra, strides, strict=True))
    if plain:
        y: Value = r("Deconvolution", x, weight, bias, base_axis=1, pad=before, stride=strides, dilation=dilations,
                     group=group, output_padding=extra)  # fmt: skip
        return y
    y = r("Deconvolution", x, weight, base_axis=1, pad=[0] * count, stride=strides, dilation=dilations, group=group)
    lengths = [f + e - b - a for f, e, b, a in zip(full, extra, before, after, strict=True)]
    if min(lengths) < 1:
        raise Unsupported("nothing would be left of its result")
    more = [max(b + m - f, 0) for b, m, f in zip(before, lengths, full, strict=True)]
    y = r.pad(y, [0, 0, *[max(-b, 0) for b in before]], [0, 0, *more])
    starts = [max(b, 0) for b in before]
    y = r.cut(y, dict(enumerate([(b, b + m, 1) for b, m in zip(starts, lengths, strict=True)], 2)))
    return y if bias is None else r.add(y, r.reshape(bias, [1, *bias.shape, *[1] * count]))


@read("Gemm")
def gemm(r: GraphReader, n: Node, a: Value, b: Value, c: Value | None = None) -> Value:
    if a.rank != 2 or b.rank != 2:
        raise Unsupported(f"it multiplies matrices, not arrays of {a.rank} and {b.rank} axes")
    alpha, beta = n.attr("alpha"), n.attr("beta")
    a = r.transpose(a, [1, 0]) if n.attr("transA") else a
    b = r.transpose(b, [1, 0]) if n.attr("transB") else b
    if a.shape[1] != b.shape[0]:
        raise Unsupported(f"shapes {a.shape} and {b.shape} do not fit together")
    if alpha == beta == 1 and c is not None and c.rank and math.prod(c.shape) == c.shape[-1] == b.shape[1]:
        y: Value = r("Affine", a, b, r.reshape(c, [b.shape[1]]), base_axis=1)
        return y
    y = r.mul(r("Affine", a, b, base_axis=1), alpha)
    return y if c is None or not beta else r.add(y, r.mul(c, beta))


@read("MatMul")
def matmul(r: GraphReader, n: Node, a: Value, b: Value) -> Value:
    return multiplied(r, a, b)


def multiplied(r: GraphReader, a: Value, b: Value) -> Value:
    """The product of matrices, as NumPy's matmul."""
    if not a.rank or not b.rank:
        raise Unsupported("numbers are no matrices")
    left = r.reshape(a, [1, *a.shape]) if a.rank == 1 else a
    right = r.reshape(b, [*b.shape, 1]) if b.rank == 1 else b
    if left.shape[-1] != right.shape[-2]:
        raise Unsupported(f"shapes {a.shape} and {b.shape} do not fit together")
    if right.rank == 2:
        y: Value = r("Affine", left, right, base_axis=left.rank - 1)
    else:
        y = r("BatchMatmul", *r.same_rank(left, right))
    shape = [*y.shape]
    if b.rank == 1:
        shape.pop()
    if a.rank == 1:
        shape.pop(-1 if b.rank == 1 else -2)
    return r.reshape(y, shape)


@read("Einsum")
def einsum(r: GraphReader, n: Node, *xs: Value) -> Value:
    y: Value = r("Einsum", *xs, equation=_without_ellipsis(n.attr("equation"), [x.rank for x in xs]))
    return y


def _without_ellipsis(equation: str, ranks: list[int]) -> str:
    """An equation in which letters stand for the axes that ``...`` stood for."""
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise Unsupported(f"equation {equation!r} does not fit to {len(ranks)} inputs")
    free = [c for c in string.ascii_letters if c not in equation]
    wide = max(
        (rank - len(t.replace("...", "")) for t, rank in zip(terms, ranks, strict=True) if "..." in t), default=0
    )
    if wide < 0 or wide > len(free):
        raise Unsupported(f"equation {equation!r} does not fit to inputs of {ranks} axes")
    names = "".join(free[:wide])
    if not arrow:
        once = sorted(c for c in set(left) if c.isalpha() and left.count(c) == 1)
        right = ("..." if "..." in left else "") + "".join(once)
    filled = []
    for term, rank in zip(terms, ranks, strict=True):
        count = rank - len(term.replace("...", ""))
        filled.append(term.replace("...", names[wide - count :] if count else ""))
    return ",".join(filled) + "->" + right.replace("...", names)


@read("Det")
def det(r: GraphReader, n: Node, x: Value) -> Value:
    if x.rank < 2:
        raise Unsupported("it takes matrices")
    y = r("BatchDet", r.reshape(x, [math.prod(x.shape[:-2]), *x.shape[-2:]]))
    return r.reshape(y, x.shape[:-2])
