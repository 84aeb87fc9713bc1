"""Leaving the size of the batch open in a described network, so that it can be run with another one."""

from __future__ import annotations

import math
from typing import Any

from ..errors import ArgumentError, ShapeError
from ..logger import logger
from .loops import has_loops
from .proto_variable import PARAMETER

Shape = tuple[int, ...]

OPEN = -1
"""What stands for the size of the batch."""

# By argument `shape`, functions of inputs that give them another shape.
_SHAPING = ("Reshape", "Broadcast")


class _Merged(Exception):
    """A function puts samples of the batch together."""


def batch_of(network: Any) -> int | None:
    """The size of the batch: the first axis of what the first function with a `base_axis` reads.

    None for a network without such a function, where nothing says which axis is the batch.
    """
    for function in network.forward_sequence():
        if not function.args.get("base_axis") or not function.inputs:
            continue
        source = network._variable(function.inputs[0])
        if source.type != PARAMETER and source.shape and source.shape[0] > 0:
            return int(source.shape[0])
    return None


def variable_batch_size(network: Any) -> None:
    """Put -1 for the size of the batch in the shapes of a described network, and in arguments that repeat it.

    An axis is the batch's if it follows from the shapes of the inputs: they are worked out for another size of the
    batch. The inputs whose first axis has the size of `batch_of` are the batch's. A network in which nothing says what
    the batch is stays as it is, and so does, with a warning, one in which a Reshape puts samples together.

    Args:
        network: a `ProtoNetwork`, which is changed.
    """
    if has_loops(network) or any(OPEN in network.variables[name].shape for name in network.inputs):
        return
    batch = batch_of(network)
    if batch is None:
        return
    if network.batch_size is None:
        network.batch_size = batch
    try:
        found = min((_Trial(network, batch, sources) for sources in (False, True)), key=lambda t: t.failures)
    except _Merged as error:
        logger.warning(
            "network %r keeps its batch size %d: %s puts samples of the batch together", network.name, batch, error
        )
        return
    for name, variable in network.variables.items():
        if found.follows(name, variable.shape):
            variable.shape = (OPEN, *variable.shape[1:])
    for name, args in found.args.items():
        network.functions[name].args = args


class _Trial:
    """The shapes of a network for another size of the batch.

    Args:
        network: described.
        batch: the size that it is described with.
        sources: whether arrays that are made from nothing (constants, random numbers) follow the batch where their
            first axis has its size.

    Attributes:
        failures: how many functions have no result then.
        args: of functions that repeat the size of the batch, with that left open.
    """

    def __init__(self, network: Any, batch: int, sources: bool) -> None:
        self.network = network
        self.batch = batch
        self.other = batch + 1
        self.sources = sources
        self.failures = 0
        self.args: dict[str, dict[str, Any]] = {}
        self.shapes: dict[str, Shape] = {name: p.shape for name, p in network.parameters.items()}
        for name in network.inputs:
            self.shapes[name] = self._guess(network.variables[name].shape)
        for function in network.forward_sequence():
            self._run(function)

    def follows(self, name: str, shape: Shape) -> bool:
        """Whether the first axis of a variable is the batch."""
        return bool(shape) and shape[0] == self.batch and self.shapes[name][:1] == (self.other,)

    def _guess(self, shape: Shape) -> Shape:
        return (self.other, *shape[1:]) if shape and shape[0] == self.batch else shape

    def _run(self, function: Any) -> None:
        inputs = [self.shapes[name] for name in function.inputs]
        try:
            shapes = function.output_shapes(inputs, self._args(function, inputs))
        except (ShapeError, ArgumentError, TypeError, ValueError):
            shapes = []
        # A Split along the batch has one output for each sample.
        if len(shapes) != len(function.outputs):
            self.failures += 1
            shapes = [self._guess(self.network._variable(name).shape) for name in function.outputs]
        self.shapes.update(zip(function.outputs, shapes, strict=True))

    def _args(self, function: Any, inputs: list[Shape]) -> dict[str, Any]:
        """The arguments for the other size; those that repeat the batch are noted."""
        args: dict[str, Any] = function.args
        shape = args.get("shape")
        if shape and (function.type in _SHAPING or not inputs):
            wider = [self.other, *shape[1:]]
            if self._repeats(function, list(shape), wider, inputs):
                self.args[function.name] = args | {"shape": [OPEN, *shape[1:]]}
                return args | {"shape": wider}
        elif function.type == "Slice" and inputs[0][:1] == (self.other,) and self._takes_all(args):
            args = args | {"stop": [None, *args["stop"][1:]]}
            self.args[function.name] = args
        return args

    def _repeats(self, function: Any, shape: list[int], wider: list[int], inputs: list[Shape]) -> bool:
        """Whether the first number of an argument `shape` is the batch's.

        Raises:
            _Merged: neither that nor any other number of it can stay.
        """
        if not inputs:
            return self.sources and shape[0] == self.batch
        if function.type == "Broadcast":
            return (shape[0] == self.batch and inputs[0][:1] != (1,) and inputs[0][:1] != (self.batch,)) or (
                shape[0] == self.batch and self._depends(function)
            )
        size = math.prod(inputs[0])
        if shape[0] == self.batch and math.prod(wider) == size:
            return True
        if math.prod(shape) != size and -1 not in shape:
            raise _Merged(function.name)
        return False

    def _depends(self, function: Any) -> bool:
        """Whether a function reads, directly or not, an input of the network."""
        waiting, seen = list(function.inputs), set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            variable = self.network._variable(name)
            if variable.parent is not None:
                waiting.extend(self.network.functions[variable.parent].inputs)
            elif variable.type != PARAMETER:
                return True
        return False

    def _takes_all(self, args: dict[str, Any]) -> bool:
        first = [args.get(name) or [None] for name in ("start", "stop", "step")]
        return [each[0] for each in first] == [0, self.batch, 1]
