"""Arithmetic on lists of tensors, one multi-tensor call each.

All tensors of a list have one type and one device. A name that ends in an underscore writes to its first argument.
"""

from __future__ import annotations

from functools import lru_cache

import torch

from .._private_torch import (
    foreach_add,
    foreach_add_,
    foreach_addcmul_,
    foreach_lerp_,
    foreach_mul_,
    foreach_norm,
    foreach_sqrt,
)

Tensors = list[torch.Tensor]

# Elements for each thread: several such arrays of float32 fit into a core's share of the caches, and the work on them
# takes longer than calling a kernel.
_ELEMENTS = 262144


def piece_size() -> int:
    """Elements in a piece, of all threads together."""
    return _ELEMENTS * torch.get_num_threads()


def pieces(tensors: Tensors) -> list[Tensors]:
    """The elements of contiguous `tensors`, as views in lists so short that several arrays like one stay in cache.

    A rule of several kernels then goes through the memory once, instead of once for each kernel. Lists of tensors of
    the same shapes are cut in the same way.
    """
    size = piece_size()
    lists: list[Tensors] = []
    together: Tensors = []
    room = size
    for tensor in tensors:
        count = tensor.numel()
        if count > size:
            lists += [[piece] for piece in tensor.view(-1).split(size)]
            continue
        if count > room:
            lists.append(together)
            together, room = [], size
        together.append(tensor)
        room -= count
    return [*lists, together] if together else lists


@lru_cache(maxsize=64)
def _as_tensor(value: float, dtype: torch.dtype) -> torch.Tensor:
    return torch.full((), value, dtype=dtype)


def _scalar(value: float, tensors: Tensors) -> torch.Tensor:
    return _as_tensor(value, torch.float64 if tensors[0].dtype is torch.float64 else torch.float32)


def scale_(tensors: Tensors, factor: float) -> None:
    """``x *= factor``."""
    # On the CPU, a number becomes a tensor once for each tensor of the list: three times the cost.
    foreach_mul_(tensors, _scalar(factor, tensors) if tensors[0].is_cpu else factor)


def shift_(tensors: Tensors, term: float) -> None:
    """``x += term``."""
    if tensors[0].is_cpu:
        foreach_add_(tensors, _scalar(1.0, tensors), alpha=term)
    else:
        foreach_add_(tensors, term)


def shifted(tensors: Tensors, term: float) -> Tensors:
    """``x + term``, as new tensors."""
    if tensors[0].is_cpu:
        return list(foreach_add(tensors, _scalar(1.0, tensors), alpha=term))
    return list(foreach_add(tensors, term))


def norms(tensors: Tensors) -> torch.Tensor:
    """The L2 norms of all tensors, which may differ in type here, as one vector of float32 or float64."""
    dtypes = {tensor.dtype for tensor in tensors}
    if len(dtypes) == 1 and not dtypes & {torch.float16, torch.bfloat16}:
        return torch.stack(list(foreach_norm(tensors)))
    # float16 ends at 65504, which a sum of squares soon exceeds.
    wide = [torch.promote_types(tensor.dtype, torch.float32) for tensor in tensors]
    return torch.stack([torch.linalg.vector_norm(t, dtype=d) for t, d in zip(tensors, wide, strict=True)])


def extremes(tensors: Tensors) -> torch.Tensor:
    """The least and the largest elements of all tensors as one vector; both are NaN where any element is.

    This reads the memory once; a mask for each tensor would have to be written and read again.
    """
    bounds = [bound for tensor in tensors if tensor.numel() for bound in tensor.aminmax()]
    # Tensors may differ in type and device.
    return torch.stack([bound.to("cpu", torch.float64) for bound in bounds]) if bounds else torch.zeros(0)


def mean_(means: Tensors, values: Tensors, decay: float) -> None:
    """Running mean, ``m = decay * m + (1 - decay) * x``."""
    foreach_lerp_(means, values, 1 - decay)


def mean_square_(means: Tensors, values: Tensors, decay: float) -> None:
    """Running mean of squares, ``v = decay * v + (1 - decay) * x**2``."""
    scale_(means, decay)
    foreach_addcmul_(means, values, values, value=1 - decay)


def roots(tensors: Tensors, eps: float) -> Tensors:
    """``sqrt(x) + eps``, the denominator of the adaptive rules."""
    denominators = list(foreach_sqrt(tensors))
    shift_(denominators, eps)
    return denominators
