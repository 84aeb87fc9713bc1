"""Layers with weights: affine, convolution, deconvolution, embedding; and dropout that drops nothing."""

from ..arrays import integers, normal
from ..case import Case, case

CHANNEL_LAST = "the original has channel_last only on a GPU"


def convolution(
    x: tuple, w: tuple, bias: bool = True, grad: tuple | None = None, beyond: str = "", **args: object
) -> Case:
    """A convolution of `x` with `w`, and a bias for each output map."""
    b = normal(w[0]) if bias else None
    return case("convolution", normal(*x), normal(*w, scale=0.5), b, args=args, grad=grad, beyond=beyond)


def deconvolution(
    x: tuple, w: tuple, bias: int = 0, grad: tuple | None = None, beyond: str = "", **args: object
) -> Case:
    """A deconvolution of `x` with `w`; `bias` is the number of output maps, or 0 for none."""
    b = normal(bias) if bias else None
    return case("deconvolution", normal(*x), normal(*w, scale=0.5), b, args=args, grad=grad, beyond=beyond)


AFFINE = [
    case("affine", normal(2, 3), normal(3, 4)),
    case("affine", normal(2, 3), normal(3, 4), normal(4)),
    case("affine", normal(2, 3), normal(3, 4), None),
    case("affine", normal(2, 3, 4), normal(12, 5), normal(5)),
    case("affine", normal(2, 3, 4), normal(4, 5), normal(5), args={"base_axis": 2}),
    case("affine", normal(2, 3, 4), normal(4, 5), args={"base_axis": -1}),
    case("affine", normal(2, 3, 2, 2), normal(12, 2, 3), normal(2, 3)),
    case("affine", normal(2, 3, 2, 2), normal(4, 2, 3), normal(2, 3), args={"base_axis": 2}),
    case("affine", normal(3, 4), normal(12, 2), args={"base_axis": 0}),
    case("affine", normal(1, 1), normal(1, 1), normal(1)),
    case("affine", normal(40, 100), normal(100, 30), normal(30)),
    case("affine", normal(2, 3), normal(3, 4), normal(4), grad=(0,)),
    case("affine", normal(2, 3), normal(3, 4), normal(4), grad=(1,)),
    case("affine", normal(2, 3), normal(3, 4), normal(4), grad=(2,)),
    case("affine", normal(2, 3), normal(4, 4)),
    case("affine", normal(2, 3), normal(3, 4), normal(3)),
    case("affine", normal(2, 3), normal(3, 4), args={"base_axis": 3}),
]

CONVOLUTION = [
    convolution((2, 3, 7), (4, 3, 3)),
    convolution((2, 3, 7), (4, 3, 3), bias=False, pad=(2,), stride=(2,), dilation=(2,)),
    convolution((2, 4, 7), (6, 2, 3), pad=(1,), group=2),
    convolution((2, 6, 3), (4, 3, 3), channel_last=True, beyond=CHANNEL_LAST),
    convolution((2, 3, 5, 6), (4, 3, 3, 3)),
    convolution((2, 3, 5, 6), (4, 3, 3, 2), bias=False),
    convolution((2, 3, 5, 6), (4, 3, 3, 3), pad=(1, 1)),
    convolution((2, 3, 7, 8), (4, 3, 3, 3), pad=(1, 2), stride=(2, 3)),
    convolution((2, 3, 8, 7), (2, 3, 3, 2), pad=(2, 0), dilation=(2, 3)),
    convolution((2, 3, 8, 7), (2, 3, 2, 3), pad=(1, 2), stride=(2, 1), dilation=(3, 2)),
    convolution((2, 4, 5, 5), (6, 2, 3, 3), pad=(1, 1), group=2),
    convolution((2, 4, 5, 5), (4, 1, 3, 3), stride=(2, 2), group=4),
    convolution((2, 3, 4, 4), (5, 3, 1, 1)),
    convolution((2, 3, 4, 4), (5, 3, 1, 1), bias=False, stride=(2, 2)),
    convolution((1, 1, 1, 1), (1, 1, 1, 1)),
    convolution((2, 16, 14, 14), (24, 16, 3, 3), pad=(1, 1)),
    convolution((2, 16, 15, 15), (16, 8, 5, 5), pad=(2, 2), stride=(2, 2), group=2),
    convolution((3, 5, 6), (2, 3, 2, 3), base_axis=0),
    convolution((2, 2, 3, 5, 4), (2, 3, 3, 2), base_axis=2, pad=(1, 0)),
    convolution((2, 3, 5, 6), (4, 3, 3, 3), grad=(0,)),
    convolution((2, 3, 5, 6), (4, 3, 3, 3), grad=(1,)),
    convolution((2, 3, 5, 6), (4, 3, 3, 3), grad=(2,)),
    convolution((2, 5, 6, 3), (4, 3, 3, 3), channel_last=True, beyond=CHANNEL_LAST),
    convolution((2, 5, 6, 4), (4, 3, 2, 2), channel_last=True, group=2, pad=(1, 1), stride=(2, 1), beyond=CHANNEL_LAST),
    convolution((2, 2, 4, 5, 4), (3, 2, 2, 3, 2), pad=(1, 0, 1)),
    convolution((1, 2, 5, 4, 4), (2, 1, 3, 2, 2), bias=False, stride=(2, 1, 1), group=2),
    convolution((1, 2, 5, 5, 4), (2, 2, 2, 2, 2), dilation=(2, 1, 2), pad=(1, 1, 1)),
    convolution((2, 3, 5, 6), (4, 2, 3, 3)),
    convolution((2, 3, 5, 6), (4, 3, 3, 3), group=2),
    convolution((2, 3, 2, 2), (4, 3, 3, 3)),
    convolution((2, 3, 5, 6), (4, 3, 3, 3), pad=(1,)),
    convolution((2, 3, 5, 6), (4, 3, 3)),
    case("convolution", normal(2, 3, 5, 6), normal(4, 3, 3, 3), normal(3)),
]

DECONVOLUTION = [
    deconvolution((2, 3, 5), (3, 4, 3), 4),
    deconvolution((2, 3, 5), (3, 4, 3), pad=(1,), stride=(2,), dilation=(2,)),
    deconvolution((2, 4, 5), (4, 3, 3), 6, group=2),
    deconvolution((2, 3, 4, 5), (3, 4, 3, 3), 4),
    deconvolution((2, 3, 4, 5), (3, 2, 3, 2)),
    deconvolution((2, 3, 4, 3), (3, 2, 3, 3), 2, pad=(1, 1), stride=(2, 2)),
    deconvolution((2, 3, 4, 3), (3, 2, 3, 3), 2, pad=(1, 1), stride=(2, 2), output_padding=(1, 1)),
    deconvolution((2, 3, 3, 4), (3, 2, 2, 3), stride=(3, 2), output_padding=(2, 1)),
    deconvolution((2, 3, 3, 4), (3, 2, 2, 3), pad=(1, 2), dilation=(3, 2)),
    deconvolution((2, 4, 3, 4), (4, 3, 3, 3), 6, pad=(1, 0), stride=(1, 2), group=2),
    deconvolution((2, 4, 3, 3), (4, 1, 2, 2), 4, stride=(2, 2), group=4),
    deconvolution((2, 3, 3, 3), (3, 5, 1, 1), 5),
    deconvolution((1, 1, 1, 1), (1, 1, 1, 1), 1),
    deconvolution((2, 16, 8, 8), (16, 12, 4, 4), 12, pad=(1, 1), stride=(2, 2)),
    deconvolution((3, 4, 4), (3, 2, 2, 3), 2, base_axis=0),
    deconvolution((2, 2, 3, 3, 4), (3, 2, 2, 2), 2, base_axis=2),
    deconvolution((2, 3, 4, 5), (3, 4, 3, 3), 4, grad=(0,)),
    deconvolution((2, 3, 4, 5), (3, 4, 3, 3), 4, grad=(1,)),
    deconvolution((2, 3, 4, 5), (3, 4, 3, 3), 4, grad=(2,)),
    deconvolution((2, 4, 5, 3), (3, 3, 3, 4), 4, channel_last=True, beyond=CHANNEL_LAST),
    deconvolution((2, 2, 3, 3, 2), (2, 3, 2, 2, 3), 3, pad=(0, 1, 1), stride=(2, 1, 2)),
    deconvolution((1, 2, 3, 2, 3), (2, 1, 2, 2, 2), stride=(2, 2, 2), output_padding=(1, 0, 1), group=2),
    deconvolution((2, 3, 4, 5), (3, 4, 3, 3), 3),
    deconvolution((2, 3, 4, 5), (3, 4, 3, 3), group=2),
    deconvolution((2, 3, 4, 5), (3, 4, 3, 3), pad=(1, 1, 1)),
    deconvolution((2, 3, 4, 3), (3, 2, 3, 3), stride=(2, 2), output_padding=(2, 2)),
]

EMBED = [
    case("embed", integers(4, high=5), normal(5, 3)),
    case("embed", integers(2, 3, high=5), normal(5, 3)),
    case("embed", integers(2, 3, high=4), normal(4, 2, 3)),
    case("embed", integers(high=4), normal(4, 3)),
    case("embed", integers(6, high=2), normal(2, 3)),
    case("embed", integers(3, high=4), normal(4)),
    case("embed", integers(1, high=1), normal(1, 1)),
    case("embed", integers(2, high=4), normal(4, 3), grad=()),
    case("embed", integers(2, high=4), normal(4, 3), grad=(0, 1)),
]

DROPOUT = [
    case("dropout", normal(2, 3), args={"p": 0.0}),
    case("dropout", normal(4), args={"p": 0.0, "seed": 7}),
    case("dropout", normal(), args={"p": 0.0}),
    case("dropout", normal(2, 1, 3), args={"p": 0.0}),
    case("dropout", normal(2, 3), args={"p": 1.0}),
    case("dropout", normal(2, 3), args={"p": -0.1}),
]

CASES = AFFINE + CONVOLUTION + DECONVOLUTION + EMBED + DROPOUT
