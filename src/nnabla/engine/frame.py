"""Frames: what the numbered steps of a plan work on in one graph, and the recipe that finds it there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graph.function import Function
from .steps import CastSlot, Frame, LeafSlot

# Where an entry comes from; `position` is that of a function, `i` an index into its outputs or inputs.
ARRAY = 0  # data of an output
OUTPUT_GRAD = 1  # gradient of an output
INPUT_GRAD = 2  # gradient of an input
INPUT_ARRAY = 3  # data of an input
INPUT_BUFFERS = 4  # both of an input; the gradient is created now, so that no step has to check
LEAF = 5  # an input that no function made; `more` is the type, the device and the kind that it is read as
KERNEL = 6  # what `more` returns for the function
OPERATOR = 7
SLOT = 8  # a tensor that no array has
CONSTANT = 9  # `more`, in every graph
CALL = 10  # what `more` returns for all functions and the entries so far

# (source, position, i, more)
Entry = tuple[int, int, int, Any]


def make_frame(recipe: Sequence[Entry], order: Sequence[Function]) -> Frame:
    """The frame of the graph of the functions in `order`."""
    frame: Frame = []
    append = frame.append
    for source, position, i, more in recipe:
        if source == ARRAY:
            append(order[position]._outputs[i].data)
        elif source == OUTPUT_GRAD:
            append(order[position]._outputs[i].grad)
        elif source == LEAF:
            append(LeafSlot(order[position]._inputs[i]._buffers, *more))
        elif source == KERNEL:
            append(more(order[position]))
        elif source == INPUT_BUFFERS:
            buffers = order[position]._inputs[i]._buffers
            if buffers._grad is None:
                buffers.grad  # noqa: B018
            append(buffers)
        elif source == INPUT_GRAD:
            append(order[position]._inputs[i]._buffers.grad)
        elif source == OPERATOR:
            append(order[position]._operator)
        elif source == CONSTANT:
            append(more)
        elif source == SLOT:
            append(CastSlot())
        elif source == INPUT_ARRAY:
            append(order[position]._inputs[i]._buffers.data)
        else:
            append(more(order, frame))
    return frame
