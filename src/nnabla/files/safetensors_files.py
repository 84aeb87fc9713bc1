"""Parameters in `.safetensors` files, which other frameworks read and write. NNabla 1.x has no such format."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
import torch

from ..dtypes import NUMPY_FROM_TORCH
from ..errors import ArgumentError, FormatError, shown
from .stored import StoredParameter

# The key of the metadata that holds need_grad by name, as JSON, in the order of the parameters.
_NEED_GRAD = "nnabla_need_grad"

# In bytes; what the library allows.
_LARGEST_HEADER = 100_000_000

_TYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "U16": torch.uint16,
    "I16": torch.int16,
    "U32": torch.uint32,
    "I32": torch.int32,
    "U64": torch.uint64,
    "I64": torch.int64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}


def write(target: str | BinaryIO, params: Sequence[StoredParameter]) -> None:
    """Write `params` in their own types; bfloat16 as float32.

    Raises:
        ArgumentError: a parameter has a name that the format needs for itself.
    """
    from safetensors import numpy as safetensors

    arrays = {name: values for name, values, _ in params}
    if "__metadata__" in arrays:
        raise ArgumentError("save_parameters: a .safetensors file cannot hold a parameter named '__metadata__'")
    metadata = {
        "format": "np",
        _NEED_GRAD: json.dumps({name: need_grad for name, _, need_grad in params}),
    }
    if isinstance(target, str):
        safetensors.save_file(arrays, target, metadata)
    else:
        target.write(safetensors.save(arrays, metadata))


def file_contents(path: str | os.PathLike[str], where: str) -> bytes:
    """A file that should be in this format, after a look at its size and its beginning.

    Raises:
        FormatError: `where`, and that it cannot be.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        header = int.from_bytes(file.peek()[:8], "little")
        if size < 10 or not 2 <= header <= min(size - 8, _LARGEST_HEADER):
            raise FormatError(
                f"{where} is not a readable .safetensors file: it claims a header of {header} bytes in {size}"
            )
        return file.read()


def read(data: bytes, where: str) -> list[StoredParameter]:
    """All parameters in a file.

    A file that `write` made gives them as they were. In others, floating point numbers of less than 32 bits become
    float32, the parameters are in the order of the names in the file, and those of floating point have `need_grad`.

    Raises:
        FormatError: `where`, and that it is truncated, damaged, or holds numbers of an unknown type.
    """
    import safetensors

    try:
        tensors = dict(safetensors.deserialize(data))
    except safetensors.SafetensorError as error:
        raise FormatError(f"{where} is not a readable .safetensors file: {shown(str(error))}") from error
    header = _header(data, where)
    flags = _flags(header.pop("__metadata__", None) or {}, where)
    names = dict.fromkeys([*(flags or {}), *header])
    return [_stored(name, tensors[name], flags, where) for name in names if name in tensors]


def _header(data: bytes, where: str) -> dict:
    """The header of a file that the library has accepted: names in their order, and metadata."""
    length = int.from_bytes(data[:8], "little")
    try:
        return dict(json.loads(data[8 : 8 + length]))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where} is not a readable .safetensors file: {error}") from error


def _flags(metadata: dict[str, str], where: str) -> dict[str, bool] | None:
    """The flags need_grad by name; None if the file has none."""
    if _NEED_GRAD not in metadata:
        return None
    try:
        flags = json.loads(metadata[_NEED_GRAD])
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where}: the metadata {_NEED_GRAD!r} is not JSON: {error}") from error
    if not isinstance(flags, dict) or not all(isinstance(flag, bool) for flag in flags.values()):
        raise FormatError(f"{where}: the metadata {_NEED_GRAD!r} does not say true or false for each name")
    return flags


def _stored(name: str, tensor: dict, flags: dict[str, bool] | None, where: str) -> StoredParameter:
    dtype = _TYPES.get(tensor["dtype"])
    if dtype is None:
        raise FormatError(f"{where}: parameter {shown(name)!r} is of type {tensor['dtype']}, not one of {list(_TYPES)}")
    floating = dtype.is_floating_point
    try:
        values = _numbers(tensor["data"], dtype).reshape(tensor["shape"])
    except (ValueError, OverflowError) as error:
        raise FormatError(f"{where}: parameter {shown(name)!r} has shape {tensor['shape'][:64]}: {error}") from error
    if flags is None and dtype is torch.float16:
        values = values.astype(np.float32)
    return StoredParameter(name, values, floating if flags is None else flags.get(name, floating))


def _numbers(data: bytearray, dtype: torch.dtype) -> np.ndarray:
    if dtype is torch.bool:
        # Any byte other than 0 and 1 would be neither True nor False.
        return np.frombuffer(data, np.uint8) != 0
    if dtype in NUMPY_FROM_TORCH and dtype is not torch.bfloat16:
        return np.frombuffer(data, NUMPY_FROM_TORCH[dtype].newbyteorder("<"))
    # A type that NumPy does not have.
    return torch.frombuffer(data, dtype=dtype).float().numpy() if data else np.zeros(0, np.float32)
