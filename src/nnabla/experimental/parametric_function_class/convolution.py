"""Door to `nnabla.parametric_functions.classes.convolution`."""

from ...parametric_functions.classes.convolution import Conv1d, Conv2d, Conv3d, ConvNd, Convolution, Filtering

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvNd", "Convolution", "Filtering"]
