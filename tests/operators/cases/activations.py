"""Activations and soft-max. Piecewise functions keep off their kinks; a case of its own sits on them."""

from ..arrays import Array, explicit, normal, uniform
from ..case import WIDE_RANGE, Case, Tolerance, case

SHAPES = [(2, 3), (), (1,), (2, 1, 3), (2, 3, 2, 2)]

ONE_PLUS = Tolerance(absolute=1e-6, reason="the original loses digits in log(1 + exp(x)) where exp(x) is small")

QUOTIENT = Tolerance(absolute=1e-6, reason="the gradient at 0.1 is a difference of two numbers near 10")


def shapes(function: str, *kinks: float, scale: float = 1.5, **args: object) -> list[Case]:
    """A case of `function` for every shape, with values away from `kinks`."""
    return [case(function, normal(*shape, scale=scale).avoiding(*kinks), args=args) for shape in SHAPES]


def extremes(function: str, *values: float, tolerance: Tolerance = WIDE_RANGE, **args: object) -> Case:
    """A case of `function` on the given values: kinks, overflows, and zero."""
    return case(function, explicit(values), args=args, derivative="undefined", tolerance=tolerance)


def smooth(function: str) -> list[Case]:
    """Cases of a smooth function without arguments."""
    values = (-1e4, -100.0, -30.0, -10.0, -1e-4, 0.0, 1e-4, 10.0, 30.0, 100.0, 1e4)
    return [*shapes(function), extremes(function, *values)]


def x(*shape: int) -> Array:
    """Values away from zero, the kink of the rectifiers."""
    return normal(*shape, scale=1.5).avoiding(0.0)


RECTIFIERS = [
    *shapes("relu", 0.0),
    case("relu", x(2, 3), args={"inplace": True}),
    case("relu", x(2, 3, 2), args={"inplace": True}),
    extremes("relu", -1e4, 0.0, -0.0, 1e4),
    *shapes("leaky_relu", 0.0),
    case("leaky_relu", x(2, 3), args={"alpha": 0.3}),
    case("leaky_relu", x(2, 3), args={"alpha": 0.0}),
    case("leaky_relu", x(2, 3), args={"alpha": 0.25, "inplace": True}),
    case("leaky_relu", x(2, 3), args={"alpha": -0.5}),
    extremes("leaky_relu", -1e4, 0.0, -0.0, 1e4),
    extremes("leaky_relu", -1e4, 0.0, -0.0, 1e4, alpha=-0.5),
    *shapes("relu6", 0.0, 6.0, scale=5.0),
    extremes("relu6", -1.0, 0.0, 3.0, 6.0, 7.0),
    case("prelu", x(2, 3, 4), explicit(0.3)),
    case("prelu", x(2, 3, 4), normal(3)),
    case("prelu", x(2, 3, 4), normal(4), args={"base_axis": 2}),
    case("prelu", x(2, 3, 4), normal(4), args={"base_axis": -1}),
    case("prelu", x(3, 4), normal(3), args={"base_axis": 0}),
    case("prelu", x(2, 3), normal(1)),
    case("prelu", x(2, 1, 3), normal(1)),
    case("prelu", x(2, 3, 4), normal(3), grad=(0,)),
    case("prelu", x(2, 3, 4), normal(3), grad=(1,)),
    case("prelu", x(2, 3, 4), normal(4)),
    case("prelu", x(2, 3, 4), normal(3, 4)),
    case("crelu", x(2, 3)),
    case("crelu", x(2, 3, 4), args={"axis": 1}),
    case("crelu", x(2, 3, 4), args={"axis": 0}),
    case("crelu", x(2, 3, 4), args={"axis": 2}),
    case("crelu", x(2, 3, 4), args={"axis": -1}),
    case("crelu", x(3), args={"axis": 0}),
    case("crelu", x(2, 3), args={"axis": 2}),
]

EXPONENTIALS = [
    *shapes("elu", 0.0),
    case("elu", x(2, 3), args={"alpha": 0.5}),
    case("elu", x(2, 3), args={"alpha": -1.5}),
    extremes("elu", -1e4, -1e-4, 0.0, 1e-4, 1e4, alpha=0.7),
    *shapes("selu", 0.0),
    case("selu", x(2, 3), args={"scale": 2.0, "alpha": 0.5}),
    extremes("selu", -1e4, -1e-4, 0.0, 1e-4, 1e4),
    case("celu", x(2, 3)),
    case("celu", x(2, 3), args={"alpha": 0.5}),
    case("celu", x(2, 3, 4), args={"axis": 0}),
    case("celu", x(2, 3, 4), args={"axis": 2, "alpha": 2.0}),
    case("celu", x(2, 3, 4), args={"axis": -1}),
    case("celu", x(3), args={"axis": 0}),
    case("celu", x(2, 3), args={"axis": 3}),
]

SOFT = [
    *smooth("sigmoid"),
    *smooth("tanh"),
    *smooth("swish"),
    *smooth("gelu"),
    *shapes("mish"),
    # Above 20 the gradient of the original is NaN: its exponential overflows when squared.
    extremes("mish", -1e4, -100.0, -30.0, -10.0, -1e-4, 0.0, 1e-4, 10.0, tolerance=ONE_PLUS),
    *smooth("log_sigmoid"),
    *smooth("softsign"),
    *smooth("tanh_shrink"),
    *(case("sinc", x(*shape).avoiding(0.0, gap=0.1), tolerance=QUOTIENT) for shape in SHAPES),
    # Where the argument is small but not zero, the gradient of the original is zero.
    extremes("sinc", -1e4, -100.0, -30.0, -10.0, -0.1, 0.0, 0.1, 10.0, 30.0, 100.0, 1e4, tolerance=QUOTIENT),
    *shapes("softplus"),
    case("softplus", normal(2, 3), args={"beta": 3.0}),
    case("softplus", normal(2, 3), args={"beta": 0.25}),
    extremes("softplus", -1e4, -100.0, -30.0, 0.0, 30.0, 80.0),
    *shapes("hard_sigmoid", -2.5, 2.5, scale=2.5),
    extremes("hard_sigmoid", -3.0, -2.5, 0.0, 2.5, 3.0),
    *shapes("hard_tanh", -1.0, 1.0),
    extremes("hard_tanh", -2.0, -1.0, 0.0, 1.0, 2.0),
]


def along_axes(function: str) -> list[Case]:
    """Cases of soft-max and its logarithm: axes, shapes and large values."""
    return [
        case(function, normal(2, 3)),
        case(function, normal(2, 3, 4)),
        case(function, normal(2, 3, 4), args={"axis": 0}),
        case(function, normal(2, 3, 4), args={"axis": 1}),
        case(function, normal(2, 3, 4), args={"axis": -1}),
        case(function, normal(2, 3, 4), args={"axis": -2}),
        case(function, normal(5)),
        case(function, normal(2, 1, 3), args={"axis": 1}),
        case(function, normal(1)),
        case(function, uniform(3, 4, low=50.0, high=60.0)),
        case(function, explicit([[1e4, 0.0, -1e4], [-200.0, -200.0, -201.0]]), derivative="undefined"),
        case(function, normal(60, 70)),
        case(function, normal(2, 3), args={"axis": 2}),
    ]


CASES = RECTIFIERS + EXPONENTIALS + SOFT + along_axes("softmax") + along_axes("log_softmax")
