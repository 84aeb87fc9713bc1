"""Gradients that are not written down: the vector-Jacobian product of an operator's forward, by torch autograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from .operator import Operator

# Plans run below autograd's dispatch keys, which saves a part of the cost of every small call. To differentiate,
# these are the keys to come back to.
_INCLUDED = torch._C._dispatch_tls_local_include_set()
_EXCLUDED = torch._C._dispatch_tls_local_exclude_set()

below_autograd = torch._C._AutoDispatchBelowAutograd


def autograd_on() -> Any:
    """Context in which torch's autograd sees operations again, inside of `below_autograd`."""
    return torch._C._ForceDispatchKeyGuard(_INCLUDED, _EXCLUDED)


def derived_grad(operator: Operator, wanted: Sequence[bool]) -> Callable[..., tuple[Any, ...]]:
    """The gradient of `operator` by autograd: takes all output gradients, then all inputs.

    Args:
        operator: any operator whose `forward` is made of differentiable torch operations.
        wanted: which inputs want a gradient.
    """

    def grad(*tensors: Any) -> tuple[Any, ...]:
        count = len(tensors) - len(wanted)
        dys, xs = tensors[:count], tensors[count:]
        with autograd_on(), torch.enable_grad():
            leaves = [
                x.detach().requires_grad_() if want and x.is_floating_point() else x
                for x, want in zip(xs, wanted, strict=True)
            ]
            ys = operator.recompute(*leaves)
            ys = (ys,) if isinstance(ys, torch.Tensor) else tuple(ys)
            pairs = [(y, dy) for y, dy in zip(ys, dys, strict=True) if y.requires_grad]
            targets = [leaf for leaf, want in zip(leaves, wanted, strict=True) if want]
            found = dict.fromkeys(targets)
            real = [target for target in targets if target.requires_grad]
            if pairs and real:
                grads = torch.autograd.grad(
                    [y for y, _ in pairs], real, [dy.to(y.dtype) for y, dy in pairs], allow_unused=True
                )
                found.update(zip(real, grads, strict=True))
        # An input that the outputs do not depend on has a gradient all the same: 0.
        rest = iter([torch.zeros_like(t) if found[t] is None else found[t] for t in targets])
        return tuple([next(rest) if want else None for want in wanted])

    return grad
