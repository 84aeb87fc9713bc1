"""Reductions. The inputs of max and min are distinct, so that the result has one place."""

from ..arrays import Array, distinct, explicit, normal
from ..case import Case, case

MIXED_SIGNS = "the original fails when negative and other axes are mixed"


def nonzero(*shape: int) -> Array:
    """Values away from zero: a gradient of a product may divide by them, and a norm has a kink there."""
    return normal(*shape).avoiding(0.0, gap=0.2)


def axes(function: str, array: object, **args: object) -> list[Case]:
    """Cases of a reduction: no axis, one, several, negative, kept; 0-d and size 1."""
    return [
        case(function, array(2, 3, 4), args=args),
        case(function, array(2, 3, 4), args=dict(keepdims=True, **args)),
        case(function, array(2, 3, 4), args=dict(axis=0, **args)),
        case(function, array(2, 3, 4), args=dict(axis=1, **args)),
        case(function, array(2, 3, 4), args=dict(axis=2, keepdims=True, **args)),
        case(function, array(2, 3, 4), args=dict(axis=-1, **args)),
        case(function, array(2, 3, 4), args=dict(axis=-2, keepdims=True, **args)),
        case(function, array(2, 3, 4), args=dict(axis=(0, 2), **args)),
        case(function, array(2, 3, 4), args=dict(axis=(1, 2), keepdims=True, **args)),
        case(function, array(2, 3, 4), args=dict(axis=(-2, -1), **args)),
        case(function, array(2, 3, 4), args=dict(axis=(-1, 0), **args), beyond=MIXED_SIGNS),
        case(function, array(2, 3, 4), args=dict(axis=(2, 1, 0), **args)),
        case(function, array(2, 3, 4), args=dict(axis=[1], **args)),
        case(function, array(5), args=args),
        case(function, array(30, 60), args={"axis": 0, **args}),
        case(function, array(2, 1, 3), args=dict(axis=1, **args)),
        case(function, array(1, 1), args=args),
        case(function, array(), args=args),
        case(function, array(2, 3), args=dict(axis=2, **args)),
        case(function, array(2, 3), args=dict(axis=-3, **args)),
        case(function, array(2, 3), args=dict(axis=(0, 0), **args)),
    ]


def places(function: str) -> list[Case]:
    """Cases of a maximum or minimum that also tell, or only tell, where it is."""
    return [
        *(
            case(function, distinct(2, 3, 4), args={"axis": axis, "with_index": True})
            for axis in (None, 0, 1, -1, (0, 2), (1, 2))
        ),
        case(function, distinct(2, 3, 4), args={"axis": 1, "with_index": True, "keepdims": True}),
        *(
            case(function, distinct(2, 3, 4), args={"axis": axis, "only_index": True}, grad=())
            for axis in (None, 0, -1, (0, 2))
        ),
        case(function, distinct(2, 3, 4), args={"axis": 2, "only_index": True, "keepdims": True}, grad=()),
        case(
            function,
            explicit([[1, 3, 3], [0, 0, 2]]),
            args={"axis": 1, "with_index": True},
            derivative="undefined",
        ),
    ]


CASES = [
    *axes("sum", normal),
    *axes("mean", normal),
    *axes("max", distinct),
    *places("max"),
    *axes("min", distinct),
    *places("min"),
    *axes("prod", nonzero),
    case(
        "prod",
        explicit([[0.0, 2.0, 3.0], [1.0, 4.0, 5.0]]),
        args={"axis": 1},
        beyond="the original gives zero where one factor is zero",
    ),
    *axes("norm", nonzero),
    *axes("norm", nonzero, p=1),
    *axes("norm", nonzero, p=3.0),
    case("norm", nonzero(2, 3), args={"p": 0.5, "axis": 1}),
    case("norm", nonzero(2, 3), args={"p": 2, "axis": 1}),
    case("norm", nonzero(2, 3), args={"p": -1.0, "axis": 1}),
    case("norm", nonzero(2, 3), args={"p": 0, "axis": 1}),
    case("norm", explicit([[0.0, 0.0], [3.0, 4.0]]), args={"axis": 1}, derivative="undefined"),
    *(
        case(name, normal(*shape))
        for name in ("reduce_sum", "reduce_mean")
        for shape in ((2, 3), (), (1,), (5,), (2, 3, 4))
    ),
]
