"""Numbers in place of NaN and infinity, clipping, and search in sorted sequences."""

from math import inf, nan

from ..arrays import explicit, normal
from ..case import Case, case


def reset(function: str) -> list[Case]:
    """Cases of a function that puts a number in place of NaN or infinity."""
    return [
        case(function, normal(2, 3)),
        case(function, normal()),
        case(function, normal(2, 1, 3), args={"val": -1.5}),
        case(function, explicit([1.0, nan, inf, -inf, 0.0]), derivative="undefined"),
        case(function, explicit([[1.0, nan], [inf, -inf]]), args={"val": 2.5}, derivative="undefined"),
    ]


SEQUENCE = explicit([1.0, 3.0, 3.0, 5.0, 7.0], real=False)
SEQUENCES = explicit([[1.0, 3.0, 5.0], [2.0, 2.0, 4.0]], real=False)
VALUES = explicit([0.0, 1.0, 3.0, 4.0, 7.0, 8.0], real=False)
ROWS = explicit([[0.0, 3.0, 9.0, 4.0], [2.0, 1.0, 4.0, 3.0]], real=False)

CASES: list[Case] = [
    *reset("reset_nan"),
    *reset("reset_inf"),
    case("clip_by_value", normal(2, 3).avoiding(-0.5, 0.75), args={"min": -0.5, "max": 0.75}),
    case("clip_by_value", normal().avoiding(-1.0, 1.0), args={"min": -1, "max": 1}),
    case("clip_by_value", normal(2, 1, 3).avoiding(0.0, 0.3), args={"min": 0.0, "max": 0.3}),
    case("clip_by_value", explicit([-2.0, 0.0, 2.0]), args={"min": 1.0, "max": -1.0}),
    case("clip_by_value", explicit([-1.0, 0.0, 1.0]), args={"min": -1.0, "max": 1.0}, derivative="undefined"),
    case("clip_by_value", normal(2, 3), normal(2, 3), normal(2, 3)),
    case("clip_by_value", normal(2, 3), normal(1, 3), normal(2, 1)),
    case("searchsorted", SEQUENCE, VALUES),
    case("searchsorted", SEQUENCE, VALUES, args={"right": True}),
    case("searchsorted", SEQUENCE, VALUES, args={"right": False}),
    case("searchsorted", SEQUENCES, ROWS),
    case("searchsorted", SEQUENCES, ROWS, args={"right": True}),
    case("searchsorted", SEQUENCE, ROWS),
    case("searchsorted", SEQUENCES, explicit([[1.0, 2.0]], real=False)),
    case("searchsorted", SEQUENCE, VALUES, grad=(1,)),
]
