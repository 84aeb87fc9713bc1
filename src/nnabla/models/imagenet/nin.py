"""`NIN`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ...converters.nnp.network_passes import NnpNetworkPass
from .base import ImageNetBase

__all__ = ["NIN", "ImageNetBase", "NnpNetworkPass"]


class NIN(ImageNetBase):
    """Network in Network.

    Keys of `use_up_to`:

    ``"classifier"``: scores of the 1000 categories (default).
    ``"pool"``: output of the last, global average pooling.
    ``"lastconv"``: what goes into the last ReLU.
    ``"lastconv+relu"``: output of that ReLU.

    Source: M. Lin et al., "Network In Network", arXiv:1312.4400.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "classifier": "NIN/Reshape",
        "pool": "NIN/AveragePooling",
        "lastconv": "NIN/Convolution_3",
        "lastconv+relu": "NIN/ReLU_3",
    }
    _input = "TrainingInput"
    _pooling = "NIN/AveragePooling"
    _dropouts = ("NIN/Dropout",)
    _side = 227

    def __init__(self) -> None:
        self._load_nnp("imagenet/NIN.nnp")
