"""`Resolver`: models of NNabla in which functions are written out that the C runtime has as several others only."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import FormatError
from ...files import parameter_messages
from ...files.stored import StoredParameter
from ...network.argument_values import put_arguments
from ...network.concrete_shapes import concrete_shapes
from ...network.proto_variable import BUFFER, PARAMETER
from ..nnp.importer import ImportedModel
from . import recurrent_compositions  # noqa: F401  (enters its rules)
from .rules import RULES, Call
from .runtime_network import RuntimeNetwork, Step, Unsupported


class Resolver:
    """Writes out the functions of type GRU: a model of basic functions for converters of your own.

    Those of this package need no such model; they write out what their formats lack themselves.

    Args:
        nnp: what `NnpImporter` gives. It is not changed.
    """

    def __init__(self, nnp: ImportedModel) -> None:
        self._nnp = nnp
        self._model: Any = type(nnp.protobuf)()
        self._model.CopyFrom(nnp.protobuf)

    def execute(self) -> ImportedModel:
        """The model without functions that have a method of their name here. Open sizes of batches become fixed there.

        Raises:
            FormatError: a weight is computed, and no parameter.
        """
        for network in self._model.network:
            functions: list[Any] = []
            for f in list(network.function):
                write = getattr(self, f.type, None) if f.type in _WRITTEN_OUT else None
                functions += [f] if write is None else write(network, f)
            copies = [type(f).FromString(f.SerializeToString()) for f in functions]
            del network.function[:]
            network.function.extend(copies)
            self._drop_unread(network)
        return ImportedModel(self._model, list(self._nnp.other_files))

    def GRU(self, network: Any, func: Any) -> list[Any]:
        """Functions in the place of one; their variables and parameters are added to the model.

        Args:
            network: a message ``Network`` of the model.
            func: a message ``Function`` in it.
        """
        described = self._nnp.graph("Resolver").networks[network.name]
        found = concrete_shapes(described, None)
        values = {p.variable_name: np.asarray(p.data, np.float32) for p in self._model.parameter}
        g = RuntimeNetwork(network.name, dict(found.shapes), values, [], [])
        g.begin(func.name, func.output[0])
        function = described.functions[func.name]
        call = Call(found.operators[func.name], function.args, found.declared_inputs(function), list(func.output))
        try:
            RULES[func.type](g, call, *[name for name in call.inputs if name is not None])
        except Unsupported as reason:
            raise FormatError(f"network {network.name!r}: {func.type} {func.name!r}: {reason}") from None
        self._add_variables(network, g)
        return [_message(type(func), f"{func.name}/{i}", step) for i, step in enumerate(g.steps)]

    def _add_variables(self, network: Any, g: RuntimeNetwork) -> None:
        # The runtime has weights of affine layers in rows, a row for each output.
        rows = {step.inputs[1] for step in g.steps if step.type == "Affine"}
        stored = []
        for name in g.like:
            values = g.values.get(name)
            variable = network.variable.add(name=name, type=BUFFER if values is None else PARAMETER)
            variable.shape.dim.extend(g.shapes[name])
            if values is not None:
                shape = g.shapes[name]
                array = values.reshape(shape[::-1]).T if name in rows else values.reshape(shape)
                stored.append(StoredParameter(name, np.ascontiguousarray(array), False))
        parameter_messages.merged(self._model, None, stored)

    def _drop_unread(self, network: Any) -> None:
        used = {name for f in network.function for name in (*f.input, *f.output)}
        kept = [v for v in network.variable if v.name in used or v.type != PARAMETER]
        del network.variable[:]
        network.variable.extend(kept)
        everywhere = {v.name for each in self._model.network for v in each.variable}
        there = [p for p in self._model.parameter if p.variable_name in everywhere]
        del self._model.parameter[:]
        self._model.parameter.extend(there)


_WRITTEN_OUT = ("GRU",)


def _message(kind: Any, name: str, step: Step) -> Any:
    message = kind(name=name, type=step.type, input=step.inputs, output=step.outputs)
    put_arguments(message, step.type, step.arguments)
    return message
