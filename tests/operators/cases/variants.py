"""What the other tables leave out: axes of length 1, axes counted from the end, one spatial axis, inputs left out."""

from ..arrays import distinct, explicit, integers, normal, positive, probabilities, uniform
from ..case import Case, Tolerance, case
from .layers import convolution, deconvolution
from .layers_more import BOXES, ONE_BOX, deformable, depthwise, fused, recurrent, roi
from .normalization_more import ROUNDING, normalization
from .normalization_more import fused as fused_normalization
from .quantization import binary_affine, binary_convolution, constants, incremental, linear, value, wide
from .signal import interpolate, istft
from .validation_more import BOXES as DETECTED
from .validation_more import detection

# Without them, the original counts the axes of the image wrong where base_axis counts from the end.
EXPLICIT = {"base_axis": -3, "pad": (1, 0), "stride": (1, 2), "dilation": (1, 1)}

# Shape of the input and arguments, for each of the three functions. The original refuses windows of one axis.
POOLED = [
    ((2, 3, 8), {"kernel": (2,)}),
    ((7,), {"kernel": (3,), "stride": (2,), "pad": (1,)}),
    ((1, 2, 1, 6), {"kernel": (1, 3)}),
    ((2, 3, 6, 1), {"kernel": (2, 1), "stride": (1, 1), "pad": (1, 0)}),
    ((1, 2, 1, 5, 4), {"kernel": (1, 2, 3), "ignore_border": False}),
]

ZERO = Tolerance(absolute=1e-6, reason="a vector of one element keeps its length: its gradient is what rounding leaves")

POOLING = [
    *[case("max_pooling", distinct(*shape), args=args) for shape, args in POOLED],
    *[case("average_pooling", normal(*shape), args=args) for shape, args in POOLED],
    *[case("average_pooling", normal(*shape), args={"including_pad": False, **args}) for shape, args in POOLED],
    *[case("sum_pooling", normal(*shape), args=args) for shape, args in POOLED],
    case("max_pooling_backward", normal(2, 1, 1, 2), distinct(2, 1, 1, 6), args={"kernel": (1, 3)}),
    case("unpooling", normal(2, 1, 3), args={"kernel": (2,)}),
    case("global_average_pooling", normal(1, 3, 2, 1)),
]

CONVOLUTIONS = [
    convolution((2, 3, 5, 6), (4, 3, 3, 3), **EXPLICIT),
    convolution((2, 3, 7), (4, 3, 3), base_axis=-2, pad=(1,), stride=(1,), dilation=(2,)),
    convolution((3, 7), (4, 3, 3), base_axis=0, stride=(2,)),
    convolution((2, 2, 3, 7), (4, 3, 3), base_axis=2, pad=(1,)),
    convolution((2, 4, 7), (4, 1, 3), group=4, dilation=(2,)),
    deconvolution((2, 3, 4, 5), (3, 4, 3, 3), **EXPLICIT, output_padding=(0, 1)),
    deconvolution((3, 5), (3, 2, 3), base_axis=0, stride=(2,)),
    convolution((2, 4, 3, 4, 3, 4), (2, 2, 2, 3, 2, 1), pad=(1, 1, 0, 2), stride=(2, 1, 1, 2), group=2),
    convolution((1, 2, 3, 3, 2, 4), (2, 2, 2, 1, 2, 2), dilation=(2, 1, 1, 3), bias=False),
    convolution((1, 1, 2, 2, 2, 2, 3), (2, 1, 1, 2, 1, 2, 2)),
    deconvolution((2, 4, 5), (4, 1, 3), group=4, stride=(3,), output_padding=(2,)),
    deconvolution((1, 2, 2, 2, 1, 2), (2, 2, 2, 2, 2, 1), 2, pad=(1, 0, 0, 0), stride=(2, 1, 2, 2)),
    deconvolution((1, 2, 2, 1, 2, 2), (2, 1, 1, 2, 2, 1), 2, stride=(2, 1, 2, 1), group=2, output_padding=(1, 0, 1, 0)),
    depthwise("depthwise_convolution", (2, 3, 5, 6), (3, 3, 3), **EXPLICIT),
    depthwise("depthwise_convolution", (1, 1, 4), (2, 1), 2, multiplier=2),
    depthwise("depthwise_deconvolution", (2, 3, 4, 5), (3, 3, 3), **EXPLICIT),
    depthwise("depthwise_deconvolution", (1, 1, 4), (1, 1), 1),
    deformable((1, 2, 4, 5), (2, 2, 3, 3), 9, base_axis=-3, pad=(1, 1), stride=(1, 1), dilation=(1, 1)),
    deformable((1, 1, 3, 3), (1, 1, 1, 1), 1),
    fused((2, 3, 7), (4, 3, 3), dilation=(2,), nonlinearity="tanh"),
    fused((3, 5, 6), (4, 3, 3, 3), dilation=(1, 2), base_axis=0, nonlinearity="tanh"),
    fused((1, 1, 1, 1), (1, 1, 1, 1), nonlinearity="identity"),
    binary_affine((2, 3, 4), (4, 2), base_axis=-1),
    binary_affine((1, 1), (1, 1)),
    binary_affine((2, 3, 4), (4, 2), alpha=True, base_axis=-1),
    binary_affine((1, 1), (1, 1), alpha=True),
    *[
        binary_convolution(x, w, alpha=alpha, **args)
        for alpha in (False, True)
        for x, w, args in (
            ((2, 3, 7), (4, 3, 3), {}),
            ((2, 2, 3, 7), (4, 3, 3), {"base_axis": 2}),
            ((2, 3, 5, 6), (4, 3, 3, 3), EXPLICIT),
            ((2, 1, 4), (1, 1, 1), {}),
        )
    ],
    *[
        case(
            function,
            normal(1, 2, 5),
            explicit([[[0.0, 1.0], [-0.5, 0.0]]]),
            *[constants(*shape, value=0.0) for shape in shapes],
            args={"quantize_zero_to": -1.0},
            grad=(0, 1),
            updates=tuple(range(2, 2 + len(shapes))),
            derivative="undefined",
        )
        for function, shapes in (
            ("binary_connect_convolution", [(1, 2, 2)]),
            ("binary_weight_convolution", [(1, 2, 2), (1,)]),
        )
    ],
    incremental("inq_affine", (2, 3, 4), (4, 2), inq_iterations=(0,), base_axis=2),
    incremental("inq_affine", (2, 3, 4), (4, 2), base_axis=-1, seed=5),
    # In the last step all weights are fixed, whatever chooses them.
    incremental("inq_affine", (4, 3), (3, 2), inq_iterations=(0,), selection_algorithm="random"),
    incremental("inq_affine", (1, 1), (1, 1), inq_iterations=(0,)),
    incremental("inq_convolution", (2, 3, 7), (4, 3, 3), inq_iterations=(0,), dilation=(2,), seed=5),
    incremental("inq_convolution", (2, 2, 3, 7), (4, 3, 3), base_axis=2),
    incremental("inq_convolution", (2, 3, 5, 6), (4, 3, 3, 3), **EXPLICIT),
    incremental("inq_convolution", (2, 1, 4), (1, 1, 1), inq_iterations=(0,), selection_algorithm="random"),
    incremental("inq_convolution", (2, 3, 5, 6), (4, 3, 3, 3), inq_iterations=(0,), pad=(2, 1), dilation=(1, 2)),
]

# With a single layer there is nothing between layers to drop.
RECURRENT = [
    *[recurrent(function, (3, 1, 2, 1), dropout=0.5) for function in ("rnn", "lstm", "gru")],
    *[recurrent(function, (3, 2, 2, 3), grad=(), training=False) for function in ("rnn", "lstm", "gru")],
    *[
        recurrent(function, (2, 2, 2, 3), num_layers=2, dropout=0.5, grad=(), training=False)
        for function in ("rnn", "lstm", "gru")
    ],
    recurrent("rnn", (3, 2, 2, 3), training=False),
]

REGIONS = [
    roi((1, 1, 6, 7), ONE_BOX, output_size=(2, 3), spatial_scale=(1.0, 0.5)),
    roi((2, 3, 1, 7), BOXES, output_size=(1, 2)),
]

NORMALIZED = [
    case("batch_normalization", normal(4, 3, 2), normal(1, 3, 1), positive(1, 3, 1), None, None),
    case("batch_normalization", normal(4, 3, 2), normal(1, 3, 1), positive(1, 3, 1), None, None, args={"axes": [-2]}),
    case(
        "batch_normalization",
        normal(4, 3, 2),
        normal(1, 3, 1),
        positive(1, 3, 1),
        None,
        None,
        args={"batch_stat": False},
    ),
    case(
        "batch_normalization",
        normal(4, 3, 2),
        None,
        None,
        None,
        None,
        args={"output_stat": True},
        tolerance=ROUNDING,
    ),
    fused_normalization((4, 1), (1, 1)),
    case("tensor_normalization", normal(4, 1, 2), args={"axes": [1]}, tolerance=ROUNDING),
    case("weight_standardization", normal(4, 1, 3), tolerance=ROUNDING),
    case("weight_standardization", normal(1, 4), tolerance=ROUNDING),
    case("weight_normalization", normal(4, 1), positive(4), tolerance=ZERO),
    case("weight_normalization", normal(1, 3), positive(1)),
    case("spectral_norm", normal(3, 1), normal(3), grad=(0,), updates=(1,), derivative="undefined", tolerance=ZERO),
    case("spectral_norm", normal(1, 4), normal(1), grad=(0,), updates=(1,), derivative="undefined"),
    case("spectral_norm", normal(3, 4), normal(3), args={"output_u": True}, grad=(0,), derivative="undefined"),
    case("clip_grad_by_norm", normal(1, 3), args={"axes": [-1]}, derivative="surrogate"),
    case("clip_grad_by_norm", normal(2, 1, 3), args={"axes": [0, 1], "clip_norm": 0.5}, derivative="surrogate"),
    *[
        case(
            "clip_grad_by_value",
            normal(*shape),
            uniform(*shape, low=-0.5, high=0.0),
            uniform(*shape, low=0.0, high=0.5),
            grad=(0,),
            derivative="undefined",
        )
        for shape in ((2, 1), (1,))
    ],
    case("layer_normalization", normal(1, 3), normal(1, 3), positive(1, 3), tolerance=ROUNDING),
    case("norm_normalization", normal(2, 1, 3), args={"axes": [-1]}),
    normalization("instance_normalization", (2, 3, 5), (1, 3, 1), batch_axis=-3),
    normalization("group_normalization", (2, 6, 4), (1, 6, 1), num_groups=2, batch_axis=[-3]),
    case("vat_noise", normal(2, 1), normal(2, 1), grad=(0,), updates=(1,), derivative="undefined"),
    case("vat_noise", normal(1, 3), normal(1, 3), grad=(0,), updates=(1,), derivative="undefined"),
]

# Nodes that no public call makes, or none whose inputs come first: in their place it builds others, it counts axes
# from the front only, or it takes an argument before the last input.
NODES = [
    *[
        case(
            "TensorNormalization",
            normal(*shape, mean=0.3),
            None if no_bias else normal(*parameters),
            None if no_scale else positive(*parameters),
            args={"axes": axes, "eps": eps, "no_scale": no_scale, "no_bias": no_bias},
            tolerance=ROUNDING,
        )
        for shape, parameters, axes, eps, no_scale, no_bias in (
            ((4, 3, 2), (1, 3, 1), (1,), 1e-5, False, False),
            ((4, 3, 2), (1, 3, 1), (1,), 0.1, True, False),
            ((4, 3, 2), (1, 1, 2), (2,), 1e-5, True, False),
            ((4, 3, 2), (1, 1, 1), (), 1e-5, True, True),
            ((4, 3, 2, 5), (1, 3, 1, 5), (1, 3), 1e-5, False, False),
            ((4, 1, 2), (4, 1, 1), (0,), 0.1, False, False),
        )
    ],
    case(
        "FusedBatchNormalization",
        distinct(4, 3, 2),
        normal(1, 1, 2, scale=0.1),
        positive(1, 1, 2),
        normal(1, 1, 2),
        positive(1, 1, 2),
        # A node that updates its statistics would do so when it is made, too.
        args={"axes": (-1,), "decay_rate": 0.75, "eps": 1e-5, "batch_stat": False, "nonlinearity": "relu"},
        grad=(0, 1, 2),
        tolerance=ROUNDING,
    ),
    # The original would add twice: once when the node is made.
    case(
        "ScatterNd",
        normal(2, 4),
        explicit([[2, 0]], real=False),
        normal(3, 4),
        args={"shape": (3, 4), "add": False},
        grad=(0,),
    ),
    *[
        case(
            "QuantizeLinear",
            wide(3, 4),
            constants(1, 1, value=0.02),
            constants(1, 1, value=zero),
            args={"round_mode": "HALF_TO_EVEN", "narrow_range": narrow, "dtype": dtype},
            grad=(0,),
            derivative="undefined",
        )
        for zero, narrow, dtype in ((7.0, False, 2), (128.0, True, 2), (0.0, True, 1))
    ],
]

ELEMENTWISE = [
    *[
        case(function, normal(*shape).avoiding(0.0), args=args)
        for function in ("celu", "crelu")
        for shape, args in (((2, 1, 3), {}), ((1,), {"axis": 0}), ((1, 4), {"axis": -2}))
    ],
    value("fixed_point_quantize", 2, 1),
    value("fixed_point_quantize", 1),
    value("pow2_quantize", 2, 1),
    case("pow2_quantize", explicit(0.3), derivative="surrogate"),
    case("fixed_point_quantize", explicit(0.3), derivative="surrogate"),
    value("prune", 2, 1, 3, rate=0.5),
    case("prune", explicit(0.3), derivative="undefined"),
    linear("quantize_linear", (4, 1), (1, 1), 0.1, 3.0),
    case("quantize_linear", wide(3, 4), positive(1, 4), constants(1, 4, value=1.0), derivative="undefined"),
    case("dequantize_linear", integers(3, 4, low=-9, high=9), positive(1, 4), constants(1, 4, value=1.0), grad=(1,)),
]

ARRAYS = [
    case("assign", normal(1, 1), normal(1, 1), grad=(), updates=(0,)),
    case("assign", normal(1), normal(1), grad=(1,), updates=(0,), derivative="undefined"),
    case("broadcast_to", normal(2, 1, 3), normal(1, 3), grad=()),
    case("concatenate", normal(2, 1), normal(2, 1), normal(2, 1), normal(2, 1), args={"axis": -2}),
    case("stack", normal(1, 1), normal(1, 1), args={"axis": -3}),
    case("split", normal(2, 1), args={"axis": -2}),
    case("split", normal(1)),
    case("einsum", normal(2, 1), normal(1, 3), args={"equation": "ij,jk->ik"}),
    case("einsum", normal(1), args={"equation": "i->"}),
    case("eye_like", normal(1, 3), grad=()),
    case("eye_like", normal(3, 1), args={"k": -1}, grad=()),
    case("shape", normal(2, 1), grad=()),
    case("trilu", normal(1, 3)),
    case("trilu", normal(2, 3, 1), args={"k": -1, "upper": False}),
    case("scatter_nd", normal(1, 4), explicit([[1]], real=False), args={"shape": (3, 4)}),
    case("scatter_add", normal(1, 3), explicit([[0, 0, 0]], real=False), normal(1, 3)),
    case("scatter_add", normal(3, 1), explicit([[2], [0]], real=False), normal(2, 1), args={"axis": -2}),
    case("gather_nd", normal(1, 3), explicit([[0, 0], [2, 1]], real=False)),
    case("sort", distinct(3, 1), args={"axis": 0}, grad=()),
    case("sort", distinct(1), grad=()),
    case("top_k_data", distinct(2, 1), args={"k": 1}),
    case("top_k_grad", normal(2, 1), args={"k": 1}, derivative="undefined"),
    case("top_k_grad", normal(1, 4), args={"k": 2}, derivative="surrogate"),
    case("searchsorted", explicit([3.0], real=False), explicit([2.0, 3.0, 4.0], real=False)),
    case(
        "searchsorted",
        explicit([[1.0, 3.0]], real=False),
        explicit([[2.0]], real=False),
        args={"right": True},
    ),
    case("pack_padded_sequence", normal(3, 1, 2), explicit([3], real=False)),
    case("pack_padded_sequence", normal(1, 2, 1), explicit([1, 1], real=False)),
    case("pad_packed_sequence", normal(3, 1), explicit([1, 1, 1], real=False)),
    case("pad_packed_sequence", normal(4, 1), explicit([2, 1, 1], real=False), args={"padding_value": 0.0}),
    case("affine_grid", normal(1, 2, 3), args={"size": (2, 3)}),
    case("one_hot", integers(1, 1, high=1), args={"shape": (1,)}),
]

MEASURED = [
    interpolate((1, 1, 1, 4), output_size=(1, 2)),
    istft((2, 9, 7), 8, 2, 16),
    istft((2, 9, 7), 16, 4, 16),
    detection([DETECTED[0]]),
    detection([row[:5] for row in DETECTED]),
    case(
        "onnx_non_max_suppression",
        explicit([[[0.0, 0.0, 1.0, 1.0], [0.0, 0.1, 1.0, 1.1], [0.0, 10.0, 1.0, 11.0]]]),
        explicit([[[0.9, 0.75, 0.6]]]),
        args={"max_output_boxes_per_class": 3},
        grad=(),
    ),
    case("top_n_error", distinct(3, 1), integers(3, 1, high=1), grad=()),
    case("confusion_matrix", distinct(3, 1), integers(3, 1, high=1), grad=()),
    case("kl_multinomial", probabilities(1, 3), probabilities(1, 3)),
]

CASES: list[Case] = [
    *POOLING,
    *CONVOLUTIONS,
    *RECURRENT,
    *REGIONS,
    *NORMALIZED,
    *NODES,
    *ELEMENTWISE,
    *ARRAYS,
    *MEASURED,
]
