"""Quantization: of values and of weights. Gradients are surrogates, and say so."""

from ..arrays import Array, distinct, explicit, normal
from ..case import Case, Tolerance, case

WEIGHTED = Tolerance(relative=1e-5, floor=2e-6, reason="products are summed in another order")


def wide(*shape: int) -> Array:
    """Values on both sides of 0, none of them on a boundary between two quantized ones."""
    return distinct(*shape, low=-3.01, high=3.03)


def value(function: str, *shape: int, derivative: str = "surrogate", **args: object) -> Case:
    """A quantization of one input."""
    return case(function, wide(*shape), args=args, derivative=derivative)


def constants(*shape: int, value: float) -> Array:
    """An array of one number, without gradient."""
    flat = explicit([value] * max(1, _size(shape)), real=False)
    return Array("explicit", shape, flat.parameters, real=False)


def _size(shape: tuple) -> int:
    size = 1
    for d in shape:
        size *= d
    return size


def min_max(
    x: tuple, shape: tuple, low: float, high: float, levels: tuple = (0.0, 15.0), learned: bool = True, **args: object
) -> Case:
    """A min-max quantization whose four parameters have the shape `shape`."""
    inputs = [wide(*x), *[constants(*shape, value=v) for v in (low, high, *levels)]]
    grad = (0, 1, 2) if learned else (0,)
    derivative = "undefined"
    return case("min_max_quantize", *inputs, args=args, grad=grad, updates=(1, 2), derivative=derivative)


def linear(
    function: str, x: tuple, shape: tuple, scale: float, zero: float, grad: tuple = (0,), **args: object
) -> Case:
    """A linear quantization, or its inverse."""
    inputs = wide(*x), constants(*shape, value=scale), constants(*shape, value=zero)
    exact = function == "dequantize_linear" or grad != (0,)
    derivative = "exact" if exact else "surrogate"
    return case(function, *inputs, args=args, grad=grad, derivative=derivative)


def binary_affine(
    x: tuple, w: tuple, alpha: bool = False, bias: bool = True, zero: bool = False, **args: object
) -> Case:
    """An affine layer with binary weights."""
    function = "binary_weight_affine" if alpha else "binary_connect_affine"
    weight = explicit([[0.0, 1.0], [-0.5, 0.0], [0.3, -2.0]]) if zero else normal(*w)
    inputs = [normal(*x), weight, constants(*w, value=0.0)]
    inputs += [constants(*w[1:], value=0.0)] if alpha else []
    inputs += [normal(*w[1:])] if bias else []
    grad = (0, 1, len(inputs) - 1) if bias else (0, 1)
    updates = (2, 3) if alpha else (2,)
    return case(function, *inputs, args=args, grad=grad, updates=updates, derivative="undefined", tolerance=WEIGHTED)


def binary_convolution(x: tuple, w: tuple, alpha: bool = False, bias: bool = True, **args: object) -> Case:
    """A convolution with binary weights."""
    function = "binary_weight_convolution" if alpha else "binary_connect_convolution"
    inputs = [normal(*x), normal(*w), constants(*w, value=0.0)]
    inputs += [constants(w[0], value=0.0)] if alpha else []
    inputs += [normal(w[0])] if bias else []
    grad = (0, 1, len(inputs) - 1) if bias else (0, 1)
    updates = (2, 3) if alpha else (2,)
    return case(function, *inputs, args=args, grad=grad, updates=updates, derivative="undefined", tolerance=WEIGHTED)


def incremental(function: str, x: tuple, w: tuple, fixed: bool = False, bias: bool = True, **args: object) -> Case:
    """A layer with weights that become powers of two; forward runs once, so step 0 decides."""
    inputs = [normal(*x), normal(*w), constants(*w, value=1.0 if fixed else 0.0)]
    inputs += [normal(w[0] if function == "inq_convolution" else w[1])] if bias else []
    grad = (0, 1, 3) if bias else (0, 1)
    return case(function, *inputs, args=args, grad=grad, updates=(1, 2), derivative="undefined", tolerance=WEIGHTED)


CASES = [
    case("binary_sigmoid", normal(4, 3), derivative="surrogate"),
    case("binary_sigmoid", normal(2, 3, 4), derivative="surrogate"),
    case("binary_sigmoid", normal(), derivative="surrogate"),
    case("binary_sigmoid", explicit([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0]), derivative="undefined"),
    case("binary_sigmoid", explicit([-1e30, -1e-30, 1e-30, 1e30]), derivative="undefined"),
    case("binary_tanh", normal(4, 3), derivative="surrogate"),
    case("binary_tanh", normal(2, 3, 4), derivative="surrogate"),
    case("binary_tanh", normal(), derivative="undefined"),
    case("binary_tanh", explicit([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0]), derivative="undefined"),
    case("binary_tanh", explicit([-1e30, -1e-30, 1e-30, 1e30]), derivative="undefined"),
    value("fixed_point_quantize", 4, 5),
    value("fixed_point_quantize", 4, 5, n=3, delta=0.5),
    value("fixed_point_quantize", 4, 5, n=3, delta=0.5, sign=False),
    value("fixed_point_quantize", 4, 5, n=3, delta=0.5, ste_fine_grained=False),
    value("fixed_point_quantize", 2, 3, 2, n=1, delta=0.7, sign=False),
    value("fixed_point_quantize", 5, n=12, delta=0.3),
    case(
        "fixed_point_quantize",
        explicit([-1.5, -1.25, -0.75, -0.25, 0.0, 0.25, 0.75, 1.25, 1.5, 1.75]),
        args={"n": 3, "delta": 0.5},
        derivative="undefined",
    ),
    case("fixed_point_quantize", wide(4), args={"n": 1}),
    case("fixed_point_quantize", wide(4), args={"n": 0, "sign": False}),
    case("fixed_point_quantize", wide(4), args={"delta": 0.0}),
    value("pow2_quantize", 4, 5),
    value("pow2_quantize", 4, 5, n=3),
    value("pow2_quantize", 4, 5, n=3, with_zero=False),
    value("pow2_quantize", 4, 5, n=3, sign=False),
    value("pow2_quantize", 4, 5, n=3, sign=False, with_zero=False),
    value("pow2_quantize", 4, 5, n=4, m=-1),
    value("pow2_quantize", 4, 5, n=5, m=3, ste_fine_grained=False),
    case(
        "pow2_quantize",
        explicit([-4.0, -1.0, -0.25, 0.0, 0.1, 0.125, 0.5, 1.0, 2.0, 4.0]),
        args={"n": 4},
        derivative="undefined",
    ),
    case("pow2_quantize", wide(4), args={"n": 2}),
    case("pow2_quantize", wide(4), args={"n": 1, "with_zero": False}),
    case("pow2_quantize", wide(4), args={"n": 0, "sign": False, "with_zero": False}),
    min_max((4, 5), (1, 1), -1.0, 1.0),
    min_max((4, 5), (1, 1), -0.73, 2.1),
    min_max((4, 5), (1, 1), -0.73, 2.1, levels=(0.0, 255.0)),
    min_max((4, 5), (1, 1), -0.73, 2.1, levels=(-8.0, 7.0)),
    min_max((4, 5), (1, 5), -0.73, 2.1),
    min_max((4, 5), (4, 1), -0.73, 2.1),
    min_max((2, 3, 4), (1, 3, 1), -0.73, 2.1),
    min_max((4, 5), (1, 1), 0.5, 2.5),
    min_max((4, 5), (1, 1), -2.5, -0.5),
    min_max((4, 5), (1, 1), 0.5, 0.2),
    min_max((4, 5), (1, 1), 0.5, 0.6, eps=0.5),
    min_max((4, 5), (1, 1), -0.73, 2.1, ste_fine_grained=False),
    min_max((4, 5), (1, 1), -0.73, 2.1, ema=True),
    min_max((4, 5), (1, 1), -0.73, 2.1, x_min_max=True),
    min_max((4, 5), (1, 5), -0.73, 2.1, x_min_max=True),
    min_max((2, 3, 4), (1, 3, 1), -0.73, 2.1, x_min_max=True),
    min_max((4, 5), (1, 1), -0.73, 2.1, x_min_max=True, ema=True, decay=0.75),
    min_max((2, 3, 4), (1, 3, 1), -0.73, 2.1, x_min_max=True, ema=True),
    value("prune", 4, 5),
    value("prune", 4, 5, rate=0.5),
    value("prune", 2, 3, 4, rate=0.3),
    value("prune", 11, rate=0.9),
    value("prune", 7, rate=1.0),
    case("prune", wide(7), args={"rate": 0.0}),
    case("prune", explicit([1.0, -1.0, 2.0, 0.0, 1.0]), args={"rate": 0.5}, derivative="undefined"),
    case("prune", wide(4), args={"rate": 1.5}),
    case("prune", wide(4), args={"rate": -0.5}),
    linear("quantize_linear", (4, 5), (1, 1), 0.1, 3.0),
    linear("quantize_linear", (4, 5), (1, 5), 0.01, 3.0),
    linear("quantize_linear", (2, 3, 4), (1, 3, 1), 0.5, -1.0, round_mode="HALF_TO_EVEN"),
    linear("quantize_linear", (4, 5), (1, 1), 0.01, 3.0, narrow_range=True),
    case(
        "quantize_linear",
        explicit([-5.0, -3.0, -1.0, 1.0, 3.0, 5.0]),
        explicit([2.0], real=False),
        explicit([1.0], real=False),
        grad=(0,),
        derivative="undefined",
    ),
    case(
        "quantize_linear",
        explicit([-5.0, -3.0, -1.0, 1.0, 3.0, 5.0]),
        explicit([2.0], real=False),
        explicit([1.0], real=False),
        args={"round_mode": "HALF_TO_EVEN"},
        grad=(0,),
        derivative="undefined",
    ),
    linear("quantize_linear", (4, 5), (1, 1), 0.1, 3.0, grad=(0, 1)),
    case("quantize_linear", wide(4, 5), constants(1, value=0.1), constants(1, value=3.0), grad=(0,)),
    case("quantize_linear", wide(4, 5), constants(1, 4, value=0.1), constants(1, 1, value=3.0), grad=(0,)),
    linear("dequantize_linear", (4, 5), (1, 1), 0.1, 3.0),
    linear("dequantize_linear", (4, 5), (1, 5), 0.01, 3.0),
    linear("dequantize_linear", (2, 3, 4), (1, 3, 1), 0.5, -1.0),
    linear("dequantize_linear", (2, 3, 4), (2, 3, 4), 0.5, -1.0),
    linear("dequantize_linear", (4,), (1,), 2.0, 0.0),
    linear("dequantize_linear", (4, 5), (1, 1), 0.1, 3.0, grad=(0, 2)),
    linear("dequantize_linear", (4, 5), (5,), 0.1, 3.0),
    binary_affine((4, 3), (3, 2)),
    binary_affine((4, 3), (3, 2), bias=False),
    binary_affine((4, 3), (3, 2), zero=True),
    binary_affine((4, 3), (3, 2), zero=True, quantize_zero_to=-1.0),
    binary_affine((4, 3), (3, 2), zero=True, quantize_zero_to=0.0),
    binary_affine((2, 3, 4), (12, 2)),
    binary_affine((2, 3, 4), (4, 2), base_axis=2),
    binary_affine((4, 3), (4, 2)),
    binary_affine((4, 3), (3, 2), alpha=True),
    binary_affine((4, 3), (3, 2), alpha=True, bias=False),
    binary_affine((4, 3), (3, 2), alpha=True, zero=True),
    binary_affine((4, 3), (3, 2), alpha=True, zero=True, quantize_zero_to=-1.0),
    binary_affine((2, 3, 4), (4, 2), alpha=True, base_axis=2),
    binary_affine((4, 3), (4, 2), alpha=True),
    binary_convolution((2, 3, 5, 5), (4, 3, 3, 3)),
    binary_convolution((2, 3, 5, 5), (4, 3, 3, 3), bias=False, pad=(1, 1)),
    binary_convolution((2, 3, 5, 5), (4, 3, 3, 3), stride=(2, 2), dilation=(1, 2)),
    binary_convolution((2, 4, 5, 5), (4, 2, 3, 3), group=2),
    binary_convolution((2, 3, 5, 5), (4, 2, 3, 3)),
    binary_convolution((2, 3, 5, 5), (4, 3, 3, 3), alpha=True),
    binary_convolution((2, 3, 5, 5), (4, 3, 3, 3), alpha=True, bias=False, pad=(1, 1)),
    binary_convolution((2, 3, 5, 5), (4, 3, 3, 3), alpha=True, stride=(2, 2), dilation=(1, 2)),
    binary_convolution((2, 4, 5, 5), (4, 2, 3, 3), alpha=True, group=2),
    binary_convolution((2, 3, 5, 5), (4, 2, 3, 3), alpha=True),
    incremental("inq_affine", (4, 3), (3, 2)),
    incremental("inq_affine", (4, 3), (3, 2), inq_iterations=(0,)),
    incremental("inq_affine", (4, 6), (6, 4), inq_iterations=(0, 1)),
    incremental("inq_affine", (4, 6), (6, 4), inq_iterations=(0,), num_bits=3, bias=False),
    incremental("inq_affine", (4, 6), (6, 4), inq_iterations=(0,), num_bits=6),
    incremental("inq_affine", (4, 6), (6, 4), fixed=True),
    incremental("inq_affine", (4, 3), (4, 2)),
    incremental("inq_convolution", (2, 3, 5, 5), (4, 3, 3, 3)),
    incremental("inq_convolution", (2, 3, 5, 5), (4, 3, 3, 3), inq_iterations=(0,), pad=(1, 1)),
    incremental("inq_convolution", (2, 3, 5, 5), (4, 3, 3, 3), inq_iterations=(0, 5), stride=(2, 2)),
    incremental("inq_convolution", (2, 4, 5, 5), (4, 2, 3, 3), inq_iterations=(0,), group=2, bias=False),
    incremental("inq_convolution", (2, 3, 5, 5), (4, 3, 3, 3), fixed=True, num_bits=5),
    incremental("inq_convolution", (2, 3, 5, 5), (4, 2, 3, 3)),
]
