"""From a described network to an ONNX model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, defs, helper

from ..._version import __version__
from ...errors import ArgumentError, FormatError, shown
from ...network import ProtoFunction, ProtoNetwork
from ...network.concrete_shapes import concrete_shapes
from ...network.initial_values import InitialValues
from ...network.variable_batch import variable_batch_size
from ..obstacles import Unsupported
from . import export_rules
from .graph_writer import BATCH, GraphWriter, Shape
from .model_files import Exported

DEFAULT_OPSET = 17
OLDEST_OPSET = 6
# Runtimes by the names that NNabla has for what they read, and the operator sets that those are.
RUNTIMES = {"snpe": 6, "tensorrt": 11}


def newest_opset() -> int:
    """The newest operator set that the installed onnx knows."""
    return int(defs.onnx_opset_version())


def checked_opset(opset: Any) -> int | str:
    """`opset`, a number or the name of a runtime, or the default for ``None``.

    Raises:
        ArgumentError: it is none that can be written.
    """
    if opset is None:
        return DEFAULT_OPSET
    newest = newest_opset()
    if isinstance(opset, str) and opset in RUNTIMES:
        return opset
    if not isinstance(opset, int) or isinstance(opset, bool) or not OLDEST_OPSET <= opset <= newest:
        names = " or ".join([f"{name!r}" for name in RUNTIMES])
        raise ArgumentError(f"ONNX: opset must be a number from {OLDEST_OPSET} to {newest}, or {names}, not {opset!r}")
    return opset


def to_onnx(
    network: ProtoNetwork,
    opset: int | str | None = None,
    batch_size: int | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    *,
    generated: Mapping[str, tuple[str, float]] | None = None,
) -> ModelProto:
    """Write a network, with its parameters, as an ONNX model.

    All inputs, outputs and parameters are float32, also those that hold indices or labels. Functions that behave
    differently in training are written as they run: batch normalization by the statistics of the batch if
    ``batch_stat`` says so. Dropout becomes ONNX's, which runtimes leave out.

    Args:
        network: with values for its parameters. It is not changed.
        opset: number of the operator set, from 6 to the newest that the installed onnx knows; default 17.
            ``"snpe"`` is 6 with weights of affine layers as Qualcomm's SDK wants them, ``"tensorrt"`` is 11.
        batch_size: the size of the batch; -1 leaves it open, as the dimension ``"batch"``. Default: as the network
            says.
        inputs: names in the order that the model has them; others that it needs follow. Default: all of the network.
        outputs: names, which may be of any variables; only what leads to them is written. Default: those of the
            network.
        generated: inputs that the model draws itself, each time it is run: ``("Normal", standard deviation)``,
            ``("Uniform", greatest value)`` or ``("Constant", value)`` by name.

    Returns:
        The model, in the oldest version of the format that has the operator set.

    Raises:
        ArgumentError: `opset` or `batch_size` is not possible, also where nothing says which axis is the batch's; or
            there is no variable of a name, or no such generator.
        FormatError: functions or arguments that ONNX cannot express; the message names them all.
        ValueError: a parameter has no values.
    """
    return exported(network, opset, batch_size, inputs, outputs, generated).filled()


def exported(
    network: ProtoNetwork,
    opset: int | str | None = None,
    batch_size: int | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    generated: Mapping[str, tuple[str, float]] | None = None,
) -> Exported:
    """What `to_onnx` writes, with the arrays beside the message; they share memory with the parameters."""
    chosen = checked_opset(opset)
    runtime = chosen if isinstance(chosen, str) else None
    number = chosen if isinstance(chosen, int) else RUNTIMES[chosen]
    if batch_size is not None and (isinstance(batch_size, bool) or not (batch_size == -1 or batch_size >= 1)):
        raise ArgumentError(f"ONNX: batch_size must be -1 or at least 1, not {batch_size!r}")
    network = network.expand_loop_control()
    if batch_size is not None:
        network = _with_open_batch(network)
    drawn = dict(generated or {})
    for name in (*(inputs or ()), *(outputs or ()), *drawn):
        if name not in network.variables and name not in network.parameters:
            raise ArgumentError(f"ONNX: network {network.name!r} has no variable {name!r}")
    exporter = _Exporter(network, max(number, 7), runtime, batch_size, inputs, outputs, drawn)
    if number >= 7:
        return exporter.model()
    from .opset_6 import to_opset_6

    return Exported(to_opset_6(exporter.model().filled()), {})


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
    def __init__(
        self,
        network: ProtoNetwork,
        opset: int,
        runtime: str | None,
        batch_size: int | None,
        inputs: Sequence[str] | None,
        outputs: Sequence[str] | None,
        generated: dict[str, tuple[str, float]],
    ) -> None:
        self.network = network
        self.outputs = list(dict.fromkeys(network.outputs if outputs is None else outputs))
        self.functions, read = _leading_to(network, self.outputs)
        needed = [name for name in network.inputs if outputs is None or name in read]
        given = [*(inputs or ()), *needed]
        self.inputs = [name for name in dict.fromkeys(given) if name not in generated]
        self.generated = {name: how for name, how in generated.items() if name in read}
        self.obstacles: list[str] = []
        self.concrete = concrete_shapes(network, batch_size if batch_size is not None and batch_size > 0 else None)
        shapes = self.concrete.shapes
        if batch_size == -1:
            shapes = self._open_shapes(shapes)
        self.shapes = shapes
        self.writer = GraphWriter(opset, shapes, self._value_of, self.outputs, runtime)
        # What has a size only when it has run.
        self.open_sizes: set[str] = set()

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

    def model(self) -> Exported:
        for name, (kind, factor) in self.generated.items():
            self._generate(name, kind, factor)
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
        # Up to version 3 of the format, the arrays that a model holds have to be inputs, too.
        model.ir_version = max(helper.find_min_ir_version_for([opset]), 4)
        # In place: a message that is put into another one is copied, with all arrays.
        graph = model.graph
        graph.name = str(network.name)
        graph.node.extend(nodes)
        graph.input.extend([self._value(name) for name in self.inputs])
        graph.output.extend([self._value(name) for name in self.outputs])
        arrays = self._parameters(read) | writer.constants
        for name, array in arrays.items():
            graph.initializer.add(name=name, dims=array.shape, data_type=helper.np_dtype_to_tensor_dtype(array.dtype))
        return Exported(model, arrays)

    def _write(self, f: ProtoFunction) -> None:
        name = str(f.name)
        try:
            if f.type not in export_rules.RULES:
                raise Unsupported("no rule writes this function as ONNX")
            if any(source in self.open_sizes for source in f.inputs):
                raise Unsupported("the shape of an input is known only when the network has run")
            operator, inputs = self.concrete.operators[name], self.concrete.declared_inputs(f)
            if operator.dynamic_shape:
                self.open_sizes.update(f.outputs)
            call = export_rules.Call(operator, inputs, f.outputs, [self.shapes[n] for n in f.outputs])
            start = self.writer.begin(name)
            results = export_rules.run(self.writer, call)
            for result, output in zip(results, f.outputs, strict=True):
                self.writer.finish(start, result, output)
        except Unsupported as reason:
            self.obstacles.append(f"{f.type} {name!r}: {reason}")

    def _generate(self, name: str, kind: str, factor: float) -> None:
        """Write what draws an input."""
        shape = self.shapes[name]
        start = self.writer.begin(name)
        try:
            if kind == "Normal":
                drawn = export_rules.drawn(self.writer, "RandomNormal", shape, mean=0.0, scale=factor)
            elif kind == "Uniform":
                drawn = export_rules.drawn(self.writer, "RandomUniform", shape, low=-factor, high=factor)
            elif kind == "Constant":
                ones = (1,) * len(shape)
                drawn = self.writer.expand(self.writer.constant(np.full(ones, factor)), ones, shape)
            else:
                raise ArgumentError(f"variable {name!r}: there is no generator {shown(kind)!r}")
            self.writer.finish(start, drawn, name)
        except Unsupported as reason:
            self.obstacles.append(f"generator of {name!r}: {reason}")

    def _value_of(self, name: str) -> np.ndarray | None:
        variable = self.network.owner._parameter(name) if name in self.network.parameters else None
        return None if variable is None else np.asarray(variable.d, np.float32)

    def _value(self, name: str) -> ValueInfoProto:
        lengths: list[Any] = [BATCH if d < 0 else d for d in self.shapes[name]]
        if name in self.open_sizes:
            lengths = [None] * len(lengths)
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, lengths)

    def _parameters(self, read: set[str]) -> dict[str, np.ndarray]:
        with InitialValues(self.network.owner) as initial:
            found = {name: initial.parameter(p) for name, p in self.network.parameters.items() if name in read}
        return {name: np.asarray(variable.d, np.float32) for name, variable in found.items()}


def _leading_to(network: ProtoNetwork, outputs: Sequence[str]) -> tuple[list[ProtoFunction], set[str]]:
    """The functions that lead to variables, in the order of the network, and the names of all that is read."""
    read = set(outputs)
    found = []
    for f in reversed(list(network.forward_sequence())):
        if read.intersection(f.outputs):
            found.append(f)
            read.update(f.inputs)
    return found[::-1], read


def opset_of(text: str | None) -> int | str | None:
    """What ``opset_17`` or ``opset_snpe`` means to `to_onnx`, as the option ``-d`` of ``nnabla_cli convert`` has it.

    Raises:
        ArgumentError: it is none that can be written.
    """
    if text is None:
        return None
    if text.removeprefix("opset_") in RUNTIMES:
        return text.removeprefix("opset_")
    found = re.fullmatch(r"opset_([0-9]{1,9})", text)
    if found is None:
        numbers = f"opset_{OLDEST_OPSET} to opset_{newest_opset()}"
        names = " or ".join([f"opset_{name}" for name in RUNTIMES])
        raise ArgumentError(f"ONNX: define_version must be {numbers}, {names}, not {text!r}")
    return checked_opset(int(found[1]))
