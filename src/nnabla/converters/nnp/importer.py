"""NNabla's model files as one message: what `nnabla.utils.converter` passes from importers to exporters."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...errors import ArgumentError
from ...files import parameter_messages
from ...files.model_messages import MODEL
from ...files.stored import StoredParameter
from ...network import ProtoGraph
from ...network.saved_graphs import graph_of, read_files
from ...parameter_files import load as read_parameters


@dataclasses.dataclass
class ImportedModel:
    """A model on its way from one format to another.

    Attributes:
        protobuf: a message `NNablaProtoBuf` with the values of the parameters.
        other_files: paths of files beside the model that belong to it.
    """

    protobuf: Any
    other_files: list[str] = dataclasses.field(default_factory=list)

    def graph(self, function: str) -> ProtoGraph:
        """The networks with their parameters, loops written out. Errors name `function`."""
        return graph_of(self.protobuf, parameter_messages.contents(self.protobuf, function), function=function)


class NnpImporter:
    """Read model files as one model.

    Args:
        args: paths of a model and its parameters: ``.nnp``, ``.nntxt``, ``.prototxt``, ``.protobuf``, ``.h5``.
        expand_network: write out loops, and replace square brackets in names as `rename_square_bracket` does.
        executor_index: number of the only executor to keep, with its network; default all.

    Example:
        >>> import os, tempfile, nnabla as nn, nnabla.functions as F
        >>> from nnabla.utils.converter.nnabla import NnpImporter
        >>> x = nn.Variable((1, 2))
        >>> graph = nn.graph_def.create_graph_from_variable("net", F.relu(x), names={"x": x})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "m.nnp")
        ...     nn.graph_def.save(path, graph)
        ...     nnp = NnpImporter(path).execute()
        >>> [f.type for f in nnp.protobuf.network[0].function]
        ['ReLU']
    """

    def __init__(self, *args: Any, expand_network: bool = False, executor_index: int | None = None) -> None:
        if not args:
            raise ArgumentError("NnpImporter: a file must be given at least")
        self._args = args
        self._expand_network = expand_network
        self._executor_index = executor_index
        self._nnp: Any = MODEL.message("NNablaProtoBuf")()

    def load_parameters(self, filename: str | os.PathLike[str]) -> None:
        """Add the parameters in a file; those of a name that is there take its place."""
        stored = read_parameters(filename, None, "NnpImporter.load_parameters").parameters
        self._add(stored)

    def find_network(self, executor_name: str) -> Any:
        """The message of the network of this name, ``None`` where there is none."""
        return next((network for network in self._nnp.network if network.name == executor_name), None)

    def find_parameter_variable(self, network: Any) -> list[Any]:
        """The messages of a network's parameters."""
        return [variable for variable in network.variable if variable.type == "Parameter"]

    def generate_parameters_data(self, var_list: Iterable[Any], batch_size: int) -> None:
        """Add parameters filled with 0.

        Args:
            var_list: messages ``Variable``, as `find_parameter_variable` gives them.
            batch_size: in place of lengths that are -1.
        """
        shapes = {v.name: [batch_size if d == -1 else d for d in v.shape.dim] for v in var_list}
        self._add([StoredParameter(name, np.zeros(shape, np.float32), False) for name, shape in shapes.items()])

    def execute(self) -> ImportedModel:
        """Read the files. A parameter that has no values gets zeros.

        Raises:
            ArgumentError: there is no executor of the number.
            FileNotFoundError: there is no such file.
            FormatError: a file is damaged.
        """
        found = read_files(list(self._args), "", "NnpImporter")
        self._nnp = found.model
        self._add(found.parameters)
        if self._executor_index is not None:
            self._keep(self._executor_index)
        there = {parameter.variable_name for parameter in self._nnp.parameter}
        for network in self._nnp.network:
            lacking = [v for v in self.find_parameter_variable(network) if v.name not in there]
            self.generate_parameters_data(lacking, network.batch_size)
        if self._expand_network:
            self._nnp = NnpExpander(self._nnp).execute()
        return ImportedModel(self._nnp)

    def _keep(self, index: int) -> None:
        count = len(self._nnp.executor)
        if not 0 <= index < count:
            raise ArgumentError(
                f"NnpImporter: executor_index must be the number of one of {count} executors, not {index}"
            )
        kept = self._nnp.executor[index]
        networks = [network for network in self._nnp.network if network.name == kept.network_name]
        del self._nnp.executor[index + 1 :], self._nnp.executor[:index]
        del self._nnp.network[:]
        self._nnp.network.extend(networks)

    def _add(self, stored: list[StoredParameter]) -> None:
        last = {each.name: each for each in stored}
        kept = [message for message in self._nnp.parameter if message.variable_name not in last]
        del self._nnp.parameter[:]
        self._nnp.parameter.extend(kept)
        parameter_messages.merged(self._nnp, None, last.values())


class NnpExpander:
    """Write out the loops of a model.

    Args:
        nnp: a message `NNablaProtoBuf`. It is not changed.
    """

    def __init__(self, nnp: Any) -> None:
        self._nnp = nnp

    def execute(self) -> Any:
        """A message in whose networks nothing is repeated, and no variable's name has square brackets."""
        graph = graph_of(self._nnp, parameter_messages.contents(self._nnp, "NnpExpander"), function="NnpExpander")
        expanded = type(self._nnp)()
        expanded.CopyFrom(self._nnp)
        for network in expanded.network:
            message = graph.networks[network.name].as_proto(variable_batch_size=False)
            network.CopyFrom(message)
        rename_square_bracket(expanded)
        return expanded


def rename_square_bracket(nnp: Any) -> None:
    """Replace square brackets in names of variables, which not all formats can have: ``x[0]`` becomes ``x_0``.

    Args:
        nnp: a message `NNablaProtoBuf`, which is changed.
    """
    names = [v.name for network in nnp.network for v in network.variable]
    names += [parameter.variable_name for parameter in nnp.parameter]
    taken = set(names)
    renamed: dict[str, str] = {}
    for name in dict.fromkeys(names):
        if "[" not in name and "]" not in name:
            continue
        new = name.replace("[", "_").replace("]", "")
        while new in taken:
            new += "_"
        taken.add(new)
        renamed[name] = new
    for network in nnp.network:
        for variable in network.variable:
            variable.name = renamed.get(variable.name, variable.name)
        for function in network.function:
            for listed in (function.input, function.output):
                listed[:] = [renamed.get(name, name) for name in listed]
    uses = [*nnp.executor, *nnp.optimizer, *nnp.monitor]
    entries = [entry for use in uses for field, value in use.ListFields() if field.name.endswith("_variable")
               for entry in value]  # fmt: skip
    for entry in [*entries, *nnp.parameter]:
        entry.variable_name = renamed.get(entry.variable_name, entry.variable_name)
