"""`DeepLabV3plus`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ...converters.nnp.network_passes import NnpNetworkPass
from ...errors import ArgumentError
from ...graph.variable import Variable
from .base import SemanticSegmentation

__all__ = ["DeepLabV3plus", "NnpNetworkPass", "SemanticSegmentation"]


class DeepLabV3plus(SemanticSegmentation):
    """DeepLab of version 3+.

    Args:
        dataset: that it was trained on, ``"voc"`` or ``"voc-coco"``.
        output_stride: how much smaller the last features are than the image, 8 or 16.

    Raises:
        ArgumentError: there is no such network.

    Keys of `use_up_to`:

    ``"segmentation"``: scores of 21 categories for each pixel, the first is the background (default).
    ``"lastconv"``: what goes into the last ReLU.
    ``"lastconv+relu"``: output of that ReLU.

    Source: L. Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation",
    arXiv:1802.02611.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "segmentation": "y",
        "lastconv": "BatchNormalization_146_Output",
        "lastconv+relu": "ReLU_82_Output",
    }

    def __init__(self, dataset: str = "voc", output_stride: int = 16) -> None:
        if dataset not in ("voc", "voc-coco"):
            raise ArgumentError(f"DeepLabV3plus: dataset must be 'voc' or 'voc-coco', not {dataset!r}")
        if output_stride not in (8, 16):
            raise ArgumentError(f"DeepLabV3plus: output_stride must be 8 or 16, not {output_stride!r}")
        self._dataset_name, self._output_stride = dataset, output_stride
        name = f"semantic_segmentation/DeepLabV3-{dataset}-os-{output_stride}.nnp"
        self._load_nnp(name)

    def _resize(self, callback: NnpNetworkPass, input_var: Variable) -> None:
        old = [int(length) for length in self.nnp.network_dict["runtime"].variables["x"].shape[-2:]]
        new = input_var.shape[-2:]
        callback.force_average_pooling_global("AveragePooling")

        def resize(f: Any) -> Any:
            sizes = f.proto.interpolate_param.output_size
            for i, length in enumerate(sizes):
                # With borders that are kept, features of stride s have (length - 1) / s + 1 places.
                stride = max(1, round((old[i] - 1) / max(1, length - 1)))
                sizes[i] = -(-new[i] // stride)
            return f

        for name in ("Interpolate", "Interpolate_2", "Interpolate_3"):
            callback.on_generate_function_by_name(name)(resize)
