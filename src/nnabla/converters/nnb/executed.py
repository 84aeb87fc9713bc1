"""What of a model file a converter writes: the network of one of its executors, with inputs and outputs in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, shown
from ...network import ProtoFunction, ProtoGraph, ProtoNetwork
from ...network.concrete_shapes import concrete_shapes
from ...network.saved_graphs import graph_of, read_files


@dataclasses.dataclass
class Executed:
    """A network to be written.

    Attributes:
        network: its description, with the values of its parameters.
        inputs, outputs: names in the order of the executor, or of the network.
        order: names of its variables as the file lists them.
        generated: kinds and multipliers of inputs that the executor draws itself.
    """

    network: ProtoNetwork
    inputs: list[str]
    outputs: list[str]
    order: list[str]
    generated: dict[str, tuple[str, float]] = dataclasses.field(default_factory=dict)

    def drawn(self, batch_size: int | None, rng: np.random.RandomState | None = None) -> dict[str, np.ndarray]:
        """Values of the inputs that the executor draws.

        Raises:
            ArgumentError: a kind is not known.
        """
        if not self.generated:
            return {}
        shapes = concrete_shapes(self.network, batch_size).shapes
        state = np.random.RandomState() if rng is None else rng
        found = {}
        for name, (kind, multiplier) in self.generated.items():
            if kind == "Normal":
                values = state.randn(*shapes[name]) * multiplier
            elif kind == "Uniform":
                values = state.uniform(-1, 1, shapes[name]) * multiplier
            elif kind == "Constant":
                values = np.full(shapes[name], multiplier)
            else:
                raise ArgumentError(f"variable {name!r}: there is no generator {shown(kind)!r}")
            found[name] = np.asarray(values, np.float32)
        return found


def executed(model: Any, graph: ProtoGraph, executor: int | None = None) -> Executed:
    """The network of an executor, with what the executor says; without executors, the only network.

    Args:
        model: the message of the file.
        graph: its networks, with parameters.
        executor: its number; default the first.

    Raises:
        ArgumentError: there is no such executor, or nothing says which network is meant.
    """
    count = len(model.executor)
    if executor is not None and not 0 <= executor < count:
        raise ArgumentError(f"convert: -E must be the number of one of {count} executors, not {executor}")
    if not count:
        if len(graph.networks) != 1:
            raise ArgumentError(f"convert: there is no executor, and not one network but {list(graph.networks)}")
        network = graph.default_graph()
        return Executed(network, list(network.inputs), list(network.outputs), _order(model, network))
    message = model.executor[executor or 0]
    if message.network_name not in graph.networks:
        raise ArgumentError(
            f"convert: the executor's network {message.network_name!r} is none of {list(graph.networks)}"
        )
    network = graph.networks[message.network_name]
    return _as_said(message, network, _order(model, network))


def executed_in_files(paths: Sequence[str], executor: int | None = None) -> Executed:
    """The network of an executor in NNabla's model files; see `executed`.

    Args:
        paths: a model, and parameters.
        executor: its number; default the first.
    """
    found = read_files(list(paths), "", "convert")
    return executed(found.model, graph_of(found.model, found.parameters, function="convert"), executor)


def executed_by(graph: ProtoGraph) -> Executed:
    """The network of a graph with one executor, as importers of other formats make it."""
    (executor,) = graph.executors.values()
    network = graph.networks[executor.network_name]
    return _as_said(executor.as_proto(), network, [*network.variables, *network.parameters])


def _as_said(message: Any, network: ProtoNetwork, order: list[str]) -> Executed:
    generated = {
        g.variable_name: (g.type, g.multiplier)
        for g in message.generator_variable
        if g.variable_name in network.variables
    }
    inputs = [v.variable_name for v in message.data_variable if v.variable_name in network.variables]
    return Executed(
        network,
        # What no function reads is no input.
        [name for name in inputs if name not in generated] or list(network.inputs),
        [v.variable_name for v in message.output_variable] or list(network.outputs),
        order,
        generated,
    )


def _order(model: Any, network: ProtoNetwork) -> list[str]:
    return [v.name for each in model.network if each.name == network.name for v in each.variable]


def functions_to(network: ProtoNetwork, outputs: Sequence[str]) -> list[ProtoFunction]:
    """The functions that lead to some variables, in the order in which NNabla's converter runs them.

    They are found from each output backwards, and each stands right behind the last of those that it needs.

    Raises:
        ValueError: the functions depend on each other in a circle.
    """
    order: list[str] = []
    waiting: set[str] = set()
    done: set[str] = set()
    for output in outputs:
        stack = [network._variable(output).parent]
        while stack:
            name = stack[-1]
            if name is None or name in done:
                stack.pop()
                continue
            parents = [network._variable(source).parent for source in network.functions[name].inputs]
            before = [parent for parent in parents if parent is not None and parent not in done]
            if before and name in waiting and before[0] in waiting:
                raise ValueError(f"network {network.name!r}: function {name!r} needs its own output")
            if before:
                waiting.add(name)
                stack.append(before[0])
                continue
            stack.pop()
            done.add(name)
            order.insert(max([order.index(p) + 1 for p in parents if p is not None], default=0), name)
    return [network.functions[name] for name in order]
