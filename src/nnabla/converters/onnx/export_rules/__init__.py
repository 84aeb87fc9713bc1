"""How each function of a network is written in ONNX, by category; `registry` has the table."""

from . import (  # noqa: F401  (enter their rules)
    activations,
    arithmetic,
    arrays,
    contraction,
    indexing,
    layers,
    logical,
    losses,
    normalization,
    pooling,
    quantization,
    recurrent,
    reductions,
    resizing,
    sampling,
    signals,
    stochastic,
)
from .registry import RULES, Call, run
from .stochastic import drawn

__all__ = ["RULES", "Call", "drawn", "run"]
