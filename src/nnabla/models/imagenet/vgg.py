"""`VGG`, of several sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ...converters.nnp.network_passes import NnpNetworkPass
from ...errors import ArgumentError
from .base import ImageNetBase

__all__ = ["VGG", "VGG11", "VGG13", "VGG16", "ImageNetBase", "NnpNetworkPass"]


class VGG(ImageNetBase):
    """VGG of 11, 13 or 16 layers.

    Args:
        num_layers: 11, 13 or 16.

    Raises:
        ArgumentError: there is no such network.

    Keys of `use_up_to`:

    ``"classifier"``: scores of the 1000 categories (default).
    ``"pool"``: output of the last max pooling.
    ``"lastconv"``: what goes into the ReLU before it.
    ``"lastconv+relu"``: output of that ReLU.
    ``"lastfeature"``: output of the affine layer before the classifier.

    Source: K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
    Recognition", arXiv:1409.1556.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "classifier": "VGG{layers}/Affine_3",
        "pool": "VGG{layers}/MaxPooling_5",
        "lastconv": "VGG{layers}/Convolution_{last}",
        "lastconv+relu": "VGG{layers}/ReLU_{last}",
        "lastfeature": "VGG{layers}/Affine_2",
    }
    _input = "TrainingInput"
    _pooling = None

    def __init__(self, num_layers: int = 11) -> None:
        if num_layers not in (11, 13, 16):
            raise ArgumentError(f"VGG: num_layers must be one of (11, 13, 16), not {num_layers!r}")
        self.num_layers = num_layers
        self._dropouts = (f"VGG{num_layers}/Dropout_1", f"VGG{num_layers}/Dropout_2")
        name = f"VGG-{num_layers}"
        self._load_nnp(f"imagenet/{name}.nnp")

    def _use(self, use_up_to: str, callback: NnpNetworkPass) -> None:
        last = 13 if self.num_layers == 16 else 12
        self.use_up_to(use_up_to, callback, layers=self.num_layers, last=last)


class VGG11(VGG):
    """`VGG` with ``num_layers=11``."""

    def __init__(self) -> None:
        super().__init__(11)


class VGG13(VGG):
    """`VGG` with ``num_layers=13``."""

    def __init__(self) -> None:
        super().__init__(13)


class VGG16(VGG):
    """`VGG` with ``num_layers=16``."""

    def __init__(self) -> None:
        super().__init__(16)
