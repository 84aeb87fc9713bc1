"""Numbers of TFLite's schema that files are read by: types of tensors, and where options of operators stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import tflite

IDENTIFIER = b"TFL3"
VERSION = 3

CODES: dict[int, str] = {n: name for name, n in vars(tflite.BuiltinOperator).items() if isinstance(n, int)}
"""Names of operators by their numbers."""

TYPES: dict[int, str] = {n: name for name, n in vars(tflite.TensorType).items() if isinstance(n, int)}
"""Names of types by their numbers."""

DTYPES = {name: np.dtype(name.lower()) for name in ("FLOAT32", "FLOAT16", "FLOAT64", "INT8", "UINT8", "INT16", "INT32",
                                                    "INT64", "BOOL")}  # fmt: skip
"""The types that are read, as NumPy has them."""

# Field, place in the table, struct letter, default.
Field = tuple[str, int, str, Any]


def _fields(text: str) -> tuple[Field, ...]:
    """Fields written as ``Name:place:letter:default``; the default is 0 where none is given."""
    found = []
    for word in text.split():
        name, place, letter, *default = word.split(":")
        value: Any = float(default[0]) if default else 0
        found.append((name, int(place), letter, value if letter == "f" else int(value)))
    return tuple(found)


_WINDOWS = "Padding:0:b StrideW:1:i StrideH:2:i"
_ACTIVATION = _fields("FusedActivationFunction:0:b")

OPTIONS: dict[str, tuple[Field, ...]] = {
    "Conv2DOptions": _fields(f"{_WINDOWS} FusedActivationFunction:3:b DilationWFactor:4:i:1 DilationHFactor:5:i:1"),
    "DepthwiseConv2DOptions": _fields(
        f"{_WINDOWS} DepthMultiplier:3:i FusedActivationFunction:4:b DilationWFactor:5:i:1 DilationHFactor:6:i:1"
    ),
    "TransposeConvOptions": _fields(f"{_WINDOWS} FusedActivationFunction:3:b"),
    "Pool2DOptions": _fields(f"{_WINDOWS} FilterWidth:3:i FilterHeight:4:i FusedActivationFunction:5:b"),
    "FullyConnectedOptions": _fields("FusedActivationFunction:0:b WeightsFormat:1:b KeepNumDims:2:b"),
    "SoftmaxOptions": _fields("Beta:0:f"),
    "ConcatenationOptions": _fields("Axis:0:i FusedActivationFunction:1:b"),
    "AddOptions": _ACTIVATION,
    "SubOptions": _ACTIVATION,
    "MulOptions": _ACTIVATION,
    "DivOptions": _ACTIVATION,
    "L2NormOptions": _ACTIVATION,
    "GatherOptions": _fields("Axis:0:i BatchDims:1:i"),
    "LeakyReluOptions": _fields("Alpha:0:f"),
    "PackOptions": _fields("ValuesCount:0:i Axis:1:i"),
    "UnpackOptions": _fields("Num:0:i Axis:1:i"),
    "ReducerOptions": _fields("KeepDims:0:b"),
    "StridedSliceOptions": _fields(
        "BeginMask:0:i EndMask:1:i EllipsisMask:2:i NewAxisMask:3:i ShrinkAxisMask:4:i Offset:5:b"
    ),
    "BatchMatMulOptions": _fields("AdjX:0:b AdjY:1:b"),
    "SplitOptions": _fields("NumSplits:0:i"),
    "SplitVOptions": _fields("NumSplits:0:i"),
    "ResizeBilinearOptions": _fields("AlignCorners:2:b HalfPixelCenters:3:b"),
    "ResizeNearestNeighborOptions": _fields("AlignCorners:0:b HalfPixelCenters:1:b"),
    "OneHotOptions": _fields("Axis:0:i"),
    "GeluOptions": _fields("Approximate:0:b"),
    "CumsumOptions": _fields("Exclusive:0:b Reverse:1:b"),
    "CastOptions": _fields("InDataType:0:b OutDataType:1:b"),
    "MirrorPadOptions": _fields("Mode:0:b"),
    "SpaceToDepthOptions": _fields("BlockSize:0:i"),
    "DepthToSpaceOptions": _fields("BlockSize:0:i"),
    "SqueezeOptions": _fields("SqueezeDims:0:v"),
    "ReshapeOptions": _fields("NewShape:0:v"),
}
"""The fields of options that say how an operator computes; ``v`` is a row of int32."""

OPTION_NAMES: dict[int, str] = {n: name for name, n in vars(tflite.BuiltinOptions).items() if isinstance(n, int)}
"""Names of tables of options by their numbers."""
