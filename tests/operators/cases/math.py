"""Element-wise mathematics, rounding, and the batched product of matrices."""

from math import inf, nan

from ..arrays import Array, explicit, normal, positive, uniform
from ..case import WIDE_RANGE, Case, case

SHAPES = [(2, 3), (), (1,), (2, 1, 3), (2, 3, 2, 2)]


def shapes(function: str, array: object = normal) -> list[Case]:
    """A case of `function` for every shape."""
    return [case(function, array(*shape)) for shape in SHAPES]


def special(function: str, *values: float) -> Case:
    """A case of `function` on values where it is infinite, undefined or exact."""
    return case(function, explicit(values), derivative="undefined", tolerance=WIDE_RANGE)


def inside(*shape: int) -> Array:
    """Values inside (-1, 1), the domain of asin, acos and atanh."""
    return uniform(*shape, low=-0.9, high=0.9)


def above_one(*shape: int) -> Array:
    """Values above 1, the domain of acosh."""
    return uniform(*shape, low=1.1, high=3.0)


def nonzero(*shape: int) -> Array:
    """Values away from zero."""
    return normal(*shape).avoiding(0.0)


def narrow(*shape: int) -> Array:
    """Values away from the poles of tan."""
    return uniform(*shape, low=-1.2, high=1.2)


def rounding(function: str, **args: object) -> list[Case]:
    """Cases of a rounding function, whose backward passes the gradient straight on."""
    return [
        *(case(function, normal(*shape, scale=3.0), args=args, derivative="surrogate") for shape in SHAPES),
        case(
            function,
            explicit([-2.5, -1.5, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 1.5, 2.5]),
            args=args,
            derivative="surrogate",
        ),
    ]


BATCH_MATMUL = [
    case("batch_matmul", normal(2, 3, 4), normal(2, 4, 5)),
    case("batch_matmul", normal(2, 4, 3), normal(2, 4, 5), args={"transpose_a": True}),
    case("batch_matmul", normal(2, 3, 4), normal(2, 5, 4), args={"transpose_b": True}),
    case("batch_matmul", normal(2, 4, 3), normal(2, 5, 4), args={"transpose_a": True, "transpose_b": True}),
    case("batch_matmul", normal(4, 20, 30), normal(4, 30, 24)),
    case("batch_matmul", normal(3, 4), normal(4, 2)),
    case("batch_matmul", normal(1, 3, 4), normal(2, 4, 5)),
    case("batch_matmul", normal(2, 3, 4), normal(1, 4, 5)),
    case("batch_matmul", normal(2, 1, 3, 4), normal(3, 4, 2)),
    case("batch_matmul", normal(3, 4), normal(2, 4, 2)),
    case("batch_matmul", normal(2, 1, 1), normal(2, 1, 1)),
    case("batch_matmul", normal(2, 3, 4), normal(2, 4, 5), grad=(0,)),
    case("batch_matmul", normal(2, 3, 4), normal(2, 4, 5), grad=(1,)),
    case("batch_matmul", normal(2, 3, 4), normal(2, 3, 5)),
    case("batch_matmul", normal(2, 3, 4), normal(3, 4, 5)),
    case("batch_matmul", normal(4), normal(4)),
]

ATAN2 = [
    case("atan2", nonzero(2, 3), nonzero(2, 3)),
    case("atan2", nonzero(2, 3, 4), nonzero(2, 3, 4)),
    case("atan2", nonzero(), nonzero()),
    case("atan2", nonzero(2, 3), nonzero(1, 3)),
    case("atan2", nonzero(2, 3), nonzero(2, 3), grad=(0,)),
    case("atan2", nonzero(2, 3), nonzero(2, 3), grad=(1,)),
    case("atan2", explicit([0.0, 1.0, -1.0, 0.0]), explicit([1.0, 0.0, 0.0, -1.0]), derivative="undefined"),
]

CASES = [
    *shapes("abs", nonzero),
    special("abs", -1.0, -0.0, 0.0, inf, -inf, nan),
    *shapes("exp"),
    special("exp", -200.0, -100.0, 0.0, 88.0, 89.0, inf, -inf, nan),
    *shapes("log", positive),
    special("log", 0.0, -1.0, 1e-30, 1e30, inf, nan),
    *(c for name in ("sin", "cos", "sinh", "cosh", "atan", "asinh") for c in shapes(name)),
    *(special(name, -100.0, -1.0, 0.0, 3.0, 100.0, nan) for name in ("sin", "cos", "sinh", "cosh", "atan", "asinh")),
    *shapes("tan", narrow),
    special("tan", -1.5, 0.0, 1.5),
    *shapes("asin", inside),
    special("asin", -1.0, 0.0, 1.0, 1.5),
    *shapes("acos", inside),
    special("acos", -1.0, 0.0, 1.0, 1.5),
    *shapes("acosh", above_one),
    special("acosh", 1.0, 0.5, 1e4),
    *shapes("atanh", inside),
    special("atanh", -1.0, 0.0, 1.0, 1.5),
    *ATAN2,
    *rounding("round"),
    *rounding("floor"),
    *rounding("ceil"),
    *rounding("sign"),
    *rounding("sign", alpha=0.25),
    *BATCH_MATMUL,
]
