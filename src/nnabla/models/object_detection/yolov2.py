"""`YoloV2`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ...converters.nnp.network_passes import NnpNetworkPass
from ...errors import ArgumentError
from ...graph.variable import Variable
from .base import ObjectDetection

__all__ = ["NnpNetworkPass", "ObjectDetection", "YoloV2"]


class YoloV2(ObjectDetection):
    """YOLO of the second version.

    Args:
        dataset: that it was trained on, ``"voc"`` or ``"coco"``.

    Raises:
        ArgumentError: another data set.

    Keys of `use_up_to`:

    ``"detection"``: boxes, shape (samples, boxes, 5 + categories): middle, width and height as shares of the image, the
    probability of an object, and those of the categories (default).
    ``"convdetect"``, ``"lastconv"``: what these are made of.

    Source: J. Redmon, A. Farhadi, "YOLO9000: Better, Faster, Stronger", arXiv:1612.08242.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "detection": "y",
        "convdetect": "Reshape_3_Output",
        "lastconv": "Reshape_3_Output",
        "Arange": "Arange_Output",
        "Arange2": "Arange_2_Output",
    }

    def __init__(self, dataset: str = "voc") -> None:
        if dataset not in ("voc", "coco"):
            raise ArgumentError(f"YoloV2: dataset must be 'voc' or 'coco', not {dataset!r}")
        self._dataset_name = dataset
        name = f"object_detection/yolov2-{dataset}.nnp"
        self._load_nnp(name, name)

    def _resize(self, callback: NnpNetworkPass, input_var: Variable) -> None:
        # Numbers of the cells along both axes.
        sizes = self.get_nnp_input_size()[::-1], input_var.shape[:1:-1]
        for name, old, new in zip(("Arange", "Arange_2"), *sizes, strict=True):
            if old == new:
                continue

            @callback.on_generate_function_by_name(name)
            def rescale(f: Any, old: int = old, new: int = new) -> Any:
                f.proto.arange_param.stop = f.proto.arange_param.stop * new / old
                return f
