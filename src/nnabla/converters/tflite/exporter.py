"""From a described network to the bytes of a TFLite model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, FormatError
from ...network import ProtoNetwork
from ..nnb.lowering import lower
from ..nnb.runtime_network import RuntimeNetwork, Step, Unsupported
from . import axis_rules, logic_rules, window_rules  # noqa: F401  (enter their rules)
from .flat_graph import FlatGraph, Operation
from .flat_model import to_bytes
from .quantizing import quantize
from .rules import OWN_RULES, RULES
from .simplify import simplify

_TO_FIRST, _TO_LAST = [0, 3, 1, 2], [0, 2, 3, 1]
_WEIGHTS = ("float32", "float16")

Dataset = np.ndarray | Sequence[np.ndarray] | Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Form:
    """How a model is written.

    Attributes:
        channel_last: whether inputs and outputs of four axes have the channels last.
        weights: ``"float32"``, or ``"float16"``: half as large, and changed to float32 when the model is run.
        dataset: representative inputs; with them the model computes with 8-bit integers.
        float_ends: whether inputs and outputs of such a model are float32, not 8-bit integers.
    """

    channel_last: bool = False
    weights: str = "float32"
    dataset: Dataset | None = None
    float_ends: bool = False


def to_tflite(
    network: ProtoNetwork,
    batch_size: int | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    *,
    channel_last: bool = False,
    weights: str = "float32",
    dataset: Dataset | None = None,
    float_ends: bool = False,
) -> bytes:
    """Write a network, with its parameters, as a TFLite model.

    Inputs and outputs keep their names and order. Factors for each channel and ReLU behind a layer become part of it.

    Args:
        network: with values for its parameters. It is not changed.
        batch_size: put where shapes leave it open; default as the network says, else 1.
        inputs, outputs: names in their order; default those of the network.
        channel_last: write inputs and outputs of four axes as ``(samples, height, width, channels)``; default as the
            network has them, with the channels second.
        weights: ``"float16"`` halves the file; the runtime changes them to float32, and computes with those.
        dataset: representative inputs, as the model takes them: an array for the only input, or one for each, in their
            order or by names. Their first axis counts samples; all of them together say how large numbers get. The
            model then computes with 8-bit integers, with a scale for each channel of weights, where TFLite's
            operators do; others stay float32.
        float_ends: let inputs and outputs of such a model be float32. Default: they are int8 too, and the scale and
            zero point of each stand in the file.

    Raises:
        ArgumentError: an argument is not possible.
        FormatError: functions or arguments that cannot be written; the message names them all.
        ValueError: a parameter has no values.
    """
    found = lower(network, batch_size, inputs, outputs, kept=OWN_RULES)
    return written(found, Form(channel_last, weights, dataset, float_ends))


def written(network: RuntimeNetwork, form: Form | None = None) -> bytes:
    """A network of functions of the runtime, and of those with a rule of their own here, as a model.

    Raises:
        ArgumentError: the form is not possible.
        FormatError: functions that cannot be written; the message names them all.
    """
    form = form or Form()
    if form.weights not in _WEIGHTS:
        raise ArgumentError(f"TFLite: weights must be one of {', '.join(_WEIGHTS)}, not {form.weights!r}")
    if form.dataset is not None and form.weights != "float32":
        raise ArgumentError("TFLite: weights are 8-bit integers where dataset is given; float16 is not possible")
    if network.types:
        raise FormatError(
            f"network {network.name!r} cannot be written as TFLite: values are rounded by QuantizeLinear, and all that "
            "is written has float32"
        )
    g = FlatGraph()
    places: dict[str, int] = {}
    inputs: list[int] = []
    for name in network.inputs:
        shape = network.shapes[name]
        moved = form.channel_last and len(shape) == 4
        inputs.append(g.add([shape[a] for a in _TO_LAST] if moved else shape, name))
        places[name] = g.transpose(inputs[-1], _TO_FIRST) if moved else inputs[-1]
    for name, values in network.values.items():
        # Of a few weights that nothing reads, only the first value is there.
        whole = values.size == network.size(name)
        places[name] = g.constant(values.reshape(network.shapes[name]) if whole else values, name=name)
    _operators(g, network, places)
    ends = [places[name] for name in network.outputs]
    if form.channel_last:
        ends = [g.transpose(n, _TO_LAST) if g.rank(n) == 4 else n for n in ends]
    results = _named_outputs(g, inputs, ends, network.outputs)
    simplify(g, results)
    if form.dataset is not None:
        from .ranges import ranges_of

        batches = _batches(form.dataset, g, network.inputs, inputs)
        ranges = ranges_of(g, inputs, batches)
        inputs, results = quantize(g, inputs, results, ranges, form.float_ends)
    elif form.weights == "float16":
        _halve(g)
    return to_bytes(g, inputs, results, network.name)


def _operators(g: FlatGraph, network: RuntimeNetwork, places: dict[str, int]) -> None:
    obstacles = []
    for step in network.steps:
        shapes = [network.shapes[name] for name in step.outputs]
        try:
            found = _results(g, step, shapes, places)
        except Unsupported as reason:
            obstacles.append(f"{step.type} {step.name!r}: {reason}")
            found = [g.add(shape) for shape in shapes]
        for name, result in zip(step.outputs, found if isinstance(found, list) else [found], strict=True):
            places[name] = result
    if obstacles:
        lines = "".join([f"\n  {line}" for line in obstacles])
        raise FormatError(f"network {network.name!r} cannot be written as TFLite:{lines}")


def _results(g: FlatGraph, step: Step, shapes: list[tuple[int, ...]], places: dict[str, int]) -> Any:
    if "call" in step.arguments:
        call = step.arguments["call"]
        given = [None if name is None else places[name] for name in call.inputs]
        while given and given[-1] is None:
            given.pop()
        return OWN_RULES[step.type](g, call, shapes, *given)
    if step.type not in RULES:
        raise Unsupported("no rule writes this function as TFLite")
    return RULES[step.type](g, step, shapes, *[places[name] for name in step.inputs])


def _named_outputs(g: FlatGraph, inputs: Sequence[int], ends: Sequence[int], names: Sequence[str]) -> list[int]:
    """The outputs, each of which gets a tensor of its own with its name."""
    results: list[int] = []
    taken = set(inputs)
    for place, name in zip(ends, names, strict=True):
        if place in taken or g.value(place) is not None:
            shape = g.shape(place)
            place = g.op("RESHAPE", [place, g.integers(shape)], shape, "ReshapeOptions", NewShape=list(shape))
        taken.add(place)
        g.tensors[place].name = name
        results.append(place)
    return results


def _batches(dataset: Dataset, g: FlatGraph, names: Sequence[str], inputs: Sequence[int]) -> list[list[np.ndarray]]:
    """Representative inputs in pieces that the model takes.

    Raises:
        ArgumentError: they do not fit to its inputs.
    """
    if isinstance(dataset, Mapping):
        missing = [name for name in names if name not in dataset]
        if missing:
            raise ArgumentError(f"TFLite: dataset has nothing for input {missing[0]!r}, only {sorted(dataset)}")
        arrays = [np.asarray(dataset[name]) for name in names]
    else:
        arrays = [np.asarray(dataset)] if isinstance(dataset, np.ndarray) else [np.asarray(a) for a in dataset]
    if len(arrays) != len(inputs):
        raise ArgumentError(f"TFLite: dataset must hold an array for each of {len(inputs)} inputs, not {len(arrays)}")
    for array, name, n in zip(arrays, names, inputs, strict=True):
        shape = g.shape(n)
        if array.dtype.kind not in "biuf" or array.ndim != len(shape) or array.shape[1:] != shape[1:]:
            wanted = ", ".join(["samples", *map(str, shape[1:])])
            raise ArgumentError(
                f"TFLite: dataset for input {name!r} must be numbers of shape ({wanted}), not {array.dtype} of shape "
                f"{array.shape}"
            )
        if not np.isfinite(array).all():
            raise ArgumentError(f"TFLite: dataset for input {name!r} holds numbers that are not finite")
    counts = [len(array) // max(g.shape(n)[0], 1) for array, n in zip(arrays, inputs, strict=True) if array.ndim]
    if len(set(counts)) > 1 or min(counts, default=1) < 1:
        raise ArgumentError(f"TFLite: dataset holds {[len(a) for a in arrays]} samples for batches of "
                            f"{[g.shape(n)[0] for n in inputs]}")  # fmt: skip
    found = []
    for i in range(counts[0] if counts else 1):
        sizes = [g.shape(n)[0] if g.rank(n) else 1 for n in inputs]
        found.append([a[i * s : (i + 1) * s] if a.ndim else a for a, s in zip(arrays, sizes, strict=True)])
    return found


def _halve(g: FlatGraph) -> None:
    """Constants of more than one number become float16, which the runtime changes back."""
    wide: dict[int, int] = {}
    made: list[Operation] = []
    for o in g.operations:
        for n in o.inputs:
            value = g.value(n) if n >= 0 else None
            if n in wide or value is None or value.dtype != np.float32 or value.size < 2:
                continue
            with np.errstate(over="ignore"):
                half = value.astype(np.float16)
            if np.isfinite(half).all():
                name = g.tensors[n].name
                wide[n] = g.add(value.shape)
                source = g.constant(half, np.float16, name=name)
                made.append(Operation("DEQUANTIZE", [source], [wide[n]], "DequantizeOptions", {}))
    for o in g.operations:
        o.inputs = [wide.get(n, n) for n in o.inputs]
    g.operations = made + g.operations
