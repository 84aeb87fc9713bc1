"""`ResNet`, of several sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ...converters.nnp.network_passes import NnpNetworkPass
from ...errors import ArgumentError
from .base import ImageNetBase

__all__ = ["ImageNetBase", "NnpNetworkPass", "ResNet", "ResNet18", "ResNet34", "ResNet50", "ResNet101", "ResNet152"]


class ResNet(ImageNetBase):
    """ResNet of 18 to 152 layers.

    Args:
        num_layers: 18, 34, 50, 101 or 152.

    Raises:
        ArgumentError: there is no such network.

    Keys of `use_up_to`:

    ``"classifier"``: scores of the 1000 categories (default).
    ``"pool"``: output of the last, global average pooling.
    ``"lastconv"``: what goes into the last ReLU.
    ``"lastconv+relu"``: output of that ReLU.

    Source: K. He et al., "Deep Residual Learning for Image Recognition", arXiv:1512.03385.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "classifier": "Affine",
        "pool": "AveragePooling",
        "lastconv": "Add2_7_RepeatStart_4[{index}]",
        "lastconv+relu": "ReLU_25_RepeatStart_4[{index}]",
    }

    def __init__(self, num_layers: int = 18) -> None:
        if num_layers not in (18, 34, 50, 101, 152):
            raise ArgumentError(f"ResNet: num_layers must be one of (18, 34, 50, 101, 152), not {num_layers!r}")
        self.num_layers = num_layers
        name = f"Resnet-{num_layers}"
        self._load_nnp(f"imagenet/{name}.nnp")

    def _use(self, use_up_to: str, callback: NnpNetworkPass) -> None:
        # The last of the blocks that are repeated: the network of 18 layers has one less.
        self.use_up_to(use_up_to, callback, index=0 if self.num_layers == 18 else 1)


class ResNet18(ResNet):
    """`ResNet` with ``num_layers=18``."""

    def __init__(self) -> None:
        super().__init__(18)


class ResNet34(ResNet):
    """`ResNet` with ``num_layers=34``."""

    def __init__(self) -> None:
        super().__init__(34)


class ResNet50(ResNet):
    """`ResNet` with ``num_layers=50``."""

    def __init__(self) -> None:
        super().__init__(50)


class ResNet101(ResNet):
    """`ResNet` with ``num_layers=101``."""

    def __init__(self) -> None:
        super().__init__(101)


class ResNet152(ResNet):
    """`ResNet` with ``num_layers=152``."""

    def __init__(self) -> None:
        super().__init__(152)
