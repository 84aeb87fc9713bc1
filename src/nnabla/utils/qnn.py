"""Door to `nnabla.rewriting.quantization`."""

from ..function import PythonFunction
from ..initializer import ConstantInitializer
from ..rewriting.quantization.configuration import (
    FunctionsRankRecorder,
    PrecisionMode,
    QATConfig,
    QATTensorRTConfig,
    QNNState,
    qat_default_config,
)
from ..rewriting.quantization.recorders import (
    AbsMaxRecorder,
    AbsMaxRecorderCallback,
    MaxMaxRecorder,
    MaxMaxRecorderCallback,
    MaxMvaRecorder,
    MaxMvaRecorderCallback,
    MinMaxMinMaxRecorder,
    MinMaxMinMaxRecorderCallback,
    MinMaxMvaRecorder,
    MinMaxMvaRecorderCallback,
    abs_max_recorder,
    max_max_recorder,
    max_mva_recorder,
    minmax_minmax_recorder,
    minmax_mva_recorder,
)
from ..rewriting.quantization.scheduler import QATScheduler

__all__ = [
    "AbsMaxRecorder",
    "AbsMaxRecorderCallback",
    "ConstantInitializer",
    "FunctionsRankRecorder",
    "MaxMaxRecorder",
    "MaxMaxRecorderCallback",
    "MaxMvaRecorder",
    "MaxMvaRecorderCallback",
    "MinMaxMinMaxRecorder",
    "MinMaxMinMaxRecorderCallback",
    "MinMaxMvaRecorder",
    "MinMaxMvaRecorderCallback",
    "PrecisionMode",
    "PythonFunction",
    "QATConfig",
    "QATScheduler",
    "QATTensorRTConfig",
    "QNNState",
    "abs_max_recorder",
    "max_max_recorder",
    "max_mva_recorder",
    "minmax_minmax_recorder",
    "minmax_mva_recorder",
    "qat_default_config",
]
