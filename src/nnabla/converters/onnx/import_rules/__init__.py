"""How each ONNX operator becomes functions of a network, by category; `registry` has the table."""

from . import (  # noqa: F401  (enter their rules)
    activations,
    arithmetic,
    arrays,
    indexing,
    layers,
    logical,
    normalization,
    pooling,
    quantization,
    recurrent,
    reductions,
    resizing,
    signals,
)
from .registry import RULES, Node

__all__ = ["RULES", "Node"]
