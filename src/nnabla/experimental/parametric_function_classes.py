"""All layers of `nnabla.experimental.parametric_function_class` by name."""

from ..parametric_functions.classes.affine import Affine, Linear
from ..parametric_functions.classes.batch_normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d, BatchNormalization
from ..parametric_functions.classes.convolution import Conv1d, Conv2d, Conv3d, ConvNd, Convolution
from ..parametric_functions.classes.deconvolution import Deconv1d, Deconv2d, Deconv3d, DeconvNd, Deconvolution
from ..parametric_functions.classes.embed import Embed
from ..parametric_functions.classes.module import Module

__all__ = [
    "Affine",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "BatchNormalization",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvNd",
    "Convolution",
    "Deconv1d",
    "Deconv2d",
    "Deconv3d",
    "DeconvNd",
    "Deconvolution",
    "Embed",
    "Linear",
    "Module",
]
