"""From a described network to the bytes of a TFLite model."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import FormatError
from ...network import ProtoNetwork
from ..nnb.lowering import lower
from ..nnb.runtime_network import RuntimeNetwork, Unsupported
from . import window_rules  # noqa: F401  (enters its rules)
from .flat_graph import FlatGraph, Operation
from .flat_model import to_bytes
from .rules import RULES


def to_tflite(
    network: ProtoNetwork,
    batch_size: int | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> bytes:
    """Write a network, with its parameters, as a TFLite model of float32.

    Inputs and outputs keep their names, order and shapes, with the channels where the network has them. Functions are
    those that are written for the C runtime (`nnabla.converters.nnb`), and windows have one or two axes.

    Args:
        network: with values for its parameters. It is not changed.
        batch_size: put where shapes leave it open; default as the network says, else 1.
        inputs, outputs: names in their order; default those of the network.

    Raises:
        ArgumentError: an argument is not possible.
        FormatError: functions or arguments that cannot be written; the message names them all.
        ValueError: a parameter has no values.
    """
    return written(lower(network, batch_size, inputs, outputs))


def written(network: RuntimeNetwork) -> bytes:
    """A network of functions of the runtime as a model.

    Raises:
        FormatError: functions that cannot be written; the message names them all.
    """
    if network.types:
        raise FormatError(
            f"network {network.name!r} cannot be written as TFLite: values are rounded by QuantizeLinear, and all that "
            "is written has float32"
        )
    g = FlatGraph()
    places = {name: g.add(network.shapes[name], name) for name in network.inputs}
    for name, values in network.values.items():
        # Of a few weights that nothing reads, only the first value is there.
        whole = values.size == network.size(name)
        places[name] = g.constant(values.reshape(network.shapes[name]) if whole else values)
    obstacles = []
    for step in network.steps:
        shapes = [network.shapes[name] for name in step.outputs]
        try:
            if step.type not in RULES:
                raise Unsupported("no rule writes this function as TFLite")
            found = RULES[step.type](g, step, shapes, *[places[name] for name in step.inputs])
        except Unsupported as reason:
            obstacles.append(f"{step.type} {step.name!r}: {reason}")
            found = [g.add(shape) for shape in shapes]
        for name, result in zip(step.outputs, found if isinstance(found, list) else [found], strict=True):
            places[name] = result
    if obstacles:
        lines = "".join([f"\n  {line}" for line in obstacles])
        raise FormatError(f"network {network.name!r} cannot be written as TFLite:{lines}")
    results = _named_outputs(g, network, places)
    _prune(g, results)
    return to_bytes(g, [places[name] for name in network.inputs], results, network.name)


def _named_outputs(g: FlatGraph, network: RuntimeNetwork, places: dict[str, int]) -> list[int]:
    """The outputs, each of which gets a tensor of its own with its name."""
    results: list[int] = []
    taken = {places[name] for name in network.inputs}
    for name in network.outputs:
        place = places[name]
        if place in taken or g.value(place) is not None:
            shape = g.shape(place)
            place = g.op("RESHAPE", [place, g.integers(shape)], shape, "ReshapeOptions", NewShape=list(shape))
        taken.add(place)
        g.tensors[place].name = name
        results.append(place)
    return results


def _prune(g: FlatGraph, results: list[int]) -> None:
    """Leave out operators whose results nobody reads."""
    needed, kept = set(results), list[Operation]()
    for operation in reversed(g.operations):
        if needed.intersection(operation.outputs):
            needed.update(operation.inputs)
            kept.append(operation)
    g.operations = kept[::-1]
