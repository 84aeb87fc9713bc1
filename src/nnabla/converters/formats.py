"""Names and extensions of the formats that `nnabla.utils.converter` reads and writes."""

from __future__ import annotations

from typing import NamedTuple


class SupportedInfo(NamedTuple):
    """What is read, and what is written."""

    import_name: list[str]
    export_name: list[str]


formats = SupportedInfo(["NNP", "ONNX", "TFLITE"], ["NNP", "NNB", "CSRC", "ONNX", "TFLITE"])
extensions = SupportedInfo([".nnp", ".onnx", ".tflite"], [".nnp", ".nnb", ".onnx", ".tflite"])
