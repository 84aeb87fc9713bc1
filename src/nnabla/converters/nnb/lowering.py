"""A described network as one of functions that the C runtime has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, FormatError
from ...graph.operator import registry
from ...network import ProtoFunction, ProtoNetwork
from ...network.concrete_shapes import ConcreteShapes, concrete_shapes
from ...network.initial_values import InitialValues
from . import compositions, recurrent_compositions  # noqa: F401  (enter their rules)
from .executed import functions_to
from .model import Shape
from .quantized_values import PAIRED, QuantizedValues
from .rules import RULES, Call
from .runtime_network import RuntimeNetwork, Unsupported


def lower(
    network: ProtoNetwork,
    batch_size: int | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    order: Iterable[str] = (),
    provided: Iterable[str] = (),
    generated: dict[str, np.ndarray] | None = None,
    kept: Collection[str] = (),
) -> RuntimeNetwork:
    """Write a network with functions of the C runtime.

    Args:
        network: with values for its parameters. It is not changed.
        batch_size: put where shapes leave it open; default as the network says, else 1.
        inputs: names in the order in which they are to be given; default those of the network.
        outputs: names, which may be of any variables; default those of the network.
        order: names of variables in the order in which they are to be numbered; others follow.
        provided: names of functions that the user of the runtime computes; those without a rule are written as they
            are.
        generated: values of inputs that are fixed.
        kept: types of functions that a target of its own has; they are written as they are, with the function itself
            as the argument ``call``.

    Raises:
        ArgumentError: `batch_size` is not possible; or an input or output is not there.
        FormatError: functions or arguments that the runtime does not have; the message names them all.
        ValueError: a parameter has no values.
    """
    if batch_size is not None and (isinstance(batch_size, bool) or batch_size < 1):
        raise ArgumentError(f"NNB: batch_size must be at least 1, not {batch_size!r}")
    network = network.expand_loop_control()
    given, wanted = (
        list(network.inputs if inputs is None else inputs),
        list(network.outputs if outputs is None else outputs),
    )
    fixed = generated or {}
    for name in (*given, *wanted):
        if name not in network.variables and name not in network.parameters:
            raise ArgumentError(f"network {network.name!r} has no variable {name!r}")
    functions = functions_to(network, wanted)
    read = {name for f in functions for name in f.inputs} | set(wanted)
    missing = [name for name in network.inputs if name in read and name not in given and name not in fixed]
    if missing:
        raise ArgumentError(f"network {network.name!r}: nothing gives {', '.join(missing)}")
    found = concrete_shapes(network, batch_size)
    obstacles = [f"{f.type} {f.name!r}: there is no function of this type" for f in functions if f.type not in registry]
    g = _start(network, found.shapes, given, wanted, order, fixed)
    obstacles += _write(g, functions, found, set(provided), kept)
    if obstacles:
        raise FormatError(
            f"network {network.name!r} cannot be written for the C runtime:" + "".join(f"\n  {o}" for o in obstacles)
        )
    g.settle_layouts()
    g.drop_unused_variables()
    return g


def _start(
    network: ProtoNetwork,
    shapes: dict[str, Shape],
    inputs: list[str],
    outputs: list[str],
    order: Iterable[str],
    generated: dict[str, np.ndarray],
) -> RuntimeNetwork:
    names = [name for name in order if name in shapes]
    ordered = {name: shapes[name] for name in dict.fromkeys([*names, *shapes])}
    with InitialValues(network.owner) as initial:
        variables = {name: initial.parameter(p) for name, p in network.parameters.items()}
    values = {name: np.asarray(v.d, np.float32) for name, v in variables.items()} | generated
    return RuntimeNetwork(str(network.name), ordered, values, inputs, outputs)


def _write(
    g: RuntimeNetwork,
    functions: Sequence[ProtoFunction],
    found: ConcreteShapes,
    provided: set[str],
    kept: Collection[str],
) -> list[str]:
    """Add the steps of all functions; what stands in the way."""
    obstacles = []
    quantized = QuantizedValues(functions)
    for f in functions:
        operator = found.operators.get(str(f.name))
        if operator is None:
            continue
        g.begin(str(f.name), f.outputs[0])
        call = Call(operator, f.args, found.declared_inputs(f), f.outputs)
        start = len(g.steps)
        try:
            for name in (*f.inputs, *f.outputs):
                if 0 in g.shapes[name]:
                    raise Unsupported(f"the runtime has no empty arrays, as {name!r} of shape {g.shapes[name]}")
            if f.type in kept:
                g.call(f.type, f.inputs, f.outputs, call=call)
                continue
            if f.type not in RULES and f.name in provided:
                g.call(f.type, f.inputs, f.outputs, **operator.arguments)
                continue
            if f.type in PAIRED:
                quantized.write(g, call, *f.inputs)
                continue
            if f.type not in RULES:
                raise Unsupported("the C runtime has no kernel for it, and no rule composes it of others")
            RULES[f.type](g, call, *_trimmed(call.inputs))
        except Unsupported as reason:
            del g.steps[start:]
            obstacles.append(f"{f.type} {f.name!r}: {reason}")
    quantized.settle(g)
    return obstacles


def _trimmed(inputs: Sequence[str | None]) -> list[Any]:
    """Inputs without those at the end that are not given."""
    found = list(inputs)
    while found and found[-1] is None:
        found.pop()
    return found
