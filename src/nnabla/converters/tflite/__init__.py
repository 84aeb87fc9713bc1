"""Networks written as TFLite models. This needs the packages `flatbuffers` and `tflite`, not TensorFlow."""

from .exporter import to_tflite

__all__ = ["to_tflite"]
