"""`ResNeXt`, of several sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ...converters.nnp.network_passes import NnpNetworkPass
from ...errors import ArgumentError
from .base import ImageNetBase

__all__ = ["ImageNetBase", "NnpNetworkPass", "ResNeXt", "ResNeXt50", "ResNeXt101"]


class ResNeXt(ImageNetBase):
    """ResNeXt of 50 or 101 layers.

    Args:
        num_layers: 50 or 101.

    Raises:
        ArgumentError: there is no such network.

    Keys of `use_up_to`:

    ``"classifier"``: scores of the 1000 categories (default).
    ``"pool"``: output of the last, global average pooling.
    ``"lastconv"``: what goes into the last ReLU.
    ``"lastconv+relu"``: output of that ReLU.

    Source: S. Xie et al., "Aggregated Residual Transformations for Deep Neural Networks", arXiv:1611.05431.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "classifier": "Affine",
        "pool": "AveragePooling",
        "lastconv": "Add2_7_RepeatStart_4[1]",
        "lastconv+relu": "ReLU_25_RepeatStart_4[1]",
    }

    def __init__(self, num_layers: int = 50) -> None:
        if num_layers not in (50, 101):
            raise ArgumentError(f"ResNeXt: num_layers must be one of (50, 101), not {num_layers!r}")
        self.num_layers = num_layers
        name = f"ResNeXt-{num_layers}"
        self._load_nnp(f"imagenet/{name}.nnp")


class ResNeXt50(ResNeXt):
    """`ResNeXt` with ``num_layers=50``."""

    def __init__(self) -> None:
        super().__init__(50)


class ResNeXt101(ResNeXt):
    """`ResNeXt` with ``num_layers=101``."""

    def __init__(self) -> None:
        super().__init__(101)
