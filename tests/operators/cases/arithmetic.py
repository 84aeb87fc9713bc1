"""Arithmetic on arrays and scalars."""

from ..arrays import explicit, normal, positive
from ..case import Case, case


def binary(function: str, left: object = normal, right: object = normal) -> list[Case]:
    """Cases of a function of two arrays: shapes, broadcasting, in place, one gradient at a time."""
    return [
        case(function, left(2, 3), right(2, 3)),
        case(function, left(), right()),
        case(function, left(2, 3), right(1, 3)),
        case(function, left(2, 1), right(2, 3)),
        case(function, left(2, 3, 4), right(4)),
        case(function, left(3, 1), right(2, 1, 4)),
        case(function, left(2, 3), right()),
        case(function, left(), right(2, 3)),
        case(function, left(1), right(2, 1, 1)),
        case(function, left(2, 3), right(2, 3), args={"inplace": True}),
        case(function, left(2, 3), right(2, 3), grad=(0,)),
        case(function, left(2, 3), right(3), grad=(1,)),
        case(function, left(2, 3), right(2, 4)),
    ]


def scalar(function: str, array: object = normal, *values: float, inplace: bool = False) -> list[Case]:
    """Cases of a function of an array and a number."""
    result = [
        case(function, array(2, 3)),
        case(function, array(2, 3), args={"val": 2}),
        case(function, array(), args={"val": 0.3}),
        case(function, array(2, 1, 3), args={"val": 1.5}),
        case(function, array(1), args={"val": 0.75}),
        *(case(function, array(2, 3), args={"val": value}) for value in values),
    ]
    if inplace:
        result += [case(function, array(2, 3), args={"val": 0.5, "inplace": True})]
    return result


def several(function: str) -> list[Case]:
    """Cases of a function of any number of arrays of one shape."""
    return [
        case(function, normal(2, 3)),
        case(function, normal(2, 3), normal(2, 3)),
        case(function, normal(2, 3, 2), normal(2, 3, 2), normal(2, 3, 2), normal(2, 3, 2)),
        case(function, normal(), normal(), normal()),
        case(function, normal(1), normal(1)),
        case(function, normal(2, 3), normal(2, 3), normal(2, 3), grad=(1,)),
        case(function, normal(2, 3), normal(2, 3), normal(2, 3), grad=(0, 2)),
        case(function, normal(2, 3), normal(3)),
    ]


CASES = [
    *binary("add2"),
    *binary("sub2"),
    *binary("mul2"),
    *binary("div2", right=positive),
    *binary("pow2", left=positive),
    case("div2", explicit([1.0, -1.0, 0.0]), explicit([0.0, 0.0, 0.0]), derivative="undefined"),
    case("pow2", explicit([0.0, 0.0, -2.0, -2.0]), explicit([0.0, 2.0, 2.0, 0.5]), derivative="undefined"),
    *several("add_n"),
    *several("mul_n"),
    *scalar("add_scalar", normal, -1.25, inplace=True),
    *scalar("mul_scalar", normal, 0.0, -1.25, inplace=True),
    *scalar("pow_scalar", positive, 0.0, -1.0, -0.5, 3.0, inplace=True),
    *scalar("r_sub_scalar", normal, -1.25),
    *scalar("r_div_scalar", positive, -1.25, 0.0),
    *scalar("r_pow_scalar", normal, 0.25, 3.0),
    case("pow_scalar", explicit([-2.0, -0.5, 1.5]), args={"val": 3.0}),
    case("pow_scalar", explicit([-2.0, 0.0, 1.5]), args={"val": 2.0}),
    case("pow_scalar", explicit([-2.0, 0.0, 1.5]), args={"val": 0.5}, derivative="undefined"),
    case("r_div_scalar", explicit([-2.0, 0.0, 1.5]), args={"val": 1.0}, derivative="undefined"),
]
