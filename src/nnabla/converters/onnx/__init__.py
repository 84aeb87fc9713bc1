"""ONNX models: networks written as such, and read from them."""

from .exporter import to_onnx
from .importer import from_onnx
from .model_files import save

__all__ = ["from_onnx", "save", "to_onnx"]
