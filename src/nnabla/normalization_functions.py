"""The normalizations of `nnabla.functions` that can return statistics, under their second import path.

As in NNabla 1.x the calls of the registered functions can be imported from here, too; they take every argument that
a model file stores, such as ``no_scale``.
"""

from __future__ import annotations

from . import function_bases
from .auto_forward import get_auto_forward as get_auto_forward
from .context import get_current_context as get_current_context
from .graph.call import function_api as function_api
from .operators.batch_normalization import BatchNormalizationInOutAdapter, batch_normalization
from .operators.batch_normalization_variants import fused_batch_normalization, sync_batch_normalization
from .operators.normalization import (
    group_normalization,
    instance_normalization,
    layer_normalization,
    tensor_normalization,
    weight_standardization,
)

__all__ = [
    "BatchNormalizationInOutAdapter",
    "batch_normalization",
    "fused_batch_normalization",
    "group_normalization",
    "instance_normalization",
    "layer_normalization",
    "sync_batch_normalization",
    "tensor_normalization",
    "weight_standardization",
]


globals().update({name: call for name, call in function_bases.calls.items() if name not in __all__})
