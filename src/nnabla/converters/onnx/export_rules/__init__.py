"""How each function of a network is written in ONNX, by category; `registry` has the table."""

from . import (  # noqa: F401  (enter their rules)
    activations,
    arithmetic,
    arrays,
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
)
from .registry import RULES, Call, run

__all__ = ["RULES", "Call", "run"]
