"""What is quantized, and how: `QATConfig`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np

from ...graph.function import Function
from .recorders import MaxMvaRecorderCallback, MinMaxMinMaxRecorderCallback

# Class attributes that users change on their own instance hold lists, as in NNabla.


class QNNState(Enum):
    """What a graph is at present."""

    NON_QNN = 0
    RECORDING = 1
    TRAINING = 2
    DEPLOYMENT = 3


class PrecisionMode(Enum):
    """What is computed with integers."""

    QNN = 0
    SIM_QNN = 1
    MIXED_QNN = 2


class RoundingMethod(Enum):
    """How scales become powers of two."""

    CEIL = "CEIL"
    ROUND = "ROUND"
    FLOOR = "FLOOR"
    NOTROUND = "NOTROUND"


class RecorderPosition(Enum):
    """Where recorders are put: before the functions that are quantized, or also behind them."""

    BEFORE = 0
    BOTH = 1


class QATConfig:
    """How a network is trained for integers of 8 bits.

    Attributes:
        bn_folding: fold batch normalizations into layers before them, see `BatchNormalizationFoldingModifier`.
        bn_self_folding: make the others a product and a sum, see `BatchNormalizationSelfFoldingModifier`.
        channel_last: whether channels are the last axis.
        channel_wise: accepted for compatibility: there is one scale for each array, as in NNabla 1.39.
        dtype: ``numpy.int8`` or ``numpy.uint8``.
        ext_name: accepted for compatibility; functions compute in the current context.
        learning_rate_scale: the solver's learning rate is multiplied by it when training with integers begins.
        narrow_range: leave out the smallest integer.
        niter_to_recording: number of steps before recording begins.
        niter_to_training: number of steps before training with integers begins; -1 for never.
        pow2: how scales become powers of two.
        precision_mode: must be ``SIM_QNN``: floating point numbers that have the values of integers.
        record_layers: type names of the functions that are quantized; empty for all but batch normalization.
        recorder_activation, recorder_weight: what notes how large values are, of activations and of weights.
        recorder_position: where recorders are put.
        round_mode: how halves are rounded, ``"HALF_TO_EVEN"`` or ``"HALF_AWAY_FROM_ZERO"``.
        skip_bias: leave biases as they are. Otherwise they are rounded to multiples of the product of the scales of
            input and weight that have 8 bits, as in NNabla 1.39, which is little.
        skip_inputs_layers: type names that are not quantized where they read the network's input.
        skip_outputs_layers: type names that are not quantized where they compute its output.
        weight_bits: bits of weights, 2 to 8. With fewer than 8 the scale is the least into which all weights fit, a
            power of two if `pow2` wants one. 7 are for processors that add two products in 16 bits, as x86 without VNNI
            does.
        zero_point: accepted for compatibility: zero points are 0, as in NNabla 1.39.
    """

    RoundingMethod = RoundingMethod
    RecorderPosition = RecorderPosition

    ext_name: str = "cudnn"
    zero_point: bool = False
    dtype: Any = np.int8
    precision_mode: PrecisionMode = PrecisionMode.SIM_QNN
    channel_last: bool = False
    channel_wise: bool = False
    niter_to_recording: int = 0
    niter_to_training: int = -1
    pow2: Any = RoundingMethod.ROUND
    narrow_range: bool = False
    round_mode: str = "HALF_TO_EVEN"
    bn_folding: bool = False
    bn_self_folding: bool = False
    recorder_weight: type[Any] = MinMaxMinMaxRecorderCallback
    recorder_activation: type[Any] = MaxMvaRecorderCallback
    record_layers: Sequence[str] = []
    recorder_position: Any = RecorderPosition.BEFORE
    skip_inputs_layers: Sequence[str] = ["Convolution", "Deconvolution"]
    skip_outputs_layers: Sequence[str] = ["Affine"]
    learning_rate_scale: float = 0.1
    skip_bias: bool = False
    weight_bits: int = 8


class QATTensorRTConfig(QATConfig):
    """Scales and places as TensorRT wants them: powers of two, batch normalizations folded, and the layers that it
    computes with integers.
    """

    pow2 = RoundingMethod.ROUND
    bn_folding = True
    bn_self_folding = True
    record_layers: Sequence[str] = ["Convolution", "Deconvolution", "Affine", "BatchMatmul", "ReLU"]
    record_position = RecorderPosition.BEFORE


qat_default_config = QATTensorRTConfig()


class FunctionsRankRecorder:
    """Numbers the functions of a graph in forward order; called with each of them.

    Args:
        functions_only_for_training: type names that are not counted, so that the numbers of a graph for training and
            one for inference are the same.

    Attributes:
        functions_ranks: the numbers, from 0; -1 for what is not counted.
        rank: how many there are.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> ranks = FunctionsRankRecorder()
        >>> F.tanh(F.dropout(F.relu(nn.Variable((2, 3))))).visit(ranks)
        >>> {f.name: rank for f, rank in ranks.functions_ranks.items()}, ranks.rank
        ({'ReLU': 0, 'Dropout': -1, 'Tanh': 1}, 2)
    """

    def __init__(self, functions_only_for_training: Sequence[str] = ("ImageAugmentation", "Dropout")) -> None:
        self.functions_only_for_training = list(functions_only_for_training)
        self.rank = 0
        self.functions_ranks: dict[Function, int] = {}

    def __call__(self, f: Function) -> None:
        if f.info.type_name in self.functions_only_for_training:
            self.functions_ranks[f] = -1
            return
        self.functions_ranks[f] = self.rank
        self.rank += 1
