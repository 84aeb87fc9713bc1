"""Numbers and NumPy arrays as operands."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._nd_array import NdArray
from ..context import current
from ..graph.operator import Operator
from ..graph.variable import Variable

Array = Variable | NdArray


def number_of(value: Any) -> float | None:
    """`value` as a number, also from a NumPy array with one element, or None if it is something else."""
    # The test for the abstract class takes longer than the arithmetic.
    if type(value) is float:
        return value
    if isinstance(value, (Real, np.bool_)):
        return float(value)
    if is_array(value) and value.size == 1:
        return float(value.reshape(()))
    return None


def is_array(value: Any) -> bool:
    """Whether `value` is a NumPy array.

    Raises:
        TypeError: it is one, but does not hold real numbers.
    """
    if not isinstance(value, np.ndarray):
        return False
    # Not left to NumPy, which would take an NdArray for one of its own, and not return an NdArray.
    if value.dtype.kind not in "biuf":
        raise TypeError(f"a NumPy array must hold real numbers to be an operand, not {value.dtype}")
    return True


def constant(value: np.ndarray, partner: Array) -> Array:
    """A NumPy array as an operand beside `partner`: an NdArray or a Variable without gradient, as that is."""
    context = current.context
    # Converted here, once, and not whenever the graph runs.
    tensor = torch.from_numpy(np.array(value, order="C")).to(context.device, context.dtype)
    array = NdArray._new(value.shape, tensor)
    if isinstance(partner, NdArray):
        return array
    variable = Variable(value.shape)
    variable.data = array
    return variable


def aligned(value: np.ndarray, partner: Array) -> Array:
    """The same, with as many axes as `partner`, where it has fewer."""
    missing = partner.ndim - value.ndim
    return constant(value.reshape((1,) * missing + value.shape) if missing > 0 else value, partner)


class WithConstant(Operator):
    """An operator that combines tensors with one number.

    A kernel that reads a tensor without axes costs 1.1 us, one that is given a Python number 2.8 us, because
    torch makes such a tensor for every call. Making it once costs 2 us: so it is made when a graph proves to
    run repeatedly.
    """

    _operand: Tensor | None = None
    _uses = 0

    def operand(self, value: float) -> Tensor | float:
        """`value`, the same one in every call, as something to compute with."""
        if self._operand is not None:
            return self._operand
        self._uses += 1
        # Twice is what a graph needs that runs once, forward and backward. In half precision the tensor would
        # round the number, which kernels read in single precision.
        if self._uses > 2 and self.compute_dtype in (torch.float32, torch.float64):
            self._operand = torch.full((), value, dtype=self.compute_dtype)
            return self._operand
        return value

    def forget_operand(self) -> None:
        """Replace the number from now on."""
        self._operand = None
