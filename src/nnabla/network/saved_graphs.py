"""Described networks in files: `nnabla.graph_def.load` and `nnabla.graph_def.save`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import parameter
from .._memory import collector_resting
from .proto_graph import ProtoGraph
from .proto_network import ProtoNetwork

if TYPE_CHECKING:
    from ..files.model_files import Contents
    from ..files.stored import StoredParameter


def load(
    filename: Any,
    batch_size: int | None = None,
    exclude_parameter: bool = False,
    parameter_only: bool = False,
    extension: str = ".nntxt",
    parameter_scope: parameter.Scope | None = None,
    rng: np.random.RandomState | None = None,
) -> ProtoGraph:
    """Read described networks, with their parameters, from one or several files.

    Args:
        filename: a path, a binary file object, or a list of them: a model and its parameters. The formats are
            ``.nnp``, ``.nntxt``, ``.prototxt``, ``.protobuf``, and for parameters ``.h5`` and ``.safetensors``, too.
        batch_size: for variables that leave it open, instead of what the networks say.
        exclude_parameter: leave out the values of parameters. They are made by their initializers, or 0.
        parameter_only: leave out all but the parameters.
        extension: the format of file objects.
        parameter_scope: where the parameters go; default a new scope.
        rng: draws the values of parameters that have an initializer.

    Returns:
        A graph whose loops are expanded. Parameters have the flag `need_grad` that the file says.

    Raises:
        ArgumentError: there is no extension. A file of an unknown one is passed over, with a warning in the log.
        FileNotFoundError: there is no such file.
        FormatError: a file is damaged or not of its format.
        ValueError: a function is not known, or names do not fit together.

    Example:
        >>> import io, nnabla as nn, nnabla.functions as F
        >>> x = nn.Variable((2, 3))
        >>> file = io.BytesIO()
        >>> graph = nn.graph_def.create_graph_from_variable("net", F.relu(x), names={"x": x})
        >>> nn.graph_def.save(file, graph, extension=".nntxt")
        >>> nn.graph_def.load(file, extension=".nntxt")(nn.Variable((2, 3))).shape
        (2, 3)
    """
    with collector_resting():
        found = read_files(filename, extension, "graph_def.load")
        return graph_of(
            found.model, found.parameters, batch_size, exclude_parameter, parameter_only, parameter_scope, rng
        )


def read_files(filename: Any, extension: str, function: str) -> Contents:
    """What stands in one or several files, in their order; the message is there in any case."""
    from ..files.model_files import Contents, merged
    from ..files.model_messages import MODEL
    from ..parameter_files import load as read_file

    found = [read_file(each, extension, function, "Model load (%s): %s") for each in files_of(filename)]
    return merged([Contents([], MODEL.message("NNablaProtoBuf")()), *found])


def files_of(filename: Any) -> list[Any]:
    """One file or several as a list."""
    if isinstance(filename, (str, os.PathLike)) or not isinstance(filename, Iterable) or hasattr(filename, "read"):
        return [filename]
    return list(filename)


def graph_of(
    model: Any,
    stored: list[StoredParameter],
    batch_size: int | None = None,
    exclude_parameter: bool = False,
    parameter_only: bool = False,
    parameter_scope: parameter.Scope | None = None,
    rng: np.random.RandomState | None = None,
    function: str = "graph_def.load",
    expand_loops: bool = True,
) -> ProtoGraph:
    """The graph of a message and parameters that were read; `stored` has those of the message, too."""
    if parameter_only:
        graph = ProtoGraph(parameter_scope=parameter_scope)
    else:
        graph = ProtoGraph.from_proto(_without_parameters(model), batch_size, parameter_scope, rng)
        if expand_loops:
            graph.expand_loop_control()
    if not exclude_parameter:
        graph.register(stored, function)
    return graph


def _without_parameters(model: Any) -> Any:
    """`model`, or where it has parameters a message without them."""
    if not model.parameter:
        return model
    from ..files.model_messages import MODEL

    copy = MODEL.message("NNablaProtoBuf")()
    copy.network.extend(model.network)
    copy.executor.extend(model.executor)
    return copy


def save(
    filename: Any,
    content: Any,
    include_parameters: bool = False,
    variable_batch_size: bool = True,
    extension: str = ".nnp",
    executors: Sequence[Any] | None = None,
) -> None:
    """Save described networks, and their parameters, to a file.

    Args:
        filename: a path, or a binary file object, which is set back to its start.
        content: a `ProtoGraph`, a `ProtoNetwork`, or a list of networks of one graph.
        include_parameters: with the values of the parameters, which an ``.nnp`` always has.
        variable_batch_size: leave the size of the batch open, see `nnabla.core.variable_batch_size`.
        extension: the format of a file object: ``.nnp``, ``.nntxt``, ``.prototxt`` or ``.protobuf``.
        executors: how networks are run: dicts as `nnabla.utils.save.save` takes them, or `ProtoExecutor`.

    Raises:
        ArgumentError: the format is not known.
        TypeError: `content` is something else.
        ValueError: networks of several graphs; or an executor names what is not there.
    """
    networks = list(content.networks.values()) if isinstance(content, ProtoGraph) else files_of(content)
    for network in networks:
        if not isinstance(network, ProtoNetwork):
            raise TypeError(
                f"graph_def.save: content must be a ProtoGraph, a ProtoNetwork or a list of them, not {network!r}"
            )
    owner = content if isinstance(content, ProtoGraph) else networks[0].owner if networks else ProtoGraph()
    if any(network.owner is not owner for network in networks):
        raise ValueError("graph_def.save: the networks must belong to one graph")
    owner._save(networks, filename, include_parameters, variable_batch_size, executors, extension)
