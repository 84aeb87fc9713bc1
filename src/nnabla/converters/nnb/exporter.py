"""From a described network to what an NNB file holds."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ...files.atomic import replacing
from ...network import ProtoNetwork
from .lowering import lower
from .model import Model
from .settings import Settings
from .typed_models import typed
from .writer import to_bytes


def to_nnb(
    network: ProtoNetwork,
    batch_size: int | None = None,
    settings: Settings | None = None,
    api_level: int | None = None,
    version: int | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> Model:
    """Write a network, with its parameters, for the C runtime.

    Args:
        network: with values for its parameters. It is not changed.
        batch_size: put where shapes leave it open; default as the network says, else 1.
        settings: types of variables and implementations of functions; default FLOAT32, and the runtime's own.
        api_level: from 1 to 45; default that of the released runtime, 44.
        version: of the format, 2 (default) or 3.
        inputs, outputs: names in their order; default those of the network.

    Raises:
        ArgumentError: an argument is not possible.
        FormatError: functions, arguments or types that the runtime does not have; the message names them all.
        ValueError: a parameter has no values.

    Example:
        >>> import numpy as np, nnabla as nn, nnabla.functions as F
        >>> from nnabla.converters.nnb import run, to_nnb
        >>> x = nn.Variable((1, 2))
        >>> graph = nn.graph_def.create_graph_from_variable("net", F.leaky_relu(x, 0.5), names={"x": x})
        >>> model = to_nnb(graph["net"])
        >>> run(model, [np.array([[-3.0, 4.0]])])
        [array([[-1.5,  4. ]])]
    """
    return typed(lower(network, batch_size, inputs, outputs), settings, api_level, version)


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a file; no half of one is left after an error."""
    data = to_bytes(model)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(data)
