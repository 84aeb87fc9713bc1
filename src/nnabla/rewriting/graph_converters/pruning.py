"""Small output maps of convolutions and affine layers set to zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import parameter
from ...graph.function import Function
from ...graph.variable import Variable
from .channel_factors import as_array, weight_and_bias
from .conversion import FunctionModifier
from .derived_parameters import derived_parameter
from .rebuilding import rebuilt


class PruningModifier(FunctionModifier):
    """Sets weights and biases of output maps to zero whose weights are small.

    The new parameters ``w-pruned`` and ``b-pruned`` stand beside the layer's weight.

    Args:
        pruning_threshold: a map is pruned if the sum of the squares of its weights is less.
        functions_to_prune: type names.
        channel_last: whether deconvolutions have channels last.

    Attributes:
        output_channel_axis: the axis of weights that has the output maps, by type name.
    """

    def __init__(
        self,
        pruning_threshold: float,
        functions_to_prune: Sequence[str] = (
            "Convolution",
            "Deconvolution",
            "DepthwiseConvolution",
            "DepthwiseDeconvolution",
            "Affine",
        ),
        channel_last: bool = False,
    ) -> None:
        super().__init__()
        self._threshold = float(pruning_threshold)
        self._types = frozenset(functions_to_prune)
        self.output_channel_axis = {
            "Convolution": 0,
            "Deconvolution": -1 if channel_last else 1,
            "DepthwiseConvolution": 0,
            "DepthwiseDeconvolution": 0,
            "Affine": 1,
        }

    def calculate_axis(self, f: Function) -> tuple[int, ...]:
        """The axes of a layer's weight that squares are summed over."""
        ndim = f.inputs[1].ndim
        if f.info.type_name == "Affine":
            return (0,)  # of several axes of outputs, each element is a map
        kept = self.output_channel_axis[f.info.type_name] % ndim
        return tuple([axis for axis in range(ndim) if axis != kept])

    def modify(self, f: Function, inputs: list[Variable]) -> Any:
        if f.info.type_name not in self._types or f.info.type_name not in self.output_channel_axis:
            return None
        x, weight, bias = weight_and_bias(f, inputs)
        if weight.parent is not None:
            return None
        values = as_array(weight)
        axes = self.calculate_axis(f)
        squares = np.sum(values.astype(np.float32) ** 2, axis=axes, keepdims=True)
        keep = squares >= self._threshold
        sources = [weight] if bias is None else [weight, bias]
        made = [x]
        with parameter.parameter_scope(self.get_parameter_scope(weight)):
            made.append(derived_parameter("w-pruned", values * keep, sources))
            if bias is not None and bias.parent is None:
                kept = self._of_bias(f, keep, bias.size).reshape(bias.shape)
                made.append(derived_parameter("b-pruned", as_array(bias) * kept, sources))
            elif bias is not None:
                made.append(bias)
        return rebuilt(f, made)

    @staticmethod
    def _of_bias(f: Function, keep: np.ndarray, size: int) -> np.ndarray:
        """For each bias whether it is kept: not where all maps of weights that belong to it are pruned."""
        flat = keep.reshape(-1)
        if f.info.type_name == "DepthwiseDeconvolution":
            return np.asarray(flat.reshape(size, -1).any(axis=1))
        # A map of the weight of a deconvolution in groups belongs to one bias of each group.
        return np.tile(flat, size // flat.size)
