"""`SENet`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ...converters.nnp.network_passes import NnpNetworkPass
from .base import ImageNetBase

__all__ = ["ImageNetBase", "NnpNetworkPass", "SENet"]


class SENet(ImageNetBase):
    """SENet-154.

    Keys of `use_up_to`:

    ``"classifier"``: scores of the 1000 categories (default).
    ``"pool"``: output of the last, global average pooling.
    ``"lastconv"``: what goes into the last ReLU.
    ``"lastconv+relu"``: output of that ReLU.

    Source: J. Hu et al., "Squeeze-and-Excitation Networks", arXiv:1709.01507.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "classifier": "Affine",
        "pool": "AveragePooling",
        "lastconv": "Add2_7_RepeatStart_4[1]",
        "lastconv+relu": "ReLU_25_RepeatStart_4[1]",
    }
    _pooling_by_type = True
    _dropouts = ("Dropout",)

    def __init__(self) -> None:
        self._load_nnp("imagenet/SENet-154.nnp")
