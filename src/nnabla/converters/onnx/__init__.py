"""ONNX models: networks written as such."""

from .exporter import to_onnx

__all__ = ["to_onnx"]
