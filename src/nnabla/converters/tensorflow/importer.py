"""From TensorFlow's models to a described network, over TensorFlow's own converter to TFLite."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...errors import ArgumentError, FormatError
from ...logger import logger
from ...network import ProtoGraph
from ..obstacles import Unsupported
from ..reading.description import described
from ..reading.readings import Reading, opened
from ..tflite.flat_file import from_bytes
from ..tflite.importer import reading_of, unique_names
from .exporter import SIGNATURE
from .optimizing import ends_of, read_graph
from .package import node_names, tensorflow

Path = str | os.PathLike[str]

_LONGEST = 600
# The size of the batch that models with an open one are read for, first.
_TRIAL = 2


def from_saved_model(path: Path, batch_size: int = 1, signature: str = SIGNATURE) -> ProtoGraph:
    """Read a SavedModel as a network with parameters.

    Inputs and outputs have the names of the signature. What depends on variables only is computed, and layers take in
    the normalizations behind them. TensorFlow reads the folder, so that what it says of models of strangers holds here.

    Args:
        path: of the folder.
        batch_size: of the network; where the model leaves it open, and NNabla can, what it is run with unless the
            caller gives another one.
        signature: the one that is meant.

    Raises:
        ArgumentError: `batch_size` is not possible, or `tensorflow` is not installed.
        FileNotFoundError: there is no such folder.
        FormatError: TensorFlow cannot read it; it has no such signature; or operators have no counterpart in NNabla,
            all of which the message names.
    """
    tf, where = tensorflow(), os.fspath(path)
    if not os.path.isdir(where):
        raise FileNotFoundError(f"{where}: there is no such folder")
    with _told(tf, where):
        loaded = tf.saved_model.load(where)
    if signature not in loaded.signatures:
        raise FormatError(f"{where}: it has no signature {signature!r}, only {sorted(loaded.signatures)}")
    function = loaded.signatures[signature]
    given: dict[str, Any] = function.structured_input_signature[1]
    names, results = list(given), list(function.structured_outputs)

    def call(*x: Any) -> list[Any]:
        found = function(**dict(zip(names, x, strict=True)))
        return [found[name] for name in results]

    shapes = [(tuple(s.shape) if s.shape.rank is not None else None, s.dtype) for s in given.values()]
    return _read(tf, call, shapes, names, results, batch_size, where, loaded)


def from_frozen_graph(
    path: Path, batch_size: int = 1, inputs: Sequence[str] = (), outputs: Sequence[str] = ()
) -> ProtoGraph:
    """Read a frozen graph, a ``.pb`` file with a message ``GraphDef``, as a network with parameters.

    Args:
        path: of the file.
        batch_size: see `from_saved_model`.
        inputs, outputs: names of nodes or tensors, ``"x"`` or ``"x:0"``; default the placeholders, and the nodes that
            no other node reads.

    Raises:
        ArgumentError, FormatError: as `from_saved_model`; or there is no node of a name.
        FileNotFoundError: there is no such file.
    """
    tf, where = tensorflow(), os.fspath(path)
    with open(where, "rb") as file:
        message = read_graph(tf, file.read(), where)
    return _of_graph(tf, message, batch_size, inputs, outputs or ends_of(message), where)


def from_checkpoint(path: Path, outputs: Sequence[str], inputs: Sequence[str] = (), batch_size: int = 1) -> ProtoGraph:
    """Read a checkpoint of version 1 or 2 with the graph beside it as a network with parameters.

    Args:
        path: ``model.ckpt.meta`` of version 2, whose parameters are in ``model.ckpt.index`` and ``.data`` files; or
            ``model.ckpt`` of version 1, beside which the graph is in ``model.ckpt.meta``.
        outputs: names of nodes or tensors.
        inputs: likewise; default the placeholders that the outputs need.
        batch_size: see `from_saved_model`.

    Raises:
        ArgumentError, FormatError: as `from_saved_model`; or there is no node of a name.
        FileNotFoundError: a file is not there.
    """
    tf, where = tensorflow(), os.fspath(path)
    if not outputs:
        raise ArgumentError("from_checkpoint: outputs must name a node at least")
    prefix = where.removesuffix(".meta")
    if not os.path.isfile(f"{prefix}.meta"):
        raise FileNotFoundError(f"{where}: there is no file {prefix}.meta with the graph")
    graph = tf.Graph()
    with _told(tf, where), graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        saver = tf.compat.v1.train.import_meta_graph(f"{prefix}.meta", clear_devices=True)
        if saver is not None:
            saver.restore(session, prefix)
        nodes = [_node(graph, name, where) for name in outputs]
        message = tf.compat.v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), nodes)
    return _of_graph(tf, message, batch_size, inputs, outputs, where)


def _node(graph: Any, name: str, where: str) -> str:
    node = name.partition(":")[0]
    try:
        graph.get_operation_by_name(node)
    except KeyError:
        raise ArgumentError(f"{where}: there is no node {node!r} in the graph") from None
    return node


def _of_graph(
    tf: Any, message: Any, batch_size: int, inputs: Sequence[str], outputs: Sequence[str], where: str
) -> ProtoGraph:
    ops = {node.name: node.op for node in message.node}
    given = list(inputs) or [name for name, op in ops.items() if op.startswith("Placeholder")]
    for name in (*given, *outputs):
        if name.partition(":")[0] not in ops:
            raise ArgumentError(f"{where}: there is no node {name!r} in the graph")
    with _told(tf, where):
        whole = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(message, name=""), [])
        ends = [[whole.graph.as_graph_element(_tensor(name)) for name in names] for names in (given, outputs)]
        function = whole.prune(*ends)
    shapes = [(tuple(t.shape) if t.shape.rank is not None else None, t.dtype) for t in ends[0]]
    return _read(tf, lambda *x: list(function(*x)), shapes, given, list(outputs), batch_size, where, whole)


def _tensor(name: str) -> str:
    return name if ":" in name else f"{name}:0"


def _read(
    tf: Any,
    call: Callable[..., list[Any]],
    given: Sequence[tuple[tuple[int | None, ...] | None, Any]],
    inputs: Sequence[str],
    outputs: Sequence[str],
    batch_size: int,
    where: str,
    owner: Any,
) -> ProtoGraph:
    """The network of a function of tensors with these shapes and types."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ArgumentError(f"{where}: batch_size must be at least 1, not {batch_size!r}")
    for (shape, _), name in zip(given, inputs, strict=True):
        if shape is None or None in shape[1:]:
            raise FormatError(f"{where}: input {name!r} must have lengths for all axes but the first, not {shape}")

    def reading(batch: int) -> Reading:
        specs = [
            tf.TensorSpec([batch if d is None else int(d) for d in shape or ()], dtype, legal)
            for (shape, dtype), legal in zip(given, node_names(inputs), strict=True)
        ]
        with _told(tf, where):
            concrete = tf.function(call, input_signature=specs, autograph=False).get_concrete_function()
            data = tf.lite.TFLiteConverter.from_concrete_functions([concrete], owner).convert()
        file = from_bytes(data, where)
        file.outputs.sort(key=lambda n: _place(file.graph.tensors[n].name))
        shapes = [file.graph.shape(n) for n in file.outputs]
        wanted = [tuple(y.shape) if y.shape.is_fully_defined() else None for y in concrete.outputs]
        if any(b not in (None, a) for a, b in zip(shapes, wanted, strict=True)):
            raise FormatError(f"{where}: its outputs cannot be told apart: {shapes}")
        return dataclasses.replace(reading_of(file, len(data), where), batch=batch)

    names = unique_names([name.removesuffix(":0") for name in (*inputs, *outputs)], len(inputs))
    try:
        is_open = any(None in (shape or ()) for shape, _ in given)
        found = _opened(reading, batch_size, where) if is_open else reading(batch_size)
        if not is_open:
            found.batch = None
        return described(found, "model", names[: len(inputs)], names[len(inputs) :])
    except Unsupported as reason:
        raise FormatError(f"{where}: {reason}") from None


def _place(name: str) -> int:
    """The place of an output among those of the function, which TensorFlow's converter may have in another order.

    It calls them ``Identity``, ``Identity_1``, or ``StatefulPartitionedCall:0``, ``StatefulPartitionedCall:1``.
    """
    found = re.search(r"(?:Identity_|:)([0-9]+)$", name)
    return 0 if found is None else int(found[1])


def _opened(reading: Callable[[int], Reading], batch_size: int, where: str) -> Reading:
    """What is read for two sizes of the batch as one that leaves it open, where NNabla can express that."""
    try:
        found = opened(reading(_TRIAL), reading(_TRIAL + 1))
    except Unsupported as reason:
        logger.warning("%s: the batch size is fixed to %d: %s", where, batch_size, reason)
        found = reading(batch_size)
    return dataclasses.replace(found, batch=batch_size)


@contextmanager
def _told(tf: Any, where: str) -> Iterator[None]:
    """Turns what TensorFlow raises into a `FormatError` that names the model."""
    from tensorflow.lite.python.convert_phase import ConverterError

    try:
        yield
    except (ArgumentError, FormatError):
        raise
    except (ValueError, TypeError, KeyError, OSError, RuntimeError, tf.errors.OpError, ConverterError) as error:
        raise FormatError(f"{where}: TensorFlow cannot read it: {str(error).strip()[:_LONGEST]}") from None
