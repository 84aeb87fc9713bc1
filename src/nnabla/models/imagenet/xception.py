"""`Xception`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ...converters.nnp.network_passes import NnpNetworkPass
from .base import ImageNetBase

__all__ = ["ImageNetBase", "NnpNetworkPass", "Xception"]


class Xception(ImageNetBase):
    """Xception.

    Keys of `use_up_to`:

    ``"classifier"``: scores of the 1000 categories (default).
    ``"pool"``: output of the last, global average pooling.
    ``"lastconv"``: what goes into the last ReLU.
    ``"lastconv+relu"``: output of that ReLU.

    Source: F. Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", arXiv:1610.02357.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "classifier": "Unit/Affine",
        "pool": "Unit/AveragePooling",
        "lastconv": "Unit/SeparableConv_13/SepConvBN",
        "lastconv+relu": "Unit/ReLU_14",
    }
    _augmentation = "ImageAugmentation"
    _pooling = "Unit/AveragePooling"
    _dropouts = ("Unit/Dropout",)
    _side = 299

    def __init__(self) -> None:
        self._load_nnp("imagenet/Xception.nnp")
