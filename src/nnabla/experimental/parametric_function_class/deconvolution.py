"""Door to `nnabla.parametric_functions.classes.deconvolution`."""

from ...parametric_functions.classes.deconvolution import Deconv1d, Deconv2d, Deconv3d, DeconvNd, Deconvolution

__all__ = ["Deconv1d", "Deconv2d", "Deconv3d", "DeconvNd", "Deconvolution"]
