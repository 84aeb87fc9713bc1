"""From a described network to an ONNX model."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, defs, helper

from ..._version import __version__
from ...errors import ArgumentError, FormatError
from ...network import ProtoFunction, ProtoNetwork
from ...network.concrete_shapes import concrete_shapes
from ...network.initial_values import InitialValues
from ...network.variable_batch import variable_batch_size
from ..obstacles import Unsupported
from . import export_rules
from .graph_writer import GraphWriter, Shape

DEFAULT_OPSET = 17
OLDEST_OPSET = 9

# Of the dimension that stands for an open batch size.
BATCH = "batch"


def newest_opset() -> int:
    """The newest operator set that the installed onnx knows."""
    return int(defs.onnx_opset_version())


def checked_opset(opset: Any) -> int:
    """`opset`, or the default for ``None``.

    Raises:
        ArgumentError: it is none that can be written.
    """
    if opset is None:
        return DEFAULT_OPSET
    newest = newest_opset()
    if not isinstance(opset, int) or isinstance(opset, bool) or not OLDEST_OPSET <= opset <= newest:
        raise ArgumentError(f"ONNX: opset must be a number from {OLDEST_OPSET} to {newest}, not {opset!r}")
    return opset


def to_onnx(network: ProtoNetwork, opset: int | None = None, batch_size: int | None = None) -> ModelProto:
    """Write a network, with its parameters, as an ONNX model.

    All inputs, outputs and parameters are float32, also those that hold indices or labels. Functions that behave
    differently in training are written as they run: batch normalization by the statistics of the batch if
    ``batch_stat`` says so. Dropout becomes ONNX's, which runtimes leave out.

    Args:
        network: with values for its parameters. It is not changed.
        opset: number of the operator set, from 9 to the newest that the installed onnx knows; default 17.
        batch_size: the size of the batch; -1 leaves it open, as the dimension ``"batch"``. Default: as the network
            says.

    Returns:
        The model, in the oldest version of the format that has the operator set.

    Raises:
        ArgumentError: `opset` or `batch_size` is not possible, also where nothing says which axis is the batch's.
        FormatError: functions or arguments that ONNX cannot express; the message names them all.
        ValueError: a parameter has no values.
    """
    opset = checked_opset(opset)
    if batch_size is not None and (isinstance(batch_size, bool) or not (batch_size == -1 or batch_size >= 1)):
        raise ArgumentError(f"ONNX: batch_size must be -1 or at least 1, not {batch_size!r}")
    network = network.expand_loop_control()
    if batch_size is not None:
        network = _with_open_batch(network)
    return _Exporter(network, opset, batch_size).model()


def _with_open_batch(network: ProtoNetwork) -> ProtoNetwork:
    """The network, or a copy that leaves the size of the batch open.

    Raises:
        ArgumentError: nothing says which axis is the batch's.
    """
    opened = network
    for attempt in (False, True):
        if attempt:
            opened = network.clone()
            variable_batch_size(opened)
        if any(-1 in opened.variables[name].shape for name in opened.inputs):
            return opened
    raise ArgumentError(
        f"ONNX: batch_size cannot be set: nothing in network {network.name!r} says which axis is the batch's"
    )


class _Exporter:
    def __init__(self, network: ProtoNetwork, opset: int, batch_size: int | None) -> None:
        self.network = network
        self.functions = list(network.forward_sequence())
        self.obstacles: list[str] = []
        self.concrete = concrete_shapes(network, batch_size if batch_size is not None and batch_size > 0 else None)
        shapes = self.concrete.shapes
        if batch_size == -1:
            shapes = self._open_shapes(shapes)
        self.shapes = shapes
        self.writer = GraphWriter(opset, shapes, self._value_of, network.outputs)

    # ---- shapes ------------------------------------------------------------------------------------------

    def _open_shapes(self, shapes: dict[str, Shape]) -> dict[str, Shape]:
        """The same shapes with -1 where the batch is."""
        if any(-1 in self.network.variables[name].shape for name in self.network.inputs):
            # What is another length for another size.
            size = next(shapes[name][self.network.variables[name].shape.index(-1)] for name in self.network.inputs
                        if -1 in self.network.variables[name].shape)  # fmt: skip
            larger = concrete_shapes(self.network, size + 1).shapes
            return {name: tuple([a if a == b else -1 for a, b in zip(shape, larger[name], strict=True)])
                    for name, shape in shapes.items()}  # fmt: skip
        twin = self.network.clone()
        for name, variable in twin.variables.items():
            variable.shape = shapes[name]
        twin.batch_size = None
        variable_batch_size(twin)
        opened = {name: tuple(v.shape) for name, v in twin.variables.items()}
        return shapes | opened

    # ---- the graph ---------------------------------------------------------------------------------------

    def model(self) -> ModelProto:
        for f in self.functions:
            self._write(f)
        if self.obstacles:
            lines = "".join([f"\n  {line}" for line in self.obstacles])
            raise FormatError(
                f"network {self.network.name!r} cannot be written as ONNX with opset {self.writer.opset}:{lines}"
            )
        network, writer = self.network, self.writer
        nodes = writer.node_messages()
        read = {name for node in nodes for name in node.input}
        opset = helper.make_opsetid("", writer.opset)
        model = ModelProto(producer_name="nnabla", producer_version=__version__, opset_import=[opset])
        model.ir_version = helper.find_min_ir_version_for([opset])
        # In place: a message that is put into another one is copied, with all arrays.
        graph = model.graph
        graph.name = str(network.name)
        graph.node.extend(nodes)
        graph.input.extend([self._value(name) for name in network.inputs])
        graph.output.extend([self._value(name) for name in network.outputs])
        for name, array in [*self._parameters(read), *writer.constants.items()]:
            held = graph.initializer.add(name=name, dims=array.shape)
            held.data_type = helper.np_dtype_to_tensor_dtype(array.dtype)
            held.raw_data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        return model

    def _write(self, f: ProtoFunction) -> None:
        name = str(f.name)
        try:
            if f.type not in export_rules.RULES:
                raise Unsupported("no rule writes this function as ONNX")
            operator, inputs = self.concrete.operators[name], self.concrete.declared_inputs(f)
            call = export_rules.Call(operator, inputs, f.outputs, [self.shapes[n] for n in f.outputs])
            start = self.writer.begin(name)
            results = export_rules.run(self.writer, call)
            for result, output in zip(results, f.outputs, strict=True):
                self.writer.finish(start, result, output)
        except Unsupported as reason:
            self.obstacles.append(f"{f.type} {name!r}: {reason}")

    def _value_of(self, name: str) -> np.ndarray | None:
        variable = self.network.owner._parameter(name) if name in self.network.parameters else None
        return None if variable is None else np.asarray(variable.d, np.float32)

    def _value(self, name: str) -> ValueInfoProto:
        lengths = [BATCH if d < 0 else d for d in self.shapes[name]]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, lengths)

    def _parameters(self, read: set[str]) -> list[tuple[str, np.ndarray]]:
        with InitialValues(self.network.owner) as initial:
            found = {name: initial.parameter(p) for name, p in self.network.parameters.items() if name in read}
        return [(name, np.asarray(variable.d, np.float32)) for name, variable in found.items()]


def opset_of(text: str | None) -> int | None:
    """The number in ``opset_17``, as the option ``-d`` of ``nnabla_cli convert`` has it.

    Raises:
        ArgumentError: it is none that can be written.
    """
    if text is None:
        return None
    found = re.fullmatch(r"opset_([0-9]{1,9})", text)
    if found is None:
        newest = newest_opset()
        raise ArgumentError(f"ONNX: define_version must be opset_{OLDEST_OPSET} to opset_{newest}, not {text!r}")
    return checked_opset(int(found[1]))
