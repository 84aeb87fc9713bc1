"""More layers: special convolutions, unpooling, regions of interest, recurrent layers."""

from ..arrays import Array, distinct, explicit, integers, normal, positive, uniform
from ..case import Case, case


def depthwise(function: str, x: tuple, w: tuple, bias: int = 0, grad: tuple | None = None, **args: object) -> Case:
    """A depthwise (de)convolution of `x` with `w`; `bias` is the number of output maps, or 0 for none."""
    b = normal(bias) if bias else None
    return case(function, normal(*x), normal(*w, scale=0.5), b, args=args, grad=grad)


DEPTHWISE = [
    depthwise("depthwise_convolution", (2, 3, 5, 6), (3, 3, 3)),
    depthwise("depthwise_convolution", (2, 3, 5, 6), (3, 3, 2), 3, pad=(1, 1), stride=(2, 1)),
    depthwise("depthwise_convolution", (2, 3, 5, 6), (6, 2, 3), 6, multiplier=2, dilation=(2, 1)),
    depthwise("depthwise_convolution", (2, 3, 7), (9, 3), 9, multiplier=3, pad=(1,), stride=(2,)),
    depthwise("depthwise_convolution", (3, 5, 6), (3, 3, 3), base_axis=0),
    depthwise("depthwise_convolution", (2, 2, 3, 5, 4), (3, 2, 2), 3, base_axis=2),
    depthwise("depthwise_convolution", (2, 3, 5, 6), (3, 3, 3), 3, grad=(1,)),
    depthwise("depthwise_convolution", (2, 3, 5, 6), (4, 3, 3)),
    depthwise("depthwise_convolution", (2, 3, 5, 6), (3, 3, 3), 4),
    depthwise("depthwise_convolution", (2, 3, 2, 2), (3, 3, 3)),
    depthwise("depthwise_deconvolution", (2, 3, 4, 5), (3, 3, 3)),
    depthwise("depthwise_deconvolution", (2, 4, 4, 5), (4, 3, 2), 2, divisor=2, pad=(1, 0), stride=(2, 1)),
    depthwise("depthwise_deconvolution", (2, 6, 3, 4), (6, 2, 2), 2, divisor=3, dilation=(2, 3)),
    depthwise("depthwise_deconvolution", (2, 4, 5), (4, 3), 4, pad=(1,), stride=(2,)),
    depthwise("depthwise_deconvolution", (4, 3, 3), (4, 2, 2), 2, divisor=2, base_axis=0),
    depthwise("depthwise_deconvolution", (2, 3, 4, 5), (3, 3, 3), 3, grad=(0,)),
    depthwise("depthwise_deconvolution", (2, 3, 4, 5), (4, 3, 3)),
    depthwise("depthwise_deconvolution", (2, 4, 4, 5), (4, 3, 3), 4, divisor=2),
]


def deformable(
    x: tuple,
    w: tuple,
    taps: int,
    mask: bool = True,
    bias: bool = True,
    grad: tuple | None = None,
    **args: object,
) -> Case:
    """A deformable convolution; `taps` counts the elements of a window, times the deformable groups."""
    n, _, *size = x
    return case(
        "deformable_convolution",
        normal(*x),
        normal(*w, scale=0.5),
        normal(n, 2 * taps, *size),
        uniform(n, taps, *size, low=0.0, high=1.0) if mask else None,
        normal(w[0]) if bias else None,
        args=args,
        grad=grad,
    )


# The original needs all gradients but that of the bias, or it computes wrong ones or crashes.
DEFORMABLE = [
    deformable((2, 4, 5, 6), (2, 4, 3, 3), 9, pad=(1, 1)),
    deformable((2, 4, 5, 6), (3, 4, 3, 2), 6, mask=False, bias=False),
    deformable((1, 4, 6, 7), (4, 2, 3, 3), 18, group=2, deformable_group=2, pad=(1, 1), stride=(2, 1)),
    deformable((2, 4, 6, 6), (2, 4, 2, 2), 4, mask=False, stride=(2, 3), dilation=(2, 1)),
    deformable((1, 2, 4, 4), (2, 2, 1, 1), 2, bias=False, deformable_group=2),
    deformable((2, 4, 5, 6), (2, 4, 3, 3), 9, pad=(1, 1), grad=(0, 1, 2, 3)),
    deformable((2, 4, 5, 6), (2, 3, 3, 3), 9, pad=(1, 1)),
    deformable((2, 4, 5, 6), (2, 4, 3, 3), 8, pad=(1, 1)),
    deformable((2, 4, 5, 6), (2, 4, 3, 3), 9, pad=(1, 1), group=3),
]


def separable(x: tuple, kernels: tuple, size: tuple) -> Case:
    """An adaptive separable convolution; kernels of lengths `kernels` for `size` pixels."""
    v, u = (normal(x[0], k, *size) for k in kernels)
    return case("adaptive_separable_convolution", normal(*x), v, u)


# Where kernels are given for more pixels than the result has, the original leaves their gradients there
# unwritten.
SEPARABLE = [
    separable((2, 3, 5, 6), (3, 2), (3, 5)),
    separable((1, 1, 4, 4), (4, 4), (1, 1)),
    separable((1, 2, 4, 5), (1, 3), (4, 3)),
    separable((2, 1, 6, 4), (2, 1), (5, 4)),
    separable((1, 1, 1, 1), (1, 1), (1, 1)),
    separable((1, 2, 5, 6), (3, 2), (2, 5)),
    separable((1, 2, 5, 6), (6, 2), (1, 5)),
]

UNPOOLING = [
    case("unpooling", normal(2, 3, 3, 4), args={"kernel": (2, 2)}),
    case("unpooling", normal(2, 3, 3, 4), args={"kernel": (3, 1)}),
    case("unpooling", normal(2, 3, 4), args={"kernel": (2,)}),
    case("unpooling", normal(2, 2, 2, 3, 2), args={"kernel": (2, 1, 3)}),
    case("unpooling", normal(2, 2, 3, 2), args={"kernel": (2, 3, 1, 2)}),
    case("unpooling", normal(3, 4), args={"kernel": (2, 3)}),
    case("unpooling", normal(4), args={"kernel": (3,)}),
    case("unpooling", normal(2, 2), args={"kernel": (2, 2, 2)}),
]

# Inputs have an axis before the spatial ones; without one the original scatters to wrong places.
MAX_POOLING_BACKWARD = [
    case("max_pooling_backward", normal(2, 2, 2, 3), distinct(2, 2, 4, 6), args={"kernel": (2, 2)}),
    case(
        "max_pooling_backward",
        normal(2, 2, 3, 4),
        distinct(2, 2, 5, 7),
        args={"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1)},
    ),
    case(
        "max_pooling_backward",
        normal(2, 3, 4),
        distinct(2, 5, 7),
        args={"kernel": (2, 2), "ignore_border": False},
    ),
    case(
        "max_pooling_backward",
        normal(1, 2, 2, 2, 2),
        distinct(1, 2, 4, 5, 4),
        args={"kernel": (2, 2, 2)},
    ),
    case(
        "max_pooling_backward",
        normal(1, 1, 5, 6),
        distinct(1, 1, 5, 6),
        args={"kernel": (3, 3), "stride": (1, 1), "pad": (1, 1)},
        grad=(0,),
    ),
]

# One box inside, one that reaches over the borders, one outside.
BOXES = explicit([[0, 0.5, 1.25, 5.5, 4.0], [1, -1.5, -2.0, 3.0, 2.5], [1, 9.0, 1.0, 12.5, 3.5]], real=False)
ONE_BOX = explicit([[0, 1.0, 0.5, 4.75, 5.25]], real=False)


def roi(x: tuple, boxes: Array, **args: object) -> Case:
    """Cells of `boxes` in images of shape `x`."""
    return case("roi_align", normal(*x), boxes, args=args)


ROI_ALIGN = [
    roi((2, 3, 6, 7), BOXES, output_size=(2, 3)),
    roi((2, 3, 6, 7), BOXES, output_size=(2, 2), sampling_ratio=2),
    roi((2, 1, 6, 7), BOXES, output_size=(3, 2), spatial_scale=(0.5, 0.75), sampling_ratio=1),
    roi((1, 2, 6, 6), ONE_BOX, output_size=(1, 1)),
    roi((1, 2, 6, 6), ONE_BOX, output_size=(7, 7), sampling_ratio=3),
    roi((1, 2, 6, 6), explicit([[0, 3.0, 3.0, 3.0, 3.0]], real=False), output_size=(2, 2), sampling_ratio=2),
    roi((1, 2, 6, 6), explicit([[1, 1.0, 1.0, 3.0, 3.0]], real=False), output_size=(2, 2)),
    roi((1, 2, 6, 6), explicit([[0, 1.0, 1.0, 3.0]], real=False), output_size=(2, 2)),
]


def recurrent(function: str, sizes: tuple, bias: bool = True, grad: tuple | None = None, **args: object) -> Case:
    """A recurrent layer; `sizes` are those of steps, batch, features and hidden units."""
    steps, batch, features, hidden = sizes
    layers, directions = int(args.get("num_layers", 1)), 1 + bool(args.get("bidirectional"))
    rows, bias_rows = {"rnn": ((), ()), "lstm": ((4,), (4,)), "gru": ((3,), (4,))}[function]
    states = [normal(layers, directions, batch, hidden)] * (2 if function == "lstm" else 1)
    further = (layers - 1, directions, *rows, hidden, (directions + 1) * hidden)
    return case(
        function,
        normal(steps, batch, features),
        *states,
        normal(directions, *rows, hidden, features + hidden, scale=0.5),
        normal(*further, scale=0.5) if layers > 1 else None,
        normal(layers, directions, *bias_rows, hidden) if bias else None,
        args=args,
        grad=grad,
    )


RECURRENT = [
    recurrent(function, sizes, bias, None, **args)
    for function in ("rnn", "lstm", "gru")
    for sizes, bias, args in (
        ((4, 2, 3, 5), True, {}),
        ((4, 2, 3, 5), False, {}),
        ((3, 2, 3, 4), True, {"bidirectional": True}),
        ((3, 2, 3, 4), True, {"num_layers": 3}),
        ((3, 2, 2, 3), False, {"num_layers": 2, "bidirectional": True}),
        ((1, 2, 1, 2), True, {}),
    )
] + [
    recurrent("rnn", (4, 2, 3, 5), nonlinearity="relu", num_layers=2),
    recurrent("rnn", (4, 2, 3, 5), grad=(0,)),
    recurrent("lstm", (4, 2, 3, 5), grad=(1, 3)),
    recurrent("gru", (4, 2, 3, 5), training=False, grad=()),
    recurrent("lstm", (4, 2, 3, 5), training=False),
    case("rnn", normal(3, 2, 4), normal(1, 1, 2, 5), normal(1, 5, 8)),
    case("rnn", normal(3, 2, 4), normal(1, 1, 3, 5), normal(1, 5, 9)),
    case("rnn", normal(3, 2, 4), normal(1, 1, 2, 5), normal(1, 5, 9), normal(1, 1, 5, 10)),
    case("rnn", normal(3, 2, 4), normal(1, 1, 2, 5), normal(1, 5, 9), args={"nonlinearity": "sigmoid"}),
    case("lstm", normal(3, 2, 4), normal(1, 1, 2, 5), normal(1, 1, 2, 4), normal(1, 4, 5, 9)),
    case("gru", normal(3, 2, 4), normal(1, 1, 2, 5), normal(1, 3, 5, 9), None, normal(1, 1, 3, 5)),
]


def correlation(shape: tuple, **args: object) -> Case:
    """Two images of one shape."""
    return case("patch_correlation", normal(*shape), normal(*shape), args=args)


PATCH_CORRELATION = [
    correlation((1, 2, 4, 5)),
    correlation((2, 2, 4, 5), patch=(2, 3)),
    correlation((1, 3, 5, 5), shift=(1, 2)),
    correlation((1, 2, 6, 7), patch=2, shift=(2, 1), patch_step=(2, 1), shift_step=(2, 1), padding=(1, 2)),
    correlation((2, 5, 6, 2), patch=(1, 2), shift=2, padding=1, channel_last=True),
    correlation((1, 1, 4, 4), patch=(3, 1), padding=(0, 1, 2, 0), patch_step=(1, 3)),
]


def fused(x: tuple, w: tuple, norm: bool = False, z: tuple | None = None, **args: object) -> Case:
    """A fused convolution with batch normalization or a bias; `z` is the shape of what is added."""
    parameters = (1, w[0], *[1] * (len(x) - 2))
    shift, scale, mean, variance = (
        normal(*parameters),
        normal(*parameters),
        normal(*parameters),
        positive(*parameters),
    )
    return case(
        "fused_convolution",
        normal(*x),
        normal(*w, scale=0.5),
        None if norm else normal(w[0]),
        *([shift, scale, mean, variance] if norm else [None] * 4),
        normal(*z) if z else None,
        args=args,
        grad=tuple(i for i in (0, 1, 3, 4, 7) if (i != 7 or z) and (norm or i not in (3, 4))),
        updates=(5, 6) if norm and args.get("batch_stat", True) else (),
    )


FUSED = [
    fused((2, 3, 5, 6), (4, 3, 3, 3), pad=(1, 1)),
    fused((2, 3, 5, 6), (4, 3, 3, 3), z=(2, 4, 3, 4), nonlinearity="sigmoid"),
    fused((2, 4, 5, 6), (4, 2, 3, 3), norm=True, group=2, stride=(2, 1), nonlinearity="tanh", eps=0.25),
    fused((2, 3, 5, 6), (4, 3, 3, 3), norm=True, z=(2, 4, 3, 4), decay_rate=0.75, nonlinearity="identity"),
    fused((2, 3, 5, 6), (4, 3, 3, 3), norm=True, batch_stat=False, nonlinearity="relu6"),
    fused((2, 3, 5, 6), (4, 3, 3, 3), nonlinearity="leaky_relu", nonlinearity_args=(0.25,)),
    fused((2, 3, 5, 6), (4, 3, 3, 3), nonlinearity="elu", nonlinearity_args=(0.5,)),
    fused((2, 3, 5, 6), (4, 3, 3, 3), pad=(1, 2), pad_mode="reflect", nonlinearity="tanh"),
    fused((2, 3, 5, 6), (4, 3, 3, 3), pad=(2, 1), pad_mode="repeat", nonlinearity="tanh"),
    fused((2, 3, 5, 6), (4, 3, 3, 3), pad=(1, 0, 2, 1), constant_value=1.5, nonlinearity="identity"),
]

EMBED = [
    case("embed", integers(2, 3, high=5), normal(5, 2, 2)),
    case("embed", explicit([0.75, 2.5], real=False), normal(4, 3)),
]

CASES = [
    *DEPTHWISE,
    *DEFORMABLE,
    *SEPARABLE,
    *UNPOOLING,
    *MAX_POOLING_BACKWARD,
    *ROI_ALIGN,
    *RECURRENT,
    *PATCH_CORRELATION,
    *FUSED,
    *EMBED,
]
