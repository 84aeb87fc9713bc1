"""Arrays handed over to other libraries and taken from them, on the same memory.

Source: DLPack, https://dmlc.github.io/dlpack. An NdArray also has ``__dlpack__`` itself, so that
``torch.from_dlpack(array)``, ``numpy.from_dlpack(array)`` and the like take it as it is.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from torch.utils import dlpack

from ._nd_array import NdArray
from .context import Context, current
from .dtypes import NUMPY_FROM_TORCH, torch_dtype
from .errors import ArgumentError


def to_dlpack(a: NdArray, dtype: np.typing.DTypeLike | None = None, ctx: Context | None = None) -> Any:
    """A capsule that shows the memory of an array to one other library. Whoever takes it takes it once.

    Args:
        a: the array. It stays valid, and sees what the other library writes.
        dtype: convert the array itself to this type first.
        ctx: move the array to the device of this context first; default the current one.

    Raises:
        TypeError: `a` is not an NdArray.

    Example:
        >>> import torch
        >>> a = NdArray.from_numpy_array(np.zeros(3, np.float32))
        >>> tensor = torch.from_dlpack(to_dlpack(a))
        >>> tensor[1] = 5
        >>> a.data
        array([0., 5., 0.], dtype=float32)
    """
    if not isinstance(a, NdArray):
        raise TypeError(f"to_dlpack: a must be an NdArray, not {type(a).__name__}")
    wanted = torch_dtype(a.dtype if dtype is None else dtype)
    a._own(wanted, (ctx or current.context).device)
    a._share()
    return a._contiguous().__dlpack__()


def from_dlpack(dlp: Any, arr: NdArray | None = None) -> NdArray:
    """An array on the memory that another library shows.

    Args:
        dlp: a capsule, or an object with ``__dlpack__`` such as an array of that library.
        arr: the array that takes the memory, and its shape; default a new one.

    Returns:
        `arr`, or the new array.

    Raises:
        TypeError: `dlp` or `arr` is something else.
        ArgumentError: a capsule was taken before, or its type is none of NumPy's.

    Example:
        >>> import torch
        >>> tensor = torch.zeros(3)
        >>> a = from_dlpack(tensor)
        >>> a.data[2] = 7
        >>> tensor
        tensor([0., 0., 7.])
    """
    if type(dlp).__name__ != "PyCapsule" and not hasattr(dlp, "__dlpack__"):
        raise TypeError(f"from_dlpack: dlp must be a capsule or have __dlpack__, not {type(dlp).__name__}")
    if arr is not None and not isinstance(arr, NdArray):
        raise TypeError(f"from_dlpack: arr must be an NdArray, not {type(arr).__name__}")
    if type(dlp).__name__ == "PyCapsule" and not re.search(r'"dltensor(_versioned)?"', repr(dlp)):
        raise ArgumentError(f"from_dlpack: the capsule was taken before, or is none of DLPack's: {dlp!r}")
    tensor = dlpack.from_dlpack(dlp).detach()
    if tensor.dtype not in NUMPY_FROM_TORCH:
        raise ArgumentError(f"from_dlpack: the type {tensor.dtype} is not supported")
    shape = tuple(tensor.shape)
    if arr is None:
        arr = NdArray._new(shape, tensor)
    else:
        arr._shape = shape
        arr._set(tensor)
    arr._share()
    return arr
