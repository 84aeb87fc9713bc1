"""Door to `nnabla.rewriting.graph_converters.quantizing`."""

from ...rewriting.graph_converters.conversion import FunctionModifier
from ...rewriting.graph_converters.folding import BatchNormalizationFoldingModifier
from ...rewriting.graph_converters.quantizing import (
    QuantizeNonQNNToRecordingModifier,
    QuantizeRecordingToTrainingModifier,
)
from ...rewriting.graph_converters.removing import RemoveFunctionModifier
from ...rewriting.graph_converters.self_folding import BatchNormalizationSelfFoldingModifier

__all__ = [
    "BatchNormalizationFoldingModifier",
    "BatchNormalizationSelfFoldingModifier",
    "FunctionModifier",
    "QuantizeNonQNNToRecordingModifier",
    "QuantizeRecordingToTrainingModifier",
    "RemoveFunctionModifier",
]
