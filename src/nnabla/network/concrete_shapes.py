"""Shapes of all variables of a described network for a size of the batch, and the functions that have met them."""

from __future__ import annotations

from typing import NamedTuple

from ..graph.operator import Operator, Shape, registry
from ..graph.setup import set_up, with_gaps
from ..graph.variable import Variable
from .proto_function import ProtoFunction
from .proto_network import ProtoNetwork


class ConcreteShapes(NamedTuple):
    """What `concrete_shapes` finds.

    Attributes:
        shapes: of all variables and parameters by name.
        operators: by the names of the functions, with their arguments as the shapes settle them; without those of
            types that are not registered.
    """

    shapes: dict[str, Shape]
    operators: dict[str, Operator]

    def declared_inputs(self, f: ProtoFunction) -> list[str | None]:
        """Names of the inputs of a function; ``None`` for each declared one that is not given."""
        operator = self.operators[str(f.name)]
        names: list[str | None] = list(f.inputs)
        return with_gaps(operator, names) if operator.present and not operator.declaration.variadic else names


def concrete_shapes(network: ProtoNetwork, batch_size: int | None) -> ConcreteShapes:
    """Work out the shapes of a network without loops; nothing is computed.

    Args:
        network: it is not changed.
        batch_size: put where a shape leaves it open; default as the network says, else 1.

    Raises:
        ValueError: inputs or arguments of a function do not fit.
    """
    given = network.batch_size if batch_size is None else batch_size
    shapes: dict[str, Shape] = {name: p.shape for name, p in network.parameters.items()}
    operators: dict[str, Operator] = {}
    for name in network.inputs:
        shape = network.variables[name].shape
        if any(d < 0 for d in shape) and given is None:
            given = 1
        shapes[name] = tuple([int(given or 1) if d < 0 else d for d in shape])
    for f in network.forward_sequence():
        if f.type not in registry:
            # What follows needs its shapes.
            found = [network._variable(name).shape for name in f.outputs]
            shapes.update({n: tuple([abs(d) for d in s]) for n, s in zip(f.outputs, found, strict=True)})
            continue
        operator = f._operator(f._with_batch(given))
        inputs = f._with_gaps([Variable(shapes[name]) for name in f.inputs])
        met = set_up(operator, inputs, [x for x in inputs if x is not None], len(f.outputs) or -1)
        operators[str(f.name)] = operator
        shapes.update(zip(f.outputs, met, strict=True))
    return ConcreteShapes(shapes, operators)
