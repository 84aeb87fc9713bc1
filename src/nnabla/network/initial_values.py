"""Variables that there are none for when a described network is built: new parameters, inputs that are not given."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import parameter
from ..errors import ShapeError
from ..graph.modes import modes
from ..graph.variable import Variable
from ..initializer import ConstantInitializer
from .initializers import StoredInitializer
from .proto_variable import ProtoVariable, Shape

if TYPE_CHECKING:
    from .proto_graph import ProtoGraph

MOST_DRAWN = 1 << 30
"""Elements that an initializer may be asked for: 4 GiB."""


class InitialValues:
    """Makes Variables, and draws their values when the ``with`` block ends: once the network is built.

    A description whose shapes do not fit together so takes no memory. After an error no parameter is registered that
    was not there before.

    Args:
        graph: holds the parameters.
        at_once: draw each when it is made, for networks that are computed while they are built.
    """

    def __init__(self, graph: ProtoGraph, at_once: bool = False) -> None:
        self._graph = graph
        self._at_once = at_once or modes.auto_forward
        self._waiting: list[tuple[Variable, Callable[..., Any]]] = []
        self._registered: list[str] = []

    def __enter__(self) -> InitialValues:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        try:
            if kind is None:
                for variable, initializer in self._waiting:
                    _draw(variable, initializer)
                self._registered.clear()
        finally:
            with parameter.parameter_scope("", self._graph.parameter_scope):
                for name in self._registered:
                    parameter.pop_parameter(name)

    def parameter(self, described: ProtoVariable) -> Variable:
        """The parameter of the graph with that name; a new one, if it is not there.

        Raises:
            ValueError: it is not there and has no initializer; or it would be larger than any.
            ShapeError: it has another shape.
        """
        name = str(described.name)
        found = self._graph._parameter(name)
        if found is None:
            if described.initializer is None:
                raise ValueError(f"parameter {name!r} has no values; set it with set_parameter")
            found = self._made(described, described.shape, "parameter")
            self._graph.set_parameter(name, found)
            self._registered.append(name)
        check_shape(described, found)
        return found

    def input(self, described: ProtoVariable, network: str, batch_size: int | None) -> Variable:
        """A new Variable for an input.

        Raises:
            ValueError: it leaves the size of the batch open, and there is none; or it would be larger than any.
        """
        shape: Shape = described.shape
        if any(length < 1 for length in shape):
            if batch_size is None:
                raise ValueError(
                    f"network {network!r}: input {described.name!r} has shape {shape}; give batch_size, or the input"
                )
            shape = tuple([batch_size if length < 1 else length for length in shape])
        if described.initializer is None:
            return Variable(shape, need_grad=described.need_grad or None)
        return self._made(described, shape, "input")

    def _made(self, described: ProtoVariable, shape: Shape, what: str) -> Variable:
        if any(length < 0 for length in shape) or math.prod(shape) > MOST_DRAWN:
            raise ValueError(f"{what} {described.name!r} of shape {shape} cannot be initialized")
        variable = Variable(shape, need_grad=described.need_grad or None)
        variable.need_grad = described.need_grad
        assert described.initializer is not None
        if self._at_once:
            _draw(variable, described.initializer)
        else:
            self._waiting.append((variable, described.initializer))
        return variable


def _draw(variable: Variable, initializer: Callable[..., Any]) -> None:
    constant = initializer.value if isinstance(initializer, ConstantInitializer) else None
    if isinstance(initializer, StoredInitializer):
        constant = initializer.constant
    if constant is not None:
        variable.data.fill(constant)
        return
    values = np.asarray(initializer(shape=variable.shape))
    if values.shape != variable.shape:
        raise ShapeError(f"an initializer gave values of shape {values.shape}, not {variable.shape}")
    variable.data._adopt(values)


def check_shape(described: ProtoVariable, param: Variable) -> None:
    """See to it that a parameter has the shape that a network describes.

    Raises:
        ShapeError: it has another one.
    """
    if param.shape != described.shape:
        raise ShapeError(f"parameter {described.name!r} must have shape {described.shape}, not {param.shape}")
