"""PF: functions that bring their parameters along, registered by name in the current parameter scope."""

# Scripts call these by this module's name as well, as ``PF.get_parameter_or_create``.
from ..initializer import (  # noqa: F401
    ConstantInitializer,
    NormalInitializer,
    UniformInitializer,
    WeightNormalizationScaleInitializer,
    calc_uniform_lim_glorot,
)
from ..parameter import get_parameter, get_parameter_or_create  # noqa: F401
from .attention import multi_head_attention, transformer, transformer_decode, transformer_encode
from .binary import (
    binary_connect_affine,
    binary_connect_convolution,
    binary_weight_affine,
    binary_weight_convolution,
    inq_affine,
    inq_convolution,
)
from .convolutions import deformable_convolution, depthwise_convolution, depthwise_deconvolution
from .factorized import cpd3_convolution, svd_affine, svd_convolution
from .layers import affine, convolution, deconvolution, embed
from .min_max import min_max_quantize, min_max_quantized_affine, min_max_quantized_convolution
from .normalization import (
    batch_normalization,
    fused_batch_normalization,
    group_normalization,
    instance_normalization,
    layer_normalization,
    mean_subtraction,
    sync_batch_normalization,
)
from .quantized import (
    fixed_point_quantized_affine,
    fixed_point_quantized_convolution,
    pow2_quantized_affine,
    pow2_quantized_convolution,
    pruned_affine,
    pruned_convolution,
)
from .rectifiers import prelu
from .recurrent import LSTMCell, gru, lstm, lstm_cell, rnn
from .registration import parametric_function_api
from .weights import spectral_norm, weight_normalization

__all__ = [
    "LSTMCell",
    "affine",
    "batch_normalization",
    "binary_connect_affine",
    "binary_connect_convolution",
    "binary_weight_affine",
    "binary_weight_convolution",
    "convolution",
    "cpd3_convolution",
    "deconvolution",
    "deformable_convolution",
    "depthwise_convolution",
    "depthwise_deconvolution",
    "embed",
    "fixed_point_quantized_affine",
    "fixed_point_quantized_convolution",
    "fused_batch_normalization",
    "group_normalization",
    "gru",
    "inq_affine",
    "inq_convolution",
    "instance_normalization",
    "layer_normalization",
    "lstm",
    "lstm_cell",
    "mean_subtraction",
    "min_max_quantize",
    "min_max_quantized_affine",
    "min_max_quantized_convolution",
    "multi_head_attention",
    "parametric_function_api",
    "pow2_quantized_affine",
    "pow2_quantized_convolution",
    "prelu",
    "pruned_affine",
    "pruned_convolution",
    "rnn",
    "spectral_norm",
    "svd_affine",
    "svd_convolution",
    "sync_batch_normalization",
    "transformer",
    "transformer_decode",
    "transformer_encode",
    "weight_normalization",
]
