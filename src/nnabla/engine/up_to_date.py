"""Graphs brought up to date: shapes of outputs, and which functions have a gradient, after inputs have changed."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.epoch import advance
from ..graph.function import Function
from ..graph.setup import output_shapes


def setup_again(order: Sequence[Function]) -> None:
    """Update the shapes of outputs where an input has changed its shape since the function was created."""
    for function in order:
        shapes = tuple([v.shape for v in function._inputs])
        if shapes != function._setup_shapes:
            found = output_shapes(function._operator, function._inputs)
            for buffers, shape in zip(function._outputs, found, strict=True):
                if buffers.data._shape != shape:
                    buffers.resize(shape)
                    advance()
            function._setup_shapes = shapes


def inherit_need_grad(order: Sequence[Function]) -> None:
    """Work out from the flags of the inputs which functions have a gradient to compute."""
    for function in order:
        outputs = [v for ref in function._output_refs if (v := ref()) is not None]
        needs = (
            function._operator.differentiable
            and any([v.need_grad for v in function._inputs])
            and any([v._need_grad is not False for v in outputs])
        )
        function._needs_grad = needs
        for variable in outputs:
            variable._inherited_need_grad = needs
