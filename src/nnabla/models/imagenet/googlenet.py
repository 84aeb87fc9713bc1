"""`GoogLeNet`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ...converters.nnp.network_passes import NnpNetworkPass
from .base import AuxiliaryTowers, ImageNetBase

__all__ = ["GoogLeNet", "ImageNetBase", "NnpNetworkPass"]


class GoogLeNet(AuxiliaryTowers):
    """GoogLeNet.

    Keys of `use_up_to`:

    ``"classifier"``: scores of the 1000 categories (default).
    ``"pool"``: output of the last, global average pooling.
    ``"prepool"``: what goes into it.

    Source: C. Szegedy et al., "Going Deeper with Convolutions", arXiv:1409.4842.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "classifier": "Affine_5",
        "pool": "AveragePooling_3",
        "prepool": "Concatenate_9",
        "_aux_classifier_1": "Affine_2",
        "_branching_point_1": "AveragePooling",
        "_aux_classifier_2": "Affine_4",
        "_branching_point_2": "AveragePooling_2",
    }
    _network = "Train"
    _pooling = "AveragePooling_3"
    _dropouts = ("Dropout_3",)
    _auxiliary_classifiers = ("_aux_classifier_1", "_aux_classifier_2")
    _branching_points = ("_branching_point_1", "_branching_point_2")
    _auxiliary_functions = (
        "AveragePooling",
        "Convolution_22",
        "ReLU_22",
        "Affine",
        "ReLU_23",
        "Dropout",
        "Affine_2",
        "SoftmaxCrossEntropy",
        "MulScalarLoss1",
        "AveragePooling_2",
        "Convolution_41",
        "ReLU_42",
        "Affine_3",
        "ReLU_43",
        "Dropout_2",
        "Affine_4",
        "SoftmaxCrossEntropy_2",
        "MulScalarLoss2",
    )

    def __init__(self) -> None:
        self._load_nnp("imagenet/GoogLeNet.nnp")
