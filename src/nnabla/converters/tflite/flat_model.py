"""A `FlatGraph` as the bytes of a TFLite file, a flatbuffer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
import tflite

from .flat_graph import FlatGraph, Operation, Quantization, Tensor
from .schema import DTYPES, IDENTIFIER, VERSION

_TYPES = {dtype: name for name, dtype in DTYPES.items()}
_PLACEHOLDER = 127
# The first version of operators that computes with 8-bit integers, where that is not the first at all.
_FOR_INTEGERS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4} | dict.fromkeys(
    ["ADD", "SUB", "MUL", "MAX_POOL_2D", "AVERAGE_POOL_2D", "CONCATENATION", "TRANSPOSE", "PAD", "PADV2",
     "STRIDED_SLICE", "GATHER", "PACK", "LOGISTIC", "TANH", "SOFTMAX", "RELU", "RELU6", "LEAKY_RELU", "MEAN", "SUM",
     "MAXIMUM", "MINIMUM", "BATCH_MATMUL", "TRANSPOSE_CONV", "DEQUANTIZE", "RESIZE_BILINEAR",
     "RESIZE_NEAREST_NEIGHBOR"], 2
)  # fmt: skip


def to_bytes(g: FlatGraph, inputs: Sequence[int], outputs: Sequence[int], name: str) -> bytes:
    """The file.

    Args:
        g: tensors and operators.
        inputs, outputs: numbers of tensors.
        name: of the graph.
    """
    builder = flatbuffers.Builder(1024)
    used = sorted({*inputs, *outputs, *[t for o in g.operations for t in (*o.inputs, *o.outputs) if t >= 0]})
    numbers = {t: i for i, t in enumerate(used)} | {-1: -1}
    codes = list(dict.fromkeys([(o.code, _version(g, o)) for o in g.operations]))
    # Buffer 0 is empty, and that of all tensors without data.
    data = [None, *[g.tensors[t].data for t in used if g.tensors[t].data is not None]]
    places, count = {}, 0
    for t in used:
        if g.tensors[t].data is not None:
            count += 1
            places[t] = count
    buffers = [_buffer(builder, each) for each in data]
    tensors = [_tensor(builder, g.tensors[t], places.get(t, 0), i) for i, t in enumerate(used)]
    operators = [_operator(builder, o, codes.index((o.code, _version(g, o))), numbers) for o in g.operations]
    title = builder.CreateString(name)
    lists = [
        _tables(builder, tensors),
        _integers(builder, [numbers[t] for t in inputs]),
        _integers(builder, [numbers[t] for t in outputs]),
        _tables(builder, operators),
    ]
    tflite.SubGraphStart(builder)
    for add, each in zip(
        (
            tflite.SubGraphAddTensors,
            tflite.SubGraphAddInputs,
            tflite.SubGraphAddOutputs,
            tflite.SubGraphAddOperators,
            tflite.SubGraphAddName,
        ),
        [*lists, title],
        strict=True,
    ):
        add(builder, each)
    graphs = _tables(builder, [tflite.SubGraphEnd(builder)])
    opcodes = _tables(builder, [_code(builder, *code) for code in codes])
    contents = _tables(builder, buffers)
    text = builder.CreateString("nnabla")
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, VERSION)
    tflite.ModelAddOperatorCodes(builder, opcodes)
    tflite.ModelAddSubgraphs(builder, graphs)
    tflite.ModelAddDescription(builder, text)
    tflite.ModelAddBuffers(builder, contents)
    builder.Finish(tflite.ModelEnd(builder), IDENTIFIER)
    return bytes(builder.Output())


def _integers(builder: Any, values: Sequence[int]) -> int:
    return int(builder.CreateNumpyVector(np.asarray(list(values), np.int32)))


def _tables(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _buffer(builder: Any, data: np.ndarray | None) -> int:
    vector = None
    if data is not None:
        raw = np.frombuffer(data.tobytes(), np.uint8)
        # Runtimes read numbers where they lie, at multiples of 16.
        builder.StartVector(1, raw.size, 16)
        builder.head = builder.head - raw.size
        builder.Bytes[builder.head : builder.head + raw.size] = raw.tobytes()
        vector = builder.EndVector()
    tflite.BufferStart(builder)
    if vector is not None:
        tflite.BufferAddData(builder, vector)
    return int(tflite.BufferEnd(builder))


def _tensor(builder: Any, tensor: Tensor, buffer: int, number: int) -> int:
    shape = _integers(builder, tensor.shape)
    name = builder.CreateString(tensor.name or f"t{number}")
    quantization = None if tensor.quantization is None else _quantization(builder, tensor.quantization)
    tflite.TensorStart(builder)
    tflite.TensorAddShape(builder, shape)
    tflite.TensorAddType(builder, getattr(tflite.TensorType, _TYPES[tensor.dtype]))
    tflite.TensorAddBuffer(builder, buffer)
    tflite.TensorAddName(builder, name)
    if quantization is not None:
        tflite.TensorAddQuantization(builder, quantization)
    return int(tflite.TensorEnd(builder))


def _quantization(builder: Any, quantization: Quantization) -> int:
    scale = builder.CreateNumpyVector(quantization.scale.astype(np.float32))
    zero_point = builder.CreateNumpyVector(quantization.zero_point.astype(np.int64))
    tflite.QuantizationParametersStart(builder)
    tflite.QuantizationParametersAddScale(builder, scale)
    tflite.QuantizationParametersAddZeroPoint(builder, zero_point)
    tflite.QuantizationParametersAddQuantizedDimension(builder, quantization.axis)
    return int(tflite.QuantizationParametersEnd(builder))


def _version(g: FlatGraph, operation: Operation) -> int:
    """The version of the operator that the file needs."""
    if operation.code == "BROADCAST_TO":
        return 2
    first = g.tensors[operation.inputs[0]].dtype if operation.inputs else None
    if operation.code == "TRANSPOSE_CONV":
        first = g.tensors[operation.inputs[2]].dtype
    if operation.code == "DEQUANTIZE" and first == np.float16:
        return 3
    if operation.code == "FULLY_CONNECTED":
        weights = g.tensors[operation.inputs[1]].quantization
        if weights is not None and weights.scale.size > 1:
            return 12
    return _FOR_INTEGERS.get(operation.code, 1) if first == np.int8 else 1


def _code(builder: Any, code: str, version: int) -> int:
    number = getattr(tflite.BuiltinOperator, code)
    tflite.OperatorCodeStart(builder)
    # The first field has 8 bits; newer operators stand in the second alone.
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, min(number, _PLACEHOLDER))
    tflite.OperatorCodeAddVersion(builder, version)
    tflite.OperatorCodeAddBuiltinCode(builder, number)
    return int(tflite.OperatorCodeEnd(builder))


def _operator(builder: Any, operation: Operation, code: int, numbers: dict[int, int]) -> int:
    inputs = _integers(builder, [numbers[t] for t in operation.inputs])
    outputs = _integers(builder, [numbers[t] for t in operation.outputs])
    options = _options(builder, operation) if operation.options else None
    tflite.OperatorStart(builder)
    tflite.OperatorAddOpcodeIndex(builder, code)
    tflite.OperatorAddInputs(builder, inputs)
    tflite.OperatorAddOutputs(builder, outputs)
    if options is not None:
        tflite.OperatorAddBuiltinOptionsType(builder, getattr(tflite.BuiltinOptions, operation.options))
        tflite.OperatorAddBuiltinOptions(builder, options)
    return int(tflite.OperatorEnd(builder))


def _options(builder: Any, operation: Operation) -> int:
    name = operation.options
    values = {k: _integers(builder, v) if isinstance(v, list) else v for k, v in operation.values.items()}
    getattr(tflite, f"{name}Start")(builder)
    for key, value in values.items():
        getattr(tflite, f"{name}Add{key}")(builder, value)
    return int(getattr(tflite, f"{name}End")(builder))
