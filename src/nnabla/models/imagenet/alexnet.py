"""`AlexNet`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ...converters.nnp.network_passes import NnpNetworkPass
from ...graph.variable import Variable
from .base import ImageNetBase

__all__ = ["AlexNet", "ImageNetBase", "NnpNetworkPass"]


class AlexNet(ImageNetBase):
    """AlexNet.

    Keys of `use_up_to`:

    ``"classifier"``: scores of the 1000 categories (default).
    ``"pool"``: output of the last max pooling.
    ``"lastconv"``: what goes into the ReLU before it.
    ``"lastconv+relu"``: output of that ReLU.
    ``"lastfeature"``: output of the affine layer before the classifier.

    Source: A. Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "classifier": "TrainNet/Affine_3",
        "pool": "TrainNet/MaxPooling_3",
        "lastconv": "TrainNet/Convolution_5",
        "lastconv+relu": "TrainNet/ReLU_5",
        "lastfeature": "TrainNet/Affine_2",
    }
    _input = "TrainingInput"
    _pooling = None
    _dropouts = ("TrainNet/Dropout", "TrainNet/Dropout_2")
    _side = 227

    def __init__(self) -> None:
        self._load_nnp("imagenet/AlexNet.nnp")

    def __call__(
        self,
        input_var: Variable | None = None,
        use_from: str | None = None,
        use_up_to: str = "classifier",
        training: bool = False,
        force_global_pooling: bool = False,
        check_global_pooling: bool = True,
        returns_net: bool = False,
        verbose: int = 0,
        with_aux_tower: bool = False,
    ) -> Any:
        """Build the network, see `ImageNetBase`.

        Args:
            with_aux_tower: accepted for compatibility; the network has none.
        """
        return super().__call__(
            input_var, use_from, use_up_to, training, force_global_pooling, check_global_pooling, returns_net, verbose
        )
