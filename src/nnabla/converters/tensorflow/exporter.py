"""From a described network to a SavedModel or a frozen graph."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...files.atomic import replacing, replacing_folder
from ...network import ProtoNetwork
from ..tflite.exporter import to_tflite
from ..tflite.flat_file import FlatFile, from_bytes
from .operators import Calls
from .optimizing import optimized
from .package import node_names, tensorflow

Path = str | os.PathLike[str]

SIGNATURE = "serving_default"


def save_saved_model(
    network: ProtoNetwork,
    path: Path,
    batch_size: int | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    *,
    channel_last: bool = False,
) -> None:
    """Write a network as a SavedModel, a folder.

    Its signature ``serving_default`` has the names of inputs and outputs, with ``_`` for what TensorFlow does not take
    in names. Parameters are variables, in the order in which TensorFlow's operators read them. Factors for each
    channel behind a layer are part of its weights.

    Args:
        network: with values for its parameters. It is not changed.
        path: of the folder; one that is there is replaced.
        batch_size: put where shapes leave it open; default as the network says, else 1.
        inputs, outputs: names in their order; default those of the network.
        channel_last: inputs and outputs of four axes are ``(samples, height, width, channels)``; default as the network
            has them, with the channels second.

    Raises:
        ArgumentError: an argument is not possible, or `tensorflow` is not installed.
        FormatError: functions or arguments that cannot be written; the message names them all.
        ValueError: a parameter has no values.
    """
    data = to_tflite(network, batch_size, inputs, outputs, channel_last=channel_last)
    write_saved_model(from_bytes(data, "the network"), path)


def save_frozen_graph(
    network: ProtoNetwork,
    path: Path,
    batch_size: int | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    *,
    channel_last: bool = False,
    optimize: bool = False,
) -> None:
    """Write a network as a frozen graph, a ``.pb`` file with a message ``GraphDef`` whose parameters are constants.

    Args:
        network, batch_size, inputs, outputs, channel_last: see `save_saved_model`.
        path: of the file.
        optimize: simplify the graph, see `optimized`.

    Raises:
        ArgumentError, FormatError, ValueError: as `save_saved_model`.
    """
    data = to_tflite(network, batch_size, inputs, outputs, channel_last=channel_last)
    write_frozen_graph(from_bytes(data, "the network"), path, optimize)


def write_saved_model(file: FlatFile, path: Path) -> None:
    """Write what a TFLite file holds as a SavedModel."""
    tf = tensorflow()
    module = tf.Module()
    module.parameters = []
    ins, outs = _names(file)

    def serve(*given: Any) -> dict[str, Any]:
        # TensorFlow calls this more than once, and variables may be made in the first call only.
        made = iter(list(module.parameters))

        def parameter(name: str, values: np.ndarray) -> Any:
            if values.dtype != np.float32 or not name or re.fullmatch(r"t[0-9]+", name):
                return tf.constant(values)
            variable = next(made, None)
            if variable is None:
                variable = tf.Variable(values, name=node_names([name])[0])
                module.parameters.append(variable)
            return variable.read_value()

        return dict(zip(outs, _results(tf, file, parameter, given), strict=True))

    g = file.graph
    specs = [tf.TensorSpec(g.shape(n), g.tensors[n].dtype, name) for n, name in zip(file.inputs, ins, strict=True)]
    module.serve = tf.function(serve, input_signature=specs, autograph=False)
    concrete = module.serve.get_concrete_function()
    with replacing_folder(path) as folder:
        tf.saved_model.save(module, folder, signatures={SIGNATURE: concrete})


def write_frozen_graph(file: FlatFile, path: Path, optimize: bool = False) -> None:
    """Write what a TFLite file holds as a frozen graph."""
    tf = tensorflow()
    graph = tf.Graph()
    ins, outs = _names(file)
    with graph.as_default():
        g = file.graph
        places = [
            tf.compat.v1.placeholder(g.tensors[n].dtype, g.shape(n), name)
            for n, name in zip(file.inputs, ins, strict=True)
        ]
        results = _results(tf, file, lambda name, values: tf.constant(values, name=node_names([name])[0]), places)
        for result, name in zip(results, outs, strict=True):
            tf.identity(result, name)
    data = graph.as_graph_def().SerializeToString()
    if optimize:
        data = optimized(data, outs)
    with replacing(path) as temporary, open(temporary, "wb") as written:
        written.write(data)


def _names(file: FlatFile) -> tuple[list[str], list[str]]:
    """Names of inputs and outputs, all different."""
    found = node_names([file.graph.tensors[n].name for n in (*file.inputs, *file.outputs)])
    return found[: len(file.inputs)], found[len(file.inputs) :]


def _results(tf: Any, file: FlatFile, parameter: Any, given: Sequence[Any]) -> list[Any]:
    calls = Calls(tf, file.graph, parameter)
    calls.tensors.update(zip(file.inputs, given, strict=True))
    calls.run()
    return [calls(n) for n in file.outputs]
