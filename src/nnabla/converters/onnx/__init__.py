"""ONNX models: networks written as such."""

from .exporter import to_onnx
from .model_files import save

__all__ = ["save", "to_onnx"]
