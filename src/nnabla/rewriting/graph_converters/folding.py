"""Batch normalizations taken into the weights of the convolutions and affine layers before or behind them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import parameter
from ...context import context_scope
from ...graph.call import apply
from ...graph.function import Function
from ...graph.variable import Variable
from ...initializer import ConstantInitializer
from .channel_factors import (
    FOLDABLE,
    affine_form,
    as_array,
    bias_of_input_shift,
    input_axis,
    output_axis,
    times_input_factor,
    times_output_factor,
    weight_and_bias,
)
from .conversion import FunctionModifier
from .derived_parameters import derived_parameter
from .rebuilding import take_flags


def is_foldable_normalization(f: Function) -> bool:
    """Whether a function is a batch normalization with one output, whose parameters no function computes."""
    return f.info.type_name == "BatchNormalization" and len(f.outputs) == 1 and not any(v.parent for v in f.inputs[1:])


def _beside_normalization(f: Function) -> bool:
    """Whether a batch normalization reads what `f` computes, or computes what it reads."""
    beside = [f.inputs[0].parent, *f.outputs[0].function_references]
    return any(g is not None and g.info.type_name == "BatchNormalization" for g in beside)


class BatchNormBase:
    """What modifiers of convolutions and affine layers share."""

    def connect(self, f: Function, x: Variable, w: Variable, b: Variable | None) -> Variable:
        """A convolution or affine layer like `f` with other inputs."""
        operator = f._operator.again()
        given = [x, w] if b is None else [x, w, b]
        with context_scope(f._operator.context):
            found: Variable = apply(operator, given)
        take_flags(f, [found])
        return found


class AddBiasModifier(FunctionModifier, BatchNormBase):
    """Gives convolutions and affine layers beside a batch normalization that have no bias one of zeros: ``b``, beside
    their weight.
    """

    def modify(self, f: Function, inputs: list[Variable]) -> Any:
        if f.info.type_name not in FOLDABLE or not _beside_normalization(f):
            return None
        x, weight, bias = weight_and_bias(f, inputs)
        axis = output_axis(f)
        if bias is not None or weight.parent is not None or axis is None:
            return None
        shape = weight.shape[1:] if f.info.type_name == "Affine" else (f.outputs[0].shape[axis],)
        with parameter.parameter_scope(self.get_parameter_scope(weight)):
            bias = parameter.get_parameter_or_create("b", shape, ConstantInitializer(0))
        return self.connect(f, x, weight, bias)


class _Folding(FunctionModifier, BatchNormBase):
    """Both directions. The layer that is left has weights ``w-folded`` and ``b-folded``."""

    def __init__(self, channel_last: bool = False) -> None:
        super().__init__()
        self._channel_last = channel_last

    def reshape_bn_parameters(
        self, ip_func: Function, bn_parameters: list[np.ndarray], channel_last: bool
    ) -> list[np.ndarray]:
        """Arrays of a number for each channel in the shape in which they multiply the weight of a layer.

        Args:
            ip_func: a convolution (weights ``(outputs, ...)``), deconvolution (``(inputs, outputs, ...)``, outputs
                last with `channel_last`) or affine layer (``(inputs, outputs)``), without groups.
            bn_parameters: the arrays.
            channel_last: whether channels are the last axis of the weight.
        """
        ndim = ip_func.inputs[1].ndim
        kind = ip_func.info.type_name
        axis = 0 if kind == "Convolution" else ndim - 1 if kind == "Deconvolution" and channel_last else 1
        shape = [-1 if a == axis else 1 for a in range(ndim)]
        return [np.asarray(values).reshape(shape) for values in bn_parameters]

    def _fold(
        self, layer: Function, x: Variable, inputs: list[Variable], weight: np.ndarray, bias: np.ndarray, norm: Function
    ) -> Variable:
        _, old_weight, old_bias = weight_and_bias(layer, inputs)
        sources = [old_weight, *([] if old_bias is None else [old_bias]), *norm.inputs[1:]]
        with parameter.parameter_scope(self.get_parameter_scope(old_weight)):
            w = derived_parameter("w-folded", weight, sources)
            b = derived_parameter("b-folded", bias, sources)
        return self.connect(layer, x, w, b)


class BatchNormalizationFoldingModifierInner(_Folding):
    """Folds batch normalizations into the layer before them, which may have a bias or not.

    Args:
        channel_last: accepted for compatibility; the layer says where its channels are.
    """

    def modify(self, f: Function, inputs: list[Variable]) -> Any:
        layer = inputs[0].parent if is_foldable_normalization(f) else None
        if layer is None or layer.info.type_name not in FOLDABLE:
            return None
        axis = f.info.args["axes"][0] % f.inputs[0].ndim
        x, weight, bias = weight_and_bias(layer, layer.inputs)
        if axis != output_axis(layer) or weight.parent is not None or (bias is not None and bias.parent is not None):
            return None
        form = affine_form(f, inputs)
        folded = times_output_factor(layer, as_array(weight), form.scale)
        if folded is None:
            return None
        shift = form.shift
        if layer.info.type_name == "Affine" and weight.ndim > 2:
            form = form._replace(scale=form.scale.reshape(-1, *[1] * (weight.ndim - 2)))
            shift = np.broadcast_to(shift.reshape(form.scale.shape), weight.shape[1:])
        if bias is not None:
            shift = shift + form.scale * as_array(bias)
        made = self._fold(layer, x, layer.inputs, folded, shift, f)
        take_flags(f, [made])
        return made


class BatchNormalizationFoldingOppositeModifierInner(_Folding):
    """Folds batch normalizations into the layer behind them, where that gives the same result: a convolution must not
    pad, unless the normalization shifts nothing.

    Args:
        channel_last: accepted for compatibility; the layer says where its channels are.
    """

    def modify(self, f: Function, inputs: list[Variable]) -> Any:
        norm = inputs[0].parent if f.info.type_name in FOLDABLE else None
        if norm is None or not is_foldable_normalization(norm):
            return None
        _, weight, bias = weight_and_bias(f, inputs)
        axis = norm.info.args["axes"][0] % f.inputs[0].ndim
        axes = range(input_axis(f), f.inputs[0].ndim) if f.info.type_name == "Affine" else [input_axis(f)]
        if axis != axes[0] or weight.parent is not None or (bias is not None and bias.parent is not None):
            return None
        form = affine_form(norm, norm.inputs)
        values = as_array(weight)
        shift = bias_of_input_shift(f, values, form.shift)
        if shift is None:
            return None
        if bias is not None:
            shift = shift + as_array(bias)
        return self._fold(f, norm.inputs[0], inputs, times_input_factor(f, values, form.scale), shift, norm)


class BatchNormalizationFoldingModifier(list[FunctionModifier]):
    """Folds batch normalizations into the weights of convolutions, deconvolutions and affine layers. A list of the two
    modifiers that do it.

    They are computed with their running statistics, whatever ``batch_stat`` says. New parameters ``w-folded`` and
    ``b-folded`` stand beside the layer's weight; a layer without bias gets ``b`` as well.

    Args:
        opposite: fold into the layer behind the normalization, instead of that before it.
        channel_last: whether channels are the last axis.

    Source: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
    Inference", arXiv:1712.05877, section 3.2.
    """

    def __init__(self, opposite: bool = False, channel_last: bool = False) -> None:
        inner = BatchNormalizationFoldingOppositeModifierInner if opposite else BatchNormalizationFoldingModifierInner
        super().__init__([AddBiasModifier(), inner(channel_last)])
