"""The memory of an `NdArray`, which is a tensor of torch; see `NdArray.to_torch` and `NdArray.from_torch`."""

from torch import Tensor as Array

__all__ = ["Array"]
