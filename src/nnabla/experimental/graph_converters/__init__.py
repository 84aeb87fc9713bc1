"""Door to `nnabla.rewriting.graph_converters`."""

from ...rewriting.graph_converters.conversion import FunctionModifier, GraphConverter
from ...rewriting.graph_converters.copying import IdentityModifier, NoGradModifier
from ...rewriting.graph_converters.folding import (
    AddBiasModifier,
    BatchNormalizationFoldingModifier,
    BatchNormalizationFoldingModifierInner,
    BatchNormalizationFoldingOppositeModifierInner,
)
from ...rewriting.graph_converters.fusing import FusedBatchNormalizationModifier, UnfusedBatchNormalizationModifier
from ...rewriting.graph_converters.layouts import ChannelFirstModifier, ChannelLastModifier
from ...rewriting.graph_converters.pruning import PruningModifier
from ...rewriting.graph_converters.quantizing import (
    QuantizeNonQNNToRecordingModifier,
    QuantizeRecordingToTrainingModifier,
)
from ...rewriting.graph_converters.removing import BatchNormBatchStatModifier, RemoveFunctionModifier, TestModeModifier
from ...rewriting.graph_converters.self_folding import BatchNormalizationSelfFoldingModifier

__all__ = [
    "AddBiasModifier",
    "BatchNormBatchStatModifier",
    "BatchNormalizationFoldingModifier",
    "BatchNormalizationFoldingModifierInner",
    "BatchNormalizationFoldingOppositeModifierInner",
    "BatchNormalizationSelfFoldingModifier",
    "ChannelFirstModifier",
    "ChannelLastModifier",
    "FunctionModifier",
    "FusedBatchNormalizationModifier",
    "GraphConverter",
    "IdentityModifier",
    "NoGradModifier",
    "PruningModifier",
    "QuantizeNonQNNToRecordingModifier",
    "QuantizeRecordingToTrainingModifier",
    "RemoveFunctionModifier",
    "TestModeModifier",
    "UnfusedBatchNormalizationModifier",
]
