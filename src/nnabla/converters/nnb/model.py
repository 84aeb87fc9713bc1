"""`Model`: a network as the C runtime knows it, numbered variables and functions; what NNB files hold."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np

from ...errors import ArgumentError

Shape = tuple[int, ...]

FRACTION_BITS = 15
"""The most that a file can say: it has four bits for them."""


class DataType(IntEnum):
    """How numbers are stored, with the code in files."""

    FLOAT = 0
    INT16 = 1
    INT8 = 2
    SIGN = 3

    @property
    def dtype(self) -> np.dtype:
        """Of NumPy. Signs are held as -1 and 1."""
        return _DTYPES[self]

    @property
    def bits(self) -> int:
        """Of one number in memory."""
        return (32, 16, 8, 1)[self]


_DTYPES: list[np.dtype] = [np.dtype("<f4"), np.dtype("<i2"), np.dtype(np.int8), np.dtype(np.int8)]
SETTINGS = {
    DataType.FLOAT: "FLOAT32",
    DataType.INT16: "FIXED16",
    DataType.INT8: "FIXED8",
    DataType.SIGN: "SIGN",
}
"""Names of the types in settings."""


@dataclasses.dataclass
class Variable:
    """A variable.

    Attributes:
        name: in the network; files do not hold names.
        shape: lengths of the axes.
        type: how its numbers are stored.
        fp_pos: number of fraction bits; a number is what is stored divided by 2 to the power of it.
        data: what is stored, in one row, of a parameter; else ``None``.
        buffer: number of the work buffer that it lies in, unless it has data.
    """

    name: str
    shape: Shape
    type: DataType = DataType.FLOAT
    fp_pos: int = 0
    data: np.ndarray | None = None
    buffer: int = 0

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return -(-self.size * self.type.bits // 8)

    def numbers(self, stored: np.ndarray | None = None) -> np.ndarray:
        """What its data, or `stored`, stand for, as float64 in one row."""
        held = self.data if stored is None else stored
        assert held is not None
        with np.errstate(invalid="ignore"):
            return held.astype(np.float64) / 2.0**self.fp_pos


@dataclasses.dataclass
class Function:
    """A function.

    Attributes:
        name: in the network; files do not hold names.
        type: type name, ``"Convolution"``.
        inputs, outputs: numbers of variables.
        arguments: values by name; choices as text.
        implement: 0 to 99 for one that the user of the runtime may provide, see `nnb_format` in the documentation.
        number: of the function in files, see `function_ids`.
    """

    name: str
    type: str
    inputs: list[int]
    outputs: list[int]
    arguments: dict[str, Any]
    implement: int = 0
    number: int = -1


@dataclasses.dataclass
class Model:
    """A network.

    Attributes:
        name: of the network; files do not hold it.
        variables, functions: in the order in which they are numbered and run.
        inputs, outputs: numbers of variables.
        buffers: sizes of the work buffers, in the unit of `version`.
        version: of the format: 2, in which sizes of buffers are numbers of elements of 4 bytes, or 3, in bytes.
        api_level: level that the numbers of functions are from.
    """

    name: str
    variables: list[Variable]
    functions: list[Function]
    inputs: list[int]
    outputs: list[int]
    buffers: list[int] = dataclasses.field(default_factory=list)
    version: int = 2
    api_level: int = 44

    @property
    def buffer_bytes(self) -> list[int]:
        """What the runtime allocates for each buffer."""
        return [size * (4 if self.version == 2 else 1) for size in self.buffers]


def first_values(model: Model) -> set[int]:
    """Numbers of constants of which files hold only the first value: weights of binary convolutions, which the runtime
    does not read."""
    types = ("BinaryConnectConvolution", "BinaryWeightConvolution")
    cut = {f.inputs[1] for f in model.functions if f.type in types and len(f.inputs) > 1}
    others = {v for f in model.functions for i, v in enumerate(f.inputs) if f.type not in types or i != 1}
    return cut - others - set(model.outputs)


def stored(values: np.ndarray, type: DataType, fp_pos: int) -> np.ndarray:
    """Numbers as constants of a file are stored: rounded, halves to even, and limited to the range of the type."""
    flat = np.ascontiguousarray(values).ravel()
    if type == DataType.SIGN:
        return np.where(flat > 0, 1, -1).astype(type.dtype)
    return _limited(np.rint, flat, type, fp_pos)


def computed(values: np.ndarray, type: DataType, fp_pos: int) -> np.ndarray:
    """Results as the runtime stores them: what is behind the last fraction bit is dropped, and the range is kept."""
    return _limited(np.trunc, values, type, fp_pos)


def _limited(whole: Callable[..., np.ndarray], values: np.ndarray, type: DataType, fp_pos: int) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        if type == DataType.FLOAT:
            return values.astype(type.dtype)
        info = np.iinfo(type.dtype)
        scaled = np.nan_to_num(whole(values.astype(np.float64) * 2.0**fp_pos), nan=0.0)
        return np.clip(scaled, info.min, info.max).astype(type.dtype)


def fitting_fp_pos(values: np.ndarray, bits: int) -> int:
    """The fraction bits with which all of `values` can be stored, as NNabla chooses them for parameters.

    Args:
        values: numbers.
        bits: of the type, 16 or 8.

    Raises:
        ArgumentError: the largest one has too many bits before the point.
    """
    largest = float(np.max(np.abs(values), initial=0.0))
    if not math.isfinite(largest):
        raise ArgumentError("values that are not finite cannot be stored in fixed point")
    integer_bits = 1
    if largest >= 1.0:
        # A power of two itself needs one more, unless only its negative is there.
        power = math.ceil(math.log2(largest))
        integer_bits = power + 1 + (2.0**power == largest and bool(np.any(values == largest)))
    if integer_bits > bits:
        raise ArgumentError(f"values up to {largest:.6g} do not fit into {bits} bits")
    return bits - integer_bits
