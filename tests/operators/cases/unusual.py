"""Calls that look like slips: fractions for integers, negative pads, fewer entries than axes, nothing to compute."""

from ..arrays import distinct, explicit, integers, normal, uniform
from ..case import Case, case
from .layers import convolution, deconvolution
from .layers_more import deformable, depthwise, fused
from .normalization_more import ROUNDING
from .quantization import binary_convolution
from .signal import interpolate, onnx_resize

# Scripts that divide sizes with "/" give fractions; the original cuts them off.
FRACTIONS = [
    case("softmax", normal(2, 3, 4), args={"axis": 1.7}),
    case("softmax", normal(2, 3, 4), args={"axis": -1.5}),
    case("softmax", normal(2, 3), args={"axis": -0.5}),
    case("sum", normal(2, 3, 4), args={"axis": (0.5, 2.9)}),
    case("sum", normal(2, 3), args={"axis": 1.5}),
    case("max", normal(2, 3), args={"axis": 1.5}),
    case("reshape", normal(2, 6), args={"shape": (3.7, 4.2)}),
    case("broadcast", normal(1, 3), args={"shape": (2.5, 3.0)}),
    case("flip", normal(2, 3), args={"axes": (1.5,)}),
    case("tile", normal(2, 3), args={"reps": (2.5, 1.0)}),
    case("pad", normal(2, 3), args={"pad_width": (1.5, 0.5)}),
    case("one_hot", integers(4, 1, high=3), args={"shape": (3.5,)}, grad=()),
    case("max_pooling", distinct(2, 3, 6, 6), args={"kernel": (2.5, 2.0), "pad": (0.5, 0.5)}),
    case("average_pooling", normal(2, 3, 6, 6), args={"kernel": (3.5, 3.5), "stride": (1.5, 1.5), "pad": (1.5, 1.5)}),
    convolution((2, 3, 6, 6), (4, 3, 4, 4), pad=(1.5, 1.5), stride=(1.5, 1.0), dilation=(1.5, 1.0)),
    convolution((2, 4, 7), (6, 2, 3), group=2.5),
    case("affine", normal(2, 4, 7), normal(28, 3), args={"base_axis": 1.5}),
    case("top_k_data", normal(2, 5), args={"k": 2.5}),
    case("layer_normalization", normal(3, 4), None, None, args={"batch_axis": 0.5}, tolerance=ROUNDING),
    case("group_normalization", normal(2, 4, 3), None, None, args={"num_groups": 2.5}, tolerance=ROUNDING),
]

# (kernel - stride) // 2 is negative where windows skip elements.
PADS = [
    convolution((2, 3, 7), (4, 3, 1), pad=(-1,), stride=(3,)),
    convolution((2, 3, 7), (4, 3, 3), bias=False, pad=(-2,)),
    convolution((2, 4, 7, 6), (6, 2, 3, 2), pad=(-1, 1), stride=(2, 1), group=2),
    convolution((2, 4, 7, 6), (3, 4, 3, 2), pad=(0, -1), dilation=(2, 2)),
    convolution((2, 2, 3, 7, 6), (3, 3, 3, 2), pad=(-1, -1), base_axis=2),
    convolution((1, 2, 5, 6, 5), (2, 2, 2, 2, 2), pad=(-1, 0, 1)),
    convolution((2, 3, 7), (4, 3, 3), pad=(-1,), grad=(1,)),
    deconvolution((2, 3, 4), (3, 2, 3), 2, pad=(-1,)),
    deconvolution((2, 4, 4, 5), (4, 3, 3, 2), 6, pad=(-2, 1), stride=(2, 1), group=2),
    deconvolution((2, 2, 3, 4, 5), (3, 2, 3, 2), pad=(-1, -1), base_axis=2),
    deconvolution((2, 3, 4), (3, 2, 3), 2, pad=(-1,), grad=(0,)),
    deconvolution((2, 3, 4), (3, 2, 3), 2, pad=(-1,), grad=(2,)),
    deconvolution((2, 3, 4), (3, 2, 3), 2, output_padding=()),
    depthwise("depthwise_convolution", (2, 3, 5, 6), (3, 3, 2), 3, pad=(-1, 1)),
    depthwise("depthwise_deconvolution", (2, 3, 4, 5), (3, 3, 2), 3, pad=(-1, 1)),
    deformable((1, 2, 6, 7), (2, 2, 3, 3), 9, pad=(-1, 0)),
    fused((2, 3, 7, 6), (4, 3, 3, 3), pad=(-1, 1), nonlinearity="tanh"),
    binary_convolution((2, 3, 5, 6), (4, 3, 3, 3), pad=(-1, 0)),
]

# Several lists of bounds with fewer entries than axes are for the last axes.
PARTS = [
    case("slice", normal(2, 3, 4), args={"start": (1, 2), "stop": (3, 4), "step": (1, 1)}),
    case("slice", normal(2, 3, 4), args={"start": (1,), "stop": (4,), "step": (2,)}),
    case("slice", normal(2, 3, 4), args={"start": (-1,), "stop": (-4,), "step": (-2,)}),
    case("slice", normal(2, 3), args={"start": (), "stop": (), "step": ()}),
    case("reshape", normal(2, 6), args={"shape": (-2, 4)}),
    case("reshape", normal(2, 6), args={"shape": (3, -7, 2)}),
    case("unpooling", normal(2, 3), args={"kernel": ()}),
    case("softplus", explicit([-15.0, -1.0, 0.0, 0.5, 3.0, 15.0]), args={"beta": -1.0}),
    case("softplus", normal(2, 3), args={"beta": -2.5}),
]

EMPTY = [
    case("affine_grid", normal(2, 2, 3), args={"size": (0, 3)}),
    case("affine_grid", normal(2, 3, 4), args={"size": (2, 0, 3), "align_corners": True}),
    case("unpooling", normal(0, 3, 3, 4), args={"kernel": (2, 2)}),
    case("unpooling", normal(2, 3, 0, 4), args={"kernel": (2, 2)}),
    case("shift", normal(0, 3), args={"shifts": (1, 1)}),
    case("shift", normal(2, 0), args={"shifts": (1, 1), "border_mode": "reflect"}),
    case("warp_by_grid", normal(0, 3, 5, 4), uniform(0, 2, 3, 2, low=-1.0, high=1.0)),
    case("warp_by_flow", normal(0, 3, 5, 4), normal(0, 2, 5, 4)),
    case("roi_align", normal(0, 3, 6, 7), normal(0, 5), args={"output_size": (2, 3)}, grad=(0,)),
    deformable((0, 2, 5, 6), (2, 2, 3, 3), 9, pad=(1, 1)),
    interpolate((2, 3, 5, 4), output_size=(0, 4)),
    interpolate((2, 3, 5, 4), output_size=(2, 0), half_pixel=True),
    interpolate((2, 3, 5, 4), scale=(2.0, 0.1), mode="nearest", half_pixel_for_nn=True),
    case("stft", normal(0, 12), args={"window_size": 8, "stride": 4, "fft_size": 8}, grad=()),
    interpolate((2, 3, 5, 4), scale=(0.1, 2.0), mode="nearest"),
    interpolate((0, 3, 2, 4), scale=(2, 2)),
    onnx_resize((0, 2, 3, 4), scales=(1, 1, 2, 1.75)),
    onnx_resize((1, 2, 3, 4), scales=(1, 1, 0, 1.75), mode="linear"),
]

CASES: list[Case] = FRACTIONS + PADS + PARTS + EMPTY
