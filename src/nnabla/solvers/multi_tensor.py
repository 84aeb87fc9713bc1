"""Arithmetic on lists of tensors, one multi-tensor call each.

All tensors of a list have one type and one device. A name that ends in an underscore writes to its first argument.
"""

from __future__ import annotations

import torch

Tensors = list[torch.Tensor]


def _scalar(value: float, tensors: Tensors) -> torch.Tensor:
    dtype = torch.float64 if tensors[0].dtype is torch.float64 else torch.float32
    return torch.full((), value, dtype=dtype)


def scale_(tensors: Tensors, factor: float) -> None:
    """``x *= factor``."""
    # On the CPU, a number becomes a tensor once for each tensor of the list: three times the cost.
    torch._foreach_mul_(tensors, _scalar(factor, tensors) if tensors[0].is_cpu else factor)


def shift_(tensors: Tensors, term: float) -> None:
    """``x += term``."""
    if tensors[0].is_cpu:
        torch._foreach_add_(tensors, _scalar(1.0, tensors), alpha=term)
    else:
        torch._foreach_add_(tensors, term)


def shifted(tensors: Tensors, term: float) -> Tensors:
    """``x + term``, as new tensors."""
    if tensors[0].is_cpu:
        return list(torch._foreach_add(tensors, _scalar(1.0, tensors), alpha=term))
    return list(torch._foreach_add(tensors, term))


def norms(tensors: Tensors) -> torch.Tensor:
    """The L2 norms of all tensors, which may differ in type here, as one vector of float32 or float64."""
    dtypes = {tensor.dtype for tensor in tensors}
    if len(dtypes) == 1 and not dtypes & {torch.float16, torch.bfloat16}:
        return torch.stack(list(torch._foreach_norm(tensors)))
    # float16 ends at 65504, which a sum of squares soon exceeds.
    wide = [torch.promote_types(tensor.dtype, torch.float32) for tensor in tensors]
    return torch.stack([torch.linalg.vector_norm(t, dtype=d) for t, d in zip(tensors, wide, strict=True)])


def mean_(means: Tensors, values: Tensors, decay: float) -> None:
    """Running mean, ``m = decay * m + (1 - decay) * x``."""
    torch._foreach_lerp_(means, values, 1 - decay)


def mean_square_(means: Tensors, values: Tensors, decay: float) -> None:
    """Running mean of squares, ``v = decay * v + (1 - decay) * x**2``."""
    scale_(means, decay)
    torch._foreach_addcmul_(means, values, values, value=1 - decay)


def roots(tensors: Tensors, eps: float) -> Tensors:
    """``sqrt(x) + eps``, the denominator of the adaptive rules."""
    denominators = list(torch._foreach_sqrt(tensors))
    shift_(denominators, eps)
    return denominators
