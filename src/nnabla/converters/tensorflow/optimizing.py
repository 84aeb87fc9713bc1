"""Frozen graphs simplified by TensorFlow's Grappler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import ArgumentError, FormatError
from .package import tensorflow

# Those that leave operators of TensorFlow's public set only: `remap` fuses layers into others that it alone runs.
_PASSES = ["pruning", "function", "constfold", "shape", "arithmetic", "loop", "dependency"]
# Operators without results, or whose results nobody asks for.
_NO_OUTPUTS = {"NoOp", "Assert", "Const", "Placeholder", "PlaceholderWithDefault", "SaveV2", "Print", "PrintV2"}


def optimized(graph: bytes, outputs: Sequence[str] = ()) -> bytes:
    """A frozen graph with fewer nodes that computes the same.

    What depends on constants only is computed, factors become part of the weights before them, what is computed twice
    is computed once, and what leads nowhere is left out.

    Args:
        graph: a message ``GraphDef`` in bytes.
        outputs: names of the nodes that are asked for; default those that no other node reads.

    Raises:
        ArgumentError: an output is not there, or `tensorflow` is not installed.
        FormatError: it is no graph, or nothing in it is an output.
    """
    tf = tensorflow()
    from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
    from tensorflow.python.grappler import tf_optimizer

    message = read_graph(tf, graph, "the graph")
    wanted = list(outputs) or ends_of(message)
    there = {node.name for node in message.node}
    for name in wanted:
        if name not in there:
            raise ArgumentError(f"optimized: outputs: there is no node {name!r} in the graph")
    whole = tf.Graph()
    with whole.as_default():
        tf.graph_util.import_graph_def(message, name="")
    described = tf.compat.v1.train.export_meta_graph(graph_def=message, graph=whole)
    # What is in this collection stays.
    described.collection_def["train_op"].node_list.value.extend(wanted)
    config = config_pb2.ConfigProto()
    options = config.graph_options.rewrite_options
    options.optimizers.extend(_PASSES)
    options.meta_optimizer_iterations = rewriter_config_pb2.RewriterConfig.TWO
    options.min_graph_nodes = -1
    return bytes(tf_optimizer.OptimizeGraph(config, described).SerializeToString())


def read_graph(tf: Any, data: bytes, where: str) -> Any:
    """The message ``GraphDef`` in bytes.

    Raises:
        FormatError: there is none.
    """
    from google.protobuf.message import DecodeError

    message = tf.compat.v1.GraphDef()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise FormatError(f"{where}: this is no frozen graph of TensorFlow, or it is damaged") from None
    if not message.node:
        raise FormatError(f"{where}: the graph has no nodes")
    return message


def ends_of(message: Any) -> list[str]:
    """Names of the nodes of a graph that no other node reads.

    Raises:
        FormatError: there are none.
    """
    read = {name.lstrip("^").partition(":")[0] for node in message.node for name in node.input}
    found = [node.name for node in message.node if node.name not in read and node.op not in _NO_OUTPUTS]
    if not found:
        raise FormatError("the graph has no outputs: every node is read by another one")
    return found
