"""`InceptionV3`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ...converters.nnp.network_passes import NnpNetworkPass
from .base import AuxiliaryTowers, ImageNetBase

__all__ = ["ImageNetBase", "InceptionV3", "NnpNetworkPass"]


class InceptionV3(AuxiliaryTowers):
    """Inception of the third version.

    Keys of `use_up_to`:

    ``"classifier"``: scores of the 1000 categories (default).
    ``"pool"``: output of the last, global average pooling.
    ``"prepool"``: what goes into it.

    Source: C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", arXiv:1512.00567.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "classifier": "Affine",
        "pool": "AveragePooling_2",
        "prepool": "Inception_11/Concatenate",
        "_aux_classifier": "Affine_2",
        "_include_no_aux": "Conv_6/Convolution",
    }
    _network = "Train"
    _input = "Iv3TrainInput"
    _augmentation = "ImageAugmentation"
    _pooling = "AveragePooling_2"
    _dropouts = ("Dropout",)
    _side = 299
    _auxiliary_classifiers = ("_aux_classifier",)
    _branching_points = ("_include_no_aux",)
    _auxiliary_functions = (
        "Conv_6/Convolution",
        "Conv_6/BatchNormalization",
        "Conv_6/ReLU",
        "AveragePooling",
        "Conv_7/Convolution",
        "Conv_7/BatchNormalization",
        "Conv_7/ReLU",
        "Affine_2",
        "SoftmaxCrossEntropy_2",
        "MulScalar_2",
    )

    def __init__(self) -> None:
        self._load_nnp("imagenet/Inception-v3.nnp")
