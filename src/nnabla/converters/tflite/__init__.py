"""TFLite models written and read. This needs the packages `flatbuffers` and `tflite`, not TensorFlow."""

from .exporter import to_tflite
from .importer import from_tflite

__all__ = ["from_tflite", "to_tflite"]
