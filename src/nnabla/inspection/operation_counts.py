"""How many floating point operations functions take: the multiplications and additions of products of arrays.

Counted are functions whose work is such products: layers, convolutions, recurrent networks. A multiplication and the
addition after it are two operations, as peak rates of processors have it. What other functions do is bounded by the
memory and not counted, as usual in papers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..graph.function import Function

# From the shapes of inputs and outputs, and the arguments.
_Rule = Callable[[list[Any], list[Any], dict[str, Any]], int]


def _affine(xs: list[Any], ys: list[Any], args: dict[str, Any]) -> int:
    return 2 * math.prod(ys[0]) * xs[1][0]


def _convolution(xs: list[Any], ys: list[Any], args: dict[str, Any]) -> int:
    """Each element of the output is a sum over a filter."""
    return 2 * math.prod(ys[0]) * math.prod(xs[1][1:])


def _deconvolution(xs: list[Any], ys: list[Any], args: dict[str, Any]) -> int:
    """Each element of the input is added to a filter's worth of outputs."""
    return 2 * math.prod(xs[0]) * math.prod(xs[1][1:])


def _batch_matmul(xs: list[Any], ys: list[Any], args: dict[str, Any]) -> int:
    return 2 * math.prod(ys[0]) * xs[0][-2 if args["transpose_a"] else -1]


def _einsum(xs: list[Any], ys: list[Any], args: dict[str, Any]) -> int:
    """Of two arrays; more are contracted in an order that is torch's own."""
    terms = args["equation"].replace(" ", "").partition("->")[0].split(",")
    if len(xs) != 2 or "." in args["equation"]:
        return 0
    lengths = {letter: n for term, shape in zip(terms, xs, strict=True) for letter, n in zip(term, shape, strict=True)}
    return 2 * math.prod(lengths.values())


def _recurrent(gates: int) -> _Rule:
    def count(xs: list[Any], ys: list[Any], args: dict[str, Any]) -> int:
        (time, batch, features), hidden = xs[0], xs[1][-1]
        directions = 2 if args["bidirectional"] else 1
        below = [features] + [directions * hidden] * (args["num_layers"] - 1)
        return sum(2 * time * batch * directions * gates * hidden * (n + hidden) for n in below)

    return count


_RULES: dict[str, _Rule] = {
    **dict.fromkeys(("Affine", "BinaryConnectAffine", "BinaryWeightAffine", "INQAffine"), _affine),
    **dict.fromkeys(("Convolution", "BinaryConnectConvolution", "BinaryWeightConvolution"), _convolution),
    **dict.fromkeys(("INQConvolution", "FusedConvolution", "DeformableConvolution"), _convolution),
    "DepthwiseConvolution": _convolution,
    **dict.fromkeys(("Deconvolution", "DepthwiseDeconvolution"), _deconvolution),
    "BatchMatmul": _batch_matmul,
    "Einsum": _einsum,
    "RNN": _recurrent(1),
    "LSTM": _recurrent(4),
    "GRU": _recurrent(3),
}

# Which inputs the products are made of.
_FACTORS = {"RNN": (0, 2), "GRU": (0, 2), "LSTM": (0, 3)}


def forward_operations(function: Function) -> int:
    """Operations of a forward of `function`; 0 if they are not counted.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> y = F.affine(nn.Variable((8, 3)), nn.Variable((3, 5)))
        >>> forward_operations(y.parent)  # 8 * 5 sums of 3 products
        240
    """
    rule = _RULES.get(function.info.type_name)
    if rule is None:
        return 0
    return rule([v.shape for v in function.inputs], [v.shape for v in function.outputs], function.info.args)


def backward_operations(function: Function) -> int:
    """Operations of the gradients of `function`: for each factor that wants one, as many as in forward."""
    factors = _FACTORS.get(function.info.type_name, (0, 1))
    inputs = function.inputs
    return forward_operations(function) * sum(inputs[i].need_grad for i in factors if i < len(inputs))
