"""Fully connected layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import functions as F
from ...graph.variable import Variable
from ..argument_docs import describe_arguments
from ..layers import Initializer, bias_or_none, glorot, weight
from .module import Module, check_sizes, fresh_scope


@describe_arguments()
class Affine(Module):
    """Fully connected layer; see `nnabla.functions.affine`.

    Args:
        n_inmaps: number of input features.
        n_outmaps: number of output features; of several numbers, the product.

    Attributes:
        W: weight, shape ``(n_inmaps, n_outmaps)``.
        b: bias, shape ``(n_outmaps,)``, or None.

    Raises:
        ArgumentError: `n_inmaps` or `n_outmaps` is not an integer of at least 1.
        ShapeError: `w_init` or `b_init` is an array of another shape.
    """

    W: Variable
    b: Variable | None

    def __init__(
        self,
        n_inmaps: int,
        n_outmaps: int | Sequence[int],
        base_axis: int = 1,
        w_init: Initializer = None,
        b_init: Initializer = None,
        fix_parameters: bool = False,
        rng: np.random.RandomState | None = None,
        with_bias: bool = True,
    ) -> None:
        outmaps = math.prod(n_outmaps) if isinstance(n_outmaps, Sequence) else n_outmaps
        check_sizes("Affine", n_inmaps=n_inmaps, n_outmaps=outmaps)
        with fresh_scope():
            self.W = weight("W", (n_inmaps, outmaps), glorot(w_init, n_inmaps, outmaps, rng=rng), fix_parameters, None)
            self.b = bias_or_none(with_bias, (outmaps,), b_init, fix_parameters, None)
        self.base_axis = base_axis

    def __call__(self, inp: Any) -> Variable:
        """Shape ``(M_1, ..., M_B, D_1, ..., D_N)`` to ``(M_1, ..., M_B, n_outmaps)``, with ``B = base_axis``."""
        return F.affine(inp, self.W, self.b, self.base_axis)


Linear = Affine
