"""Arrays in ONNX files as NumPy's: in the message, or in a file beside the model."""

from __future__ import annotations

import math
import os
import stat

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ..obstacles import Unsupported

# Types by number whose elements are numbers that NumPy knows, or that onnx makes known to it.
_TEXT = (TensorProto.UNDEFINED, TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.COMPLEX128)
# Types of which a byte holds several elements.
_PACKED = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}


def type_name(dtype: int) -> str:
    """Of a type by its number."""
    known = TensorProto.DataType.values()
    return str(TensorProto.DataType.Name(dtype)) if dtype in known else f"number {dtype}"


def array_of(tensor: TensorProto, folder: str | None = None) -> np.ndarray:
    """The elements of an array; types that NumPy lacks are those of ml_dtypes.

    Args:
        tensor: the message.
        folder: that of the model, in which a file beside it must be; ``None`` if there is none.

    Raises:
        Unsupported: it holds no numbers, or not as many as its shape says; or the file beside the model is not there,
            is elsewhere, or is shorter.
    """
    name, dtype = tensor.name, tensor.data_type
    if dtype in _TEXT or dtype not in TensorProto.DataType.values():
        raise Unsupported(f"array {name!r} is of type {type_name(dtype)}, which is no number here")
    shape = tuple(tensor.dims)
    if len(shape) > 64 or any(d < 0 for d in shape):
        raise Unsupported(f"array {name!r} has shape {shape[:64]}")
    count = math.prod(shape)
    bits = _PACKED.get(type_name(dtype), 0) or 8 * helper.tensor_dtype_to_np_dtype(dtype).itemsize
    size = -(-count * bits // 8)
    if tensor.data_location == TensorProto.EXTERNAL:
        data = external_data(tensor, size, folder)
        held = TensorProto(name=name, data_type=dtype, dims=shape, raw_data=data)
        return np.asarray(numpy_helper.to_array(held))
    if tensor.HasField("raw_data"):
        there, wanted = len(tensor.raw_data), size
    else:
        field = getattr(tensor, helper.tensor_dtype_to_field(dtype))
        there = len(field)
        wanted = -(-count * bits // 8) if bits < 8 else count
    if there != wanted:
        raise Unsupported(f"array {name!r} of shape {shape} should have {wanted} entries or bytes, not {there}")
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, OverflowError) as error:
        raise Unsupported(f"array {name!r}: {error}") from None


def external_data(tensor: TensorProto, size: int, folder: str | None) -> bytes:
    """The bytes of an array that stand in a file beside the model.

    The file must be in the folder of the model or below, and no link may lead there.

    Args:
        tensor: the message.
        size: bytes wanted.
        folder: of the model.

    Raises:
        Unsupported: it is not there, or not allowed, or does not fit.
    """
    facts = {entry.key: entry.value for entry in tensor.external_data}
    location, name = facts.get("location", ""), tensor.name
    try:
        offset = int(facts.get("offset", "0") or 0)
        length = int(facts.get("length", str(size)))
    except ValueError:
        raise Unsupported(f"array {name!r}: offset and length in its file must be numbers") from None
    if folder is None:
        raise Unsupported(
            f"array {name!r} is in the file {location!r} beside the model, which was not read from a file"
        )
    parts = location.replace("\\", "/").split("/")
    if not location or os.path.isabs(location) or ".." in parts or "\0" in location or ":" in location:
        raise Unsupported(f"array {name!r} is in {location!r}, which is not in the folder of the model")
    root = os.path.realpath(folder)
    path = os.path.normpath(os.path.join(root, location))
    if os.path.realpath(path) != path or not path.startswith(os.path.join(root, "")):
        raise Unsupported(f"array {name!r} is in {location!r}, where a link leads out of the folder of the model")
    if length != size or offset < 0:
        raise Unsupported(f"array {name!r} needs {size} bytes, but {length} at {offset} are named in its file")
    try:
        # Never wait for what is no file.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        raise Unsupported(f"array {name!r}: {location!r} cannot be read: {error.strerror}") from None
    with os.fdopen(number, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or offset + length > status.st_size:
            raise Unsupported(f"array {name!r}: {location!r} ends before its elements do")
        file.seek(offset)
        return file.read(length)
