"""`ShuffleNet`, of several sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ...converters.nnp.network_passes import NnpNetworkPass
from ...errors import ArgumentError
from .base import ImageNetBase

__all__ = ["ImageNetBase", "NnpNetworkPass", "ShuffleNet", "ShuffleNet05", "ShuffleNet10", "ShuffleNet20"]


class ShuffleNet(ImageNetBase):
    """ShuffleNet with 0.5, 1 or 2 times the channels.

    Args:
        scaling_factor: 5, 10 or 20, in tenths.

    Raises:
        ArgumentError: there is no such network.

    Keys of `use_up_to`:

    ``"classifier"``: scores of the 1000 categories (default).
    ``"pool"``: output of the last, global average pooling.
    ``"lastconv"``: what goes into the last ReLU.
    ``"lastconv+relu"``: output of that ReLU.

    Source: X. Zhang et al., "ShuffleNet", arXiv:1707.01083.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "classifier": "Affine",
        "pool": "AveragePooling",
        "lastconv": "Add2_3_RepeatStart_3[2]",
        "lastconv+relu": "ReLU_8_RepeatStart_3[2]",
    }

    def __init__(self, scaling_factor: int = 10) -> None:
        if scaling_factor not in (5, 10, 20):
            raise ArgumentError(f"ShuffleNet: scaling_factor must be one of (5, 10, 20), not {scaling_factor!r}")
        self.scaling_factor = scaling_factor
        name = {5: "ShuffleNet-.05x", 10: "ShuffleNet", 20: "ShuffleNet-2.0x"}[scaling_factor]
        self._load_nnp(f"imagenet/{name}.nnp")


class ShuffleNet05(ShuffleNet):
    """`ShuffleNet` with ``scaling_factor=5``."""

    def __init__(self) -> None:
        super().__init__(5)


class ShuffleNet10(ShuffleNet):
    """`ShuffleNet` with ``scaling_factor=10``."""

    def __init__(self) -> None:
        super().__init__(10)


class ShuffleNet20(ShuffleNet):
    """`ShuffleNet` with ``scaling_factor=20``."""

    def __init__(self) -> None:
        super().__init__(20)
