"""Names and extensions of the formats that `nnabla.utils.converter` reads and writes."""

from __future__ import annotations

from typing import NamedTuple


class SupportedInfo(NamedTuple):
    """What is read, and what is written."""

    import_name: list[str]
    export_name: list[str]


formats = SupportedInfo(
    ["NNP", "ONNX", "TF_CKPT_V1", "TF_CKPT_V2", "TF_PB", "SAVED_MODEL", "TFLITE"],
    ["NNP", "NNB", "CSRC", "ONNX", "SAVED_MODEL", "TFLITE", "TF_PB"],
)
extensions = SupportedInfo(
    [".nnp", ".onnx", ".ckpt", ".meta", ".pb", "saved_model", ".tflite"],
    [".nnp", ".nnb", ".onnx", ".tflite", "saved_model", ".pb"],
)
