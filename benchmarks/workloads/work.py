"""How much arithmetic a step of training takes, counted on the graph."""

from __future__ import annotations

import math

import nnabla as nn


def multiply_adds(function) -> int:
    """Of one forward through a layer; 0 for functions that are not bound by arithmetic."""
    shapes = [v.shape for v in function.inputs]
    output = math.prod(function.outputs[0].shape)
    match function.info.type_name:
        case "Convolution" | "DepthwiseConvolution":
            return output * math.prod(shapes[1][1:])
        case "Deconvolution":
            return math.prod(shapes[0]) * math.prod(shapes[1][1:])
        case "Affine":
            return output * shapes[1][0]
        case "BatchMatmul":
            return output * shapes[0][-2 if function.info.args["transpose_a"] else -1]
    return 0


def operations(root: nn.Variable, training: bool = True) -> int:
    """Floating point operations of the layers that lead to `root`, an addition and a multiplication counted as two.

    In training, each gradient that a layer has to compute takes as many as its forward.
    """
    total = 0

    def add(function) -> None:
        nonlocal total
        gradients = sum(v.need_grad for v in function.inputs[:2]) if training else 0
        total += 2 * multiply_adds(function) * (1 + gradients)

    root.visit(add)
    return total
