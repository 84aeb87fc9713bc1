"""`DenseNet`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ...converters.nnp.network_passes import NnpNetworkPass
from .base import ImageNetBase

__all__ = ["DenseNet", "ImageNetBase", "NnpNetworkPass"]


class DenseNet(ImageNetBase):
    """DenseNet-161.

    Keys of `use_up_to`:

    ``"classifier"``: scores of the 1000 categories (default).
    ``"pool"``: output of the last, global average pooling.
    ``"lastconv"``: what goes into the last ReLU.
    ``"lastconv+relu"``: output of that ReLU.

    Source: G. Huang et al., "Densely Connected Convolutional Networks", arXiv:1608.06993.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "classifier": "DenseNet/Affine",
        "pool": "DenseNet/AveragePooling_4",
        "lastconv": "DenseNet/BatchNormalization_5",
        "lastconv+relu": "DenseNet/ReLU_5",
    }
    _network = "Train"
    _pooling = "DenseNet/AveragePooling_4"

    def __init__(self) -> None:
        self._load_nnp("imagenet/DenseNet-161.nnp")
