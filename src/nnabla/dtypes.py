"""Correspondence of NumPy and torch element types."""

from __future__ import annotations

import platform

import numpy as np
import torch

TORCH_FROM_NUMPY: dict[np.dtype, torch.dtype] = {
    np.dtype(np.bool_): torch.bool,
    np.dtype(np.int8): torch.int8,
    np.dtype(np.int16): torch.int16,
    np.dtype(np.int32): torch.int32,
    np.dtype(np.int64): torch.int64,
    np.dtype(np.uint8): torch.uint8,
    np.dtype(np.uint16): torch.uint16,
    np.dtype(np.uint32): torch.uint32,
    np.dtype(np.uint64): torch.uint64,
    np.dtype(np.float16): torch.float16,
    np.dtype(np.float32): torch.float32,
    np.dtype(np.float64): torch.float64,
}
# Some platforms have two C types of the same width (long and long long); normalise by kind and size.
NUMPY_FROM_TORCH: dict[torch.dtype, np.dtype] = {t: n for n, t in TORCH_FROM_NUMPY.items()}
# NumPy has no bfloat16: its values are shown as float32, which holds them exactly.
NUMPY_FROM_TORCH[torch.bfloat16] = np.dtype(np.float32)

# NNabla's numbers of types; 7 and 8 are C's long, which is NumPy's int32 or int64. Half precision has none. NNabla
# spells the second name like this.
int_to_np_dtype: dict[int, type] = {
    0: bool,
    1: np.int8,
    2: np.uint8,
    3: np.int16,
    4: np.uint16,
    5: np.int32,
    6: np.uint32,
    9: np.int64,
    10: np.uint64,
    11: np.float32,
    12: np.float64,
    13: np.longdouble,
}
np_dtpye_to_int: dict[type, int] = {
    **{dtype: number for number, dtype in int_to_np_dtype.items()},
    np.longlong: 9,
    np.ulonglong: 10,
}


def torch_dtype(dtype: np.typing.DTypeLike) -> torch.dtype:
    """The torch type of a NumPy type.

    Raises:
        TypeError: an array cannot hold that type (complex, string, object).
    """
    np_dtype = np.dtype(dtype).newbyteorder("=")
    found = TORCH_FROM_NUMPY.get(np_dtype)
    if found is None:
        raise TypeError(f"dtype {np.dtype(dtype)} is not one of {[str(d) for d in TORCH_FROM_NUMPY]}")
    return found


# What stands in an array of int64 for a number that is none of them: NaN, an infinity, or one beyond 64 bits.
NO_INTEGER = torch.iinfo(torch.int64).min
# These processors convert so by themselves, whatever the instruction set.
_CONVERTS_SO = platform.machine().lower() in ("x86_64", "amd64")


def whole_numbers(tensor: torch.Tensor) -> torch.Tensor:
    """`tensor` as int64: fractions are cut off, and `NO_INTEGER` stands for what is no number of 64 bits."""
    found = tensor.to(torch.int64)
    if not tensor.is_floating_point() or (_CONVERTS_SO and tensor.is_cpu):
        return found
    return torch.where(tensor.abs() < 2.0**63, found, NO_INTEGER)


def spelled(integer: int) -> str:
    """An entry of what `whole_numbers` returns, for error messages."""
    return "NaN, an infinity or a number beyond 64 bits" if integer == NO_INTEGER else str(integer)
