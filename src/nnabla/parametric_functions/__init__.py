"""PF: functions that bring their parameters along, registered by name in the current parameter scope."""

from .layers import affine, convolution, deconvolution, embed
from .normalization import batch_normalization
from .registration import parametric_function_api

__all__ = [
    "affine",
    "batch_normalization",
    "convolution",
    "deconvolution",
    "embed",
    "parametric_function_api",
]
