"""Gradients that are not written down: the vector-Jacobian product of an operator's forward, by torch autograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from .._private_torch import (
    AutoDispatchBelowAutograd,
    ForceDispatchKeyGuard,
    dispatch_tls_local_exclude_set,
    dispatch_tls_local_include_set,
    run_backward,
    version_of,
)
from .operator import Operator
from .tracing import is_traced

# Plans run below autograd's dispatch keys, which saves a part of the cost of every small call. To differentiate,
# these are the keys to come back to.
_INCLUDED = dispatch_tls_local_include_set()
_EXCLUDED = dispatch_tls_local_exclude_set()

below_autograd = AutoDispatchBelowAutograd


def autograd_on() -> Any:
    """Context in which torch's autograd sees operations again, inside of `below_autograd`."""
    # A trace is a dispatch mode, which the keys of the start of the process would take away.
    return torch.enable_grad() if is_traced() else ForceDispatchKeyGuard(_INCLUDED, _EXCLUDED)


def vector_jacobian(
    ys: Sequence[torch.Tensor],
    dys: Sequence[torch.Tensor],
    xs: Sequence[torch.Tensor],
    keep: bool = False,
    differentiable: bool = False,
) -> list[torch.Tensor]:
    """The product of `dys` with the Jacobian of `ys` in `xs`, from autograd's record.

    `torch.autograd.grad` checks arguments for 25 microseconds before it does the same.

    Args:
        ys: results.
        dys: their gradients, of the same shapes.
        xs: what they were computed from.
        keep: whether the record will be used again.
        differentiable: whether the product is recorded in turn.

    Returns:
        For each of `xs` its gradient; 0 where no result depends on it.
    """
    roots, starts = [], []
    for y, dy in zip(ys, dys, strict=True):
        if y.requires_grad:
            roots.append(y)
            starts.append(dy if dy.dtype is y.dtype else dy.to(y.dtype))
    leaves = [x for x in xs if x.requires_grad]
    found: Any = ()
    if roots and leaves:
        with autograd_on(), torch.set_grad_enabled(differentiable):
            found = run_backward(
                tuple(roots),
                tuple(starts),
                keep or differentiable,
                differentiable,
                tuple(leaves),
                True,
                accumulate_grad=False,
            )
    rest = iter(found)
    grads = [next(rest, None) if x.requires_grad else None for x in xs]
    return [torch.zeros_like(x) if grad is None else grad for x, grad in zip(xs, grads, strict=True)]


class Record:
    """A forward as autograd recorded it.

    Args:
        kernel: `forward` of an operator, or its `recompute`.
        xs: tensors of all inputs.
        wanted: which of them want a gradient.
    """

    __slots__ = ("leaves", "versions", "wanted", "ys")

    def __init__(self, kernel: Callable[..., Any], xs: Sequence[Any], wanted: Sequence[bool]) -> None:
        self.wanted = tuple(wanted)
        with autograd_on(), torch.enable_grad():
            # All detached: what forward writes to (running statistics) must not become a part of the record.
            self.leaves = [
                x if x is None else x.detach().requires_grad_(want and x.is_floating_point())
                for x, want in zip(xs, wanted, strict=True)
            ]
            ys = kernel(*self.leaves)
        self.ys = (ys,) if isinstance(ys, torch.Tensor) else tuple(ys)
        self.versions = _versions(self.leaves)

    def is_of(self, xs: Sequence[Any], wanted: Sequence[bool]) -> bool:
        """Whether these are the inputs, as they were."""
        return (
            self.wanted == tuple(wanted)
            and all([_same(x, leaf) for x, leaf in zip(xs, self.leaves, strict=True)])
            and self.holds
        )

    @property
    def holds(self) -> bool:
        """Whether the inputs were not changed in place since."""
        return self.versions == _versions(self.leaves)


def _same(x: Any, leaf: Any) -> bool:
    if x is None or leaf is None:
        return x is leaf
    return x.data_ptr() == leaf.data_ptr() and x.dtype is leaf.dtype


def _versions(tensors: Sequence[Any]) -> list[int]:
    """Counts of in-place changes; 0 for None."""
    return [0 if t is None else version_of(t) for t in tensors]


def recorded(operator: Operator, wanted: Sequence[bool]) -> Callable[..., Any]:
    """`forward` of an operator without a gradient of its own, which leaves autograd's record in `kept`.

    Args:
        operator: any operator whose `forward` is made of differentiable torch operations.
        wanted: which inputs want a gradient.
    """

    def forward(*xs: Any) -> Any:
        operator.kept = record = Record(operator.forward, xs, wanted)
        ys = [y.detach() for y in record.ys]
        return ys[0] if len(ys) == 1 else ys

    return forward


def derived_grad(operator: Operator, wanted: Sequence[bool]) -> Callable[..., tuple[Any, ...]]:
    """The gradient of `operator` by autograd: takes all output gradients, then all inputs.

    Args:
        operator: as for `recorded`; if it kept no record, or that is not of these inputs, forward is repeated.
        wanted: which inputs want a gradient.
    """

    def grad(*tensors: Any) -> tuple[Any, ...]:
        count = len(tensors) - len(wanted)
        dys, xs = tensors[:count], tensors[count:]
        record = operator.kept
        if not (isinstance(record, Record) and record.is_of(xs, wanted)):
            record = Record(operator.recompute, xs, wanted)
        targets: list[Any] = [leaf for leaf, want in zip(record.leaves, wanted, strict=True) if want]
        rest = iter(vector_jacobian(record.ys, dys, targets, keep=record is operator.kept))
        return tuple([next(rest) if want else None for want in wanted])

    return grad
