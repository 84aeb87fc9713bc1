"""Table of vectors."""

from __future__ import annotations

import math
from typing import Any

from ... import functions as F
from ...graph.variable import Variable
from ...initializer import UniformInitializer
from ..argument_docs import describe_arguments
from ..layers import Initializer, weight
from .module import Module, check_sizes, fresh_scope


@describe_arguments()
class Embed(Module):
    """Rows of a table that is learned; see `nnabla.functions.embed`.

    The constructor of NNabla 1.39 fails with a NameError; this is the class that its reference describes.

    Args:
        n_inputs: number of rows.
        n_features: length of a row.
        w_init: initializer or array for the table; default uniform in ``[-sqrt(3), sqrt(3))``, variance 1.

    Attributes:
        W: table, shape ``(n_inputs, n_features)``.

    Raises:
        ArgumentError: `n_inputs` or `n_features` is not an integer of at least 1.
        ShapeError: `w_init` is an array of another shape.
    """

    W: Variable

    def __init__(
        self, n_inputs: int, n_features: int, w_init: Initializer = None, fix_parameters: bool = False
    ) -> None:
        check_sizes("Embed", n_inputs=n_inputs, n_features=n_features)
        if w_init is None:
            w_init = UniformInitializer((-math.sqrt(3), math.sqrt(3)))
        with fresh_scope():
            self.W = weight("W", (n_inputs, n_features), w_init, fix_parameters, None)

    def __call__(self, inp: Any) -> Variable:
        """Indices in ``[0, n_inputs)`` of any shape to the shape of `inp` followed by ``n_features``."""
        return F.embed(inp, self.W)
