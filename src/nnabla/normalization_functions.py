"""The normalizations of `nnabla.functions` that can return statistics, under their second import path.

As in NNabla 1.x the calls of the registered functions can be imported from here, too; they take every argument that
a model file stores, such as ``no_scale``.
"""

from __future__ import annotations

from typing import Any

from . import operators  # noqa: F401  (declares them all)
from .auto_forward import get_auto_forward as get_auto_forward
from .context import get_current_context as get_current_context
from .graph.call import public_call
from .graph.operator import registry
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


def _registered_calls() -> dict[str, Any]:
    return {
        cls.declaration.name: public_call(cls, "nnabla.function_bases")
        for cls in registry.values()
        if cls.declaration.name not in __all__
    }


globals().update(_registered_calls())
