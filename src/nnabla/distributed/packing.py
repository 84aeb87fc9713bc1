"""Arrays that travel between processes: the types that they travel in, and several of them in one piece of memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .._nd_array import NdArray
from .._write_counts import count_writes

# Bytes that are summed together. While one piece travels, the next one is put together.
PIECE = 1 << 25

_WIDE = {
    torch.int8: torch.int32,
    torch.uint8: torch.int32,
    torch.int16: torch.int32,
    torch.uint16: torch.int32,
    torch.uint32: torch.int64,
}


def travelling_type(dtype: torch.dtype, on_gpu: bool, division: bool) -> torch.dtype:
    """The type that numbers are summed in.

    gloo rounds half precision after each addition, which would make ``1 + 2**-9 + 2**-9`` a 1 in bfloat16, and knows no
    integers of 16 bits. A mean of small integers needs their sum.
    """
    if dtype.is_floating_point:
        if dtype.itemsize == 1 or (dtype.itemsize == 2 and not on_gpu):
            return torch.float32
        return dtype
    if dtype is torch.uint64:
        return torch.int64  # The sum has the same bits.
    if dtype is torch.int32 and division:
        return torch.int64
    return _WIDE.get(dtype, dtype)


class Piece:
    """Arrays that are summed together.

    Args:
        arrays: with their tensors.
        dtype: type to sum in.
        apart: never sum in the array's own memory.

    Attributes:
        flat: what is to be summed.
    """

    def __init__(self, arrays: Sequence[tuple[NdArray, Tensor]], dtype: torch.dtype, apart: bool = False) -> None:
        self.arrays = [array for array, _ in arrays]
        self._tensors = [tensor for _, tensor in arrays]
        first = self._tensors[0]
        self._is_own = not apart and len(arrays) == 1 and first.is_contiguous() and first.dtype is dtype
        if self._is_own:
            # gloo takes no account of strides: of a view it would sum what lies beside it.
            self.flat = first.view(-1)
            return
        self.flat = torch.empty(sum(t.numel() for t in self._tensors), dtype=dtype, device=first.device)
        for tensor, part in zip(self._tensors, self._parts(), strict=True):
            part.copy_(_signed(tensor))

    def _parts(self) -> list[Tensor]:
        sizes = [t.numel() for t in self._tensors]
        return [part.view(t.shape) for part, t in zip(self.flat.split(sizes), self._tensors, strict=True)]

    def take(self, members: int, scale: float = 1.0) -> None:
        """Write the sums to the arrays, divided by `members` and multiplied by `scale`."""
        flat = self.flat
        if flat.dtype.is_floating_point or flat.dtype.is_complex:
            if members > 1:
                flat.div_(members)
            if scale != 1:
                flat.mul_(scale)
        else:
            if members > 1 and flat.dtype is not torch.bool:
                flat.div_(members, rounding_mode="trunc")
            if scale != 1:
                flat.copy_(flat.double().mul_(scale))
        if self._is_own:
            count_writes(self._tensors)
        else:
            for tensor, part in zip(self._tensors, self._parts(), strict=True):
                _signed(tensor).copy_(part)


def _signed(tensor: Tensor) -> Tensor:
    """64 bits without a sign as 64 bits with one, in which torch can compute."""
    return tensor.view(torch.int64) if tensor.dtype is torch.uint64 else tensor


def pieces(
    arrays: Sequence[tuple[NdArray, Tensor]], division: bool, alone: bool = False, apart: bool = False
) -> Iterator[Piece]:
    """Arrays put together by type, in their order, up to `PIECE` bytes each; empty ones are left out.

    How they are put together follows from their shapes and types alone: sums depend on it in the last digits.

    Args:
        alone: each array is a piece.
        apart: never in the memory of an array.
    """
    open_pieces: dict[tuple[torch.dtype, torch.device], list[tuple[NdArray, Tensor]]] = {}
    sizes: dict[tuple[torch.dtype, torch.device], int] = {}
    for array, tensor in arrays:
        if not tensor.numel():
            continue
        dtype = travelling_type(tensor.dtype, tensor.is_cuda, division)
        kind = dtype, tensor.device
        open_pieces.setdefault(kind, []).append((array, tensor))
        sizes[kind] = sizes.get(kind, 0) + tensor.numel() * dtype.itemsize
        if alone or sizes[kind] >= PIECE:
            yield Piece(open_pieces.pop(kind), dtype, apart)
            del sizes[kind]
    for (dtype, _), rest in open_pieces.items():
        yield Piece(rest, dtype, apart)
