"""`SqueezeNet`, of several sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ...converters.nnp.network_passes import NnpNetworkPass
from ...errors import ArgumentError
from .base import ImageNetBase

__all__ = ["ImageNetBase", "NnpNetworkPass", "SqueezeNet", "SqueezeNetV10", "SqueezeNetV11"]


class SqueezeNet(ImageNetBase):
    """SqueezeNet of version 1.0 or 1.1.

    Args:
        version: ``"v1.0"`` or ``"v1.1"``.

    Raises:
        ArgumentError: there is no such network.

    Keys of `use_up_to`:

    ``"classifier"``: scores of the 1000 categories (default).
    ``"pool"``: output of the last, global average pooling.
    ``"lastconv"``: what goes into the last ReLU.
    ``"lastconv+relu"``: output of that ReLU.

    Source: F. Iandola et al., "SqueezeNet", arXiv:1602.07360.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "classifier": "{prefix}Reshape",
        "pool": "{prefix}AveragePooling",
        "lastconv": "{prefix}Convolution_2",
        "lastconv+relu": "{prefix}ReLU_2",
    }
    _input = "TrainingInput"
    _dropouts = ("Dropout",)
    _side = 227

    def __init__(self, version: str = "v1.1") -> None:
        if version not in ("v1.0", "v1.1"):
            raise ArgumentError(f"SqueezeNet: version must be one of ('v1.0', 'v1.1'), not {version!r}")
        self.version = version
        self._prefix = "SqueezeNet/" if version == "v1.1" else ""
        name = f"SqueezeNet-{version[1:]}"
        self._load_nnp(f"imagenet/{name}.nnp")

    def _use(self, use_up_to: str, callback: NnpNetworkPass) -> None:
        self.use_up_to(use_up_to, callback, prefix=self._prefix)

    def _name(self, name: str) -> str:
        return self._prefix + name


class SqueezeNetV10(SqueezeNet):
    """`SqueezeNet` with ``version="v1.0"``."""

    def __init__(self) -> None:
        super().__init__("v1.0")


class SqueezeNetV11(SqueezeNet):
    """`SqueezeNet` with ``version="v1.1"``."""

    def __init__(self) -> None:
        super().__init__("v1.1")
