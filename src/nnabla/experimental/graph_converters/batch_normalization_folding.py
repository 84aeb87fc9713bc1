"""Door to `nnabla.rewriting.graph_converters.folding`."""

from ...initializer import ConstantInitializer
from ...parameter import get_parameter_or_create
from ...rewriting.graph_converters.conversion import FunctionModifier
from ...rewriting.graph_converters.folding import (
    AddBiasModifier,
    BatchNormalizationFoldingModifier,
    BatchNormalizationFoldingModifierInner,
    BatchNormalizationFoldingOppositeModifierInner,
    BatchNormBase,
)

__all__ = [
    "AddBiasModifier",
    "BatchNormBase",
    "BatchNormalizationFoldingModifier",
    "BatchNormalizationFoldingModifierInner",
    "BatchNormalizationFoldingOppositeModifierInner",
    "ConstantInitializer",
    "FunctionModifier",
    "get_parameter_or_create",
]
