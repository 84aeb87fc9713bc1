"""`MobileNet` and `MobileNetV2`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ...converters.nnp.network_passes import NnpNetworkPass
from ...graph.variable import Variable
from .base import ImageNetBase

__all__ = ["ImageNetBase", "MobileNet", "MobileNetV2", "NnpNetworkPass"]


class MobileNet(ImageNetBase):
    """MobileNet.

    Keys of `use_up_to`:

    ``"classifier"``: scores of the 1000 categories (default).
    ``"pool"``: output of the last, global average pooling.
    ``"lastconv"``: what goes into the last ReLU.
    ``"lastconv+relu"``: output of that ReLU.

    Source: A. Howard et al., "MobileNets", arXiv:1704.04861.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "classifier": "Affine",
        "pool": "AveragePooling",
        "lastconv": "BatchNormalization_19",
        "lastconv+relu": "ReLU_19",
    }

    def __init__(self) -> None:
        self._load_nnp("imagenet/MobileNet.nnp")


class MobileNetV2(ImageNetBase):
    """MobileNet of the second version.

    Keys of `use_up_to`:

    ``"classifier"``: scores of the 1000 categories (default).
    ``"pool"``: output of the last, global average pooling.
    ``"lastconv"``: what goes into the last ReLU.
    ``"lastconv+relu"``: output of that ReLU.

    Source: M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", arXiv:1801.04381.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "classifier": "Reshape",
        "pool": "AveragePooling",
        "lastconv": "BatchNormalization_2",
        "lastconv+relu": "ReLU_2",
    }
    _input = "ImageAugmentationX"

    def __init__(self) -> None:
        self._load_nnp("imagenet/MobileNet-v2.nnp")

    def _set_input(self, callback: NnpNetworkPass, input_var: Variable) -> None:
        # What the augmentation computes has its name.
        callback.drop_function(self._augmentation)
        callback.set_variable(self._input, input_var)
