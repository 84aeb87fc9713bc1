"""From an ONNX model to a described network."""

from __future__ import annotations

import dataclasses
import os
from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import IR_VERSION, ModelProto, TensorProto, ValueInfoProto, defs

from ...errors import ArgumentError, FormatError
from ...logger import logger
from ...network import ProtoGraph
from ..obstacles import Unsupported
from ..reading.description import described
from ..reading.graph_reader import Budget, Edge, GraphReader, Value
from ..reading.readings import Reading, needed, opened
from . import model_files
from .graph_walk import GraphWalk, Place, domain_of
from .tensors import type_name

OLDEST_IR = 3
# What is no number.
_OTHER = (TensorProto.UNDEFINED, TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.COMPLEX128)
# The size of the batch that models with an open one are read for, first.
_TRIAL = 2
_MOST_NAMES = 4


def from_onnx(
    model: ModelProto | str | os.PathLike[str],
    *,
    batch_size: int = 1,
    lengths: Mapping[str, int] | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> ProtoGraph:
    """Read an ONNX model as a network with parameters.

    The network holds all arrays in float32, also integers and truth values (as 0 and 1), and computes with it what
    the model computes in other types of floating point numbers. What follows from the shapes is worked out while
    reading, and so are the branches that a constant condition chooses; functions of the model are written out, and
    operators without counterpart are written as ONNX defines them by others. Inputs and outputs keep their names; so do
    initializers, as parameters, of which those with floating point numbers may be trained.

    If the first axis of inputs is open, it is that of the batch and stays open in the network; where that cannot be
    expressed, a warning in the log says why, and the network is for `batch_size`.

    Args:
        model: a message, or the path of a file. Arrays in other files are read where these are in the folder of the
            model or below it, and no link leads there.
        batch_size: of the network; where it is open, what it is run with unless the caller gives another one.
        lengths: of other open axes, by the names that the model gives them.
        fixed: values of inputs that become part of the network.

    Returns:
        A graph with one network, its parameters, and the executor ``runtime``, which names inputs and outputs.

    Raises:
        ArgumentError: `batch_size` is not positive, `fixed` does not fit, or the length of an open axis is missing.
        FileNotFoundError: there is no such file.
        FormatError: the file is damaged; or operators, types or arguments have no counterpart in NNabla, all of which
            the message names.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ArgumentError(f"from_onnx: batch_size must be at least 1, not {batch_size!r}")
    source = model_files.read(model)
    try:
        return _Importer(source, dict(lengths or {}), dict(fixed or {})).graph(batch_size)
    except UnicodeDecodeError:
        raise FormatError(f"{source.where}: it is damaged: a text is not in UTF-8") from None


class _Importer:
    def __init__(self, source: model_files.Source, lengths: dict[str, int], fixed: dict[str, Any]) -> None:
        self.model, self.where = source.model, source.where
        self.source = source
        self.lengths = lengths
        self.fixed = fixed
        self.opsets = self._opsets()
        graph = self.model.graph
        held = {tensor.name for tensor in graph.initializer}
        self.inputs = [entry for entry in graph.input if entry.name not in held and entry.name not in fixed]
        for what, entries in (("inputs", graph.input), ("outputs", graph.output)):
            names = [entry.name for entry in entries]
            if len(set(names)) != len(names) or "" in names:
                raise self._refuse(f"its {what} must have names of their own, not {names[:20]}")
        unknown = [name for name in fixed if name not in {entry.name for entry in graph.input}]
        if unknown:
            raise ArgumentError(f"from_onnx: fixed: {self.where} has no input {unknown[0]!r}")

    def _refuse(self, reason: str) -> FormatError:
        return FormatError(f"{self.where}: {reason}")

    def _opsets(self) -> dict[str, int]:
        version = self.model.ir_version
        if not OLDEST_IR <= version <= IR_VERSION:
            raise self._refuse(f"version {version} of the format is not among {OLDEST_IR} to {IR_VERSION}")
        opsets = {domain_of(entry.domain): entry.version for entry in self.model.opset_import}
        if not opsets:
            raise self._refuse("it does not say which operators it uses")
        newest = defs.onnx_opset_version()
        if not 0 < opsets.get("", newest) <= newest:
            raise self._refuse(f"opset {opsets['']} is not among 1 to {newest}, which the installed onnx knows")
        return opsets

    def graph(self, batch_size: int) -> ProtoGraph:
        """The network with its parameters."""
        batches = any(self._open_batch(entry) for entry in self.inputs)
        try:
            reading = self._opened(batch_size) if batches else self._reading(None)
            name = self.model.graph.name or "model"
            inputs = [entry.name for entry in self.inputs]
            return described(reading, name, inputs, [entry.name for entry in self.model.graph.output])
        except Unsupported as reason:
            raise self._refuse(str(reason)) from None

    def _opened(self, batch_size: int) -> Reading:
        try:
            reading = opened(self._reading(_TRIAL), self._reading(_TRIAL + 1))
        except (Unsupported, FormatError) as reason:
            reading = self._reading(batch_size)
            logger.warning("%s: the batch size is fixed to %d: %s", self.where, batch_size, reason)
        return dataclasses.replace(reading, batch=batch_size)

    # ---- inputs ------------------------------------------------------------------------------------------

    def _open_batch(self, entry: ValueInfoProto) -> bool:
        dims = entry.type.tensor_type.shape.dim
        return len(dims) > 0 and not dims[0].HasField("dim_value") and dims[0].dim_param not in self.lengths

    def _shape(self, entry: ValueInfoProto, batch: int | None) -> tuple[int, ...]:
        kind = entry.type.WhichOneof("value")
        if kind != "tensor_type":
            raise Unsupported(f"input {entry.name!r} is no array but a {(kind or 'value of no type').split('_')[0]}")
        tensor = entry.type.tensor_type
        if tensor.elem_type in _OTHER or tensor.elem_type not in TensorProto.DataType.values():
            raise Unsupported(f"input {entry.name!r} is of type {type_name(tensor.elem_type)}")
        if not tensor.HasField("shape"):
            raise Unsupported(f"input {entry.name!r} has no shape")
        if len(tensor.shape.dim) > 64:
            raise Unsupported(f"input {entry.name!r} has {len(tensor.shape.dim)} axes")
        batch_names = {e.type.tensor_type.shape.dim[0].dim_param for e in self.inputs if self._open_batch(e)} - {""}
        shape = []
        for axis, dim in enumerate(tensor.shape.dim):
            if dim.HasField("dim_value"):
                shape.append(int(dim.dim_value))
            elif dim.dim_param in self.lengths:
                shape.append(int(self.lengths[dim.dim_param]))
            elif batch is not None and (axis == 0 or dim.dim_param in batch_names):
                shape.append(batch)
            else:
                label = f" {dim.dim_param!r}" if dim.dim_param else ""
                raise Unsupported(
                    f"input {entry.name!r}: the length{label} of axis {axis} is open; lengths must say it"
                )
            if shape[-1] < 0:
                raise Unsupported(f"input {entry.name!r} has a length of {shape[-1]}")
        return tuple(shape)

    def _fixed_value(self, reader: GraphReader, entry: ValueInfoProto) -> Value:
        try:
            array = np.asarray(self.fixed[entry.name])
            assert array.dtype.kind in "biuf" or array.dtype.name in ("bfloat16",)
        except (ValueError, AssertionError):
            raise ArgumentError(f"from_onnx: fixed: {entry.name!r} must be an array of numbers") from None
        return reader.constant(array, entry.type.tensor_type.elem_type, entry.name)

    # ---- the graph ---------------------------------------------------------------------------------------

    def _reading(self, batch: int | None) -> Reading:
        """What the model computes with a size of the batch.

        Raises:
            FormatError: part of it cannot be read; the message names all parts.
        """
        graph = self.model.graph
        reader = GraphReader(Budget(self.source.size))
        walk = GraphWalk(reader, self.model.functions, self.source.folder)
        names: ChainMap[str, Value | None] = ChainMap({})
        edges: list[Edge] = []
        wanted = {entry.name for entry in self.inputs}
        for entry in graph.input:
            try:
                if entry.name in self.fixed:
                    names[entry.name] = self._fixed_value(reader, entry)
                elif entry.name in wanted:
                    shape = self._shape(entry, batch)
                    value = reader.input(entry.name, shape, entry.type.tensor_type.elem_type)
                    names[entry.name] = value
                    edges.append(value.edge)
            except Unsupported as reason:
                walk.note("input", entry.name, str(reason))
                names[entry.name] = None
        walk.initializers(graph, names)
        walk.nodes(graph.node, names, Place(self.opsets))
        outputs = []
        for entry in graph.output:
            if entry.name not in names:
                walk.note("output", entry.name, "it is computed by nothing")
            result = names.get(entry.name)
            if result is not None:
                outputs.append(result)
        if walk.obstacles:
            raise Obstacles(self.where, walk.obstacles, walk.not_known)
        ends, calls = needed(reader, outputs, edges)
        return Reading(edges, ends, calls, batch)


class Obstacles(FormatError):
    """What of a model cannot be read.

    Args:
        where: the model.
        found: by operator and reason the names of the nodes.
        not_known: whether one of them is that a value follows from an input, which could be fixed.
    """

    def __init__(self, where: str, found: Mapping[tuple[str, str], Sequence[str]], not_known: bool) -> None:
        self.not_known = not_known
        lines = []
        for (what, reason), names in found.items():
            some = ", ".join(repr(name[:80]) for name in names[:_MOST_NAMES])
            rest = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
            lines.append(f"\n  {what} {some}{rest}: {reason}")
        super().__init__(f"{where} cannot be read as a network:{''.join(lines)}")
