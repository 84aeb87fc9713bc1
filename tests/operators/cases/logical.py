"""Maxima and minima of pairs, comparisons, logic, tests for NaN and infinity, and choice by a condition."""

from math import inf, nan

from ..arrays import Array, bits, explicit, integers, normal
from ..case import Case, case


def extremum(function: str) -> list[Case]:
    """Cases of a maximum or minimum of two arrays; random reals are never equal."""
    return [
        case(function, normal(2, 3), normal(2, 3)),
        case(function, normal(), normal()),
        case(function, normal(2, 3), normal(1, 3)),
        case(function, normal(2, 1), normal(2, 3)),
        case(function, normal(3, 1), normal(2, 1, 4)),
        case(function, normal(2, 3), normal()),
        case(function, normal(2, 3), normal(2, 3), grad=(0,)),
        case(function, normal(2, 3), normal(2, 3), grad=(1,)),
        case(function, explicit([1.0, 2.0, -1.0]), explicit([1.0, 0.0, -1.0]), derivative="undefined"),
        case(function, normal(2, 3), normal(2, 4)),
    ]


def extremum_scalar(function: str) -> list[Case]:
    """Cases of a maximum or minimum of an array and a number."""
    return [
        case(function, normal(2, 3).avoiding(1.0)),
        case(function, normal(2, 3).avoiding(0.25), args={"val": 0.25}),
        case(function, normal(2, 1, 3).avoiding(-0.3), args={"val": -0.3}),
        case(function, normal().avoiding(0.0), args={"val": 0}),
        case(function, normal(1).avoiding(0.5), args={"val": 0.5}),
        case(function, explicit([0.0, 1.0, 2.0]), args={"val": 1.0}, derivative="undefined"),
    ]


def compare(function: str, array: object) -> list[Case]:
    """Cases of a comparison or logical function of two arrays; `array` makes some values equal."""
    return [
        case(function, array(2, 5), array(2, 5)),
        case(function, array(), array()),
        case(function, array(2, 5), array(1, 5)),
        case(function, array(2, 1), array(2, 5)),
        case(function, array(3, 1), array(2, 1, 4)),
        case(function, array(2, 5), array()),
        case(function, explicit([0.0, -0.0, 0.5, -2.0, 3.0]), explicit([0.0, 0.0, 0.5, 2.0, 0.0]), grad=()),
        case(function, explicit([inf, nan, 1.0, -inf]), explicit([inf, nan, nan, inf]), grad=()),
        case(function, array(2, 5), array(2, 5), grad=(0, 1)),
        case(function, array(2, 3), array(2, 4)),
    ]


def compare_scalar(function: str) -> list[Case]:
    """Cases of a comparison of an array with a number."""
    return [
        case(function, small(2, 5)),
        case(function, small(2, 5), args={"val": 2}),
        case(function, small(), args={"val": 0.0}),
        case(function, small(2, 1, 3), args={"val": 1.5}),
        case(function, explicit([-1.0, -0.0, 0.0, 1.0, inf, nan]), args={"val": 0.0}, grad=()),
        case(function, small(3), args={"val": 1.0}, grad=(0,)),
    ]


def logical_scalar(function: str) -> list[Case]:
    """Cases of a logical function of an array and a truth value."""
    return [
        case(function, bits(2, 5), args={"val": True}),
        case(function, bits(2, 5), args={"val": False}),
        case(function, bits(), args={"val": True}),
        case(function, small(2, 1, 4), args={"val": False}),
        case(function, explicit([-1.0, -0.0, 0.0, 0.3, inf, nan]), args={"val": True}, grad=()),
        case(function, explicit([-1.0, -0.0, 0.0, 0.3, inf, nan]), args={"val": False}, grad=()),
    ]


def unary(function: str) -> list[Case]:
    """Cases of a test or a truth function of one array."""
    return [
        case(function, small(2, 5)),
        case(function, bits()),
        case(function, bits(2, 1, 3)),
        case(function, explicit([-1.0, -0.0, 0.0, 0.3, inf, -inf, nan]), grad=()),
        case(function, explicit([[nan, 1.0], [inf, 0.0]]), grad=()),
        case(function, small(3), grad=(0,)),
    ]


def small(*shape: int) -> Array:
    """Whole numbers of which many are equal."""
    return integers(*shape, low=-1, high=3)


CASES = [
    *extremum("maximum2"),
    *extremum("minimum2"),
    *extremum_scalar("maximum_scalar"),
    *extremum_scalar("minimum_scalar"),
    *(
        c
        for name in ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")
        for c in compare(name, small)
    ),
    *(c for name in ("logical_and", "logical_or", "logical_xor") for c in compare(name, bits)),
    *(
        c
        for name in ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")
        for c in compare_scalar(f"{name}_scalar")
    ),
    *(c for name in ("logical_and", "logical_or", "logical_xor") for c in logical_scalar(f"{name}_scalar")),
    *(c for name in ("logical_not", "isnan", "isinf") for c in unary(name)),
    case("where", bits(2, 3), normal(2, 3), normal(2, 3)),
    case("where", bits(2), normal(2, 3), normal(2, 3)),
    case("where", bits(2, 3), normal(2, 3, 4), normal(2, 3, 4)),
    case("where", bits(), normal(), normal()),
    case("where", explicit([0.0, -0.0, 0.5, -2.0], real=False), normal(4), normal(4)),
    case("where", bits(2, 3), normal(2, 3), normal(2, 3), grad=(1,)),
    case("where", bits(2, 3), normal(2, 3), normal(2, 3), grad=(2,)),
    case("where", bits(2, 3), normal(2, 3), normal(2, 3), grad=(0, 1, 2), derivative="surrogate"),
    case("where", bits(2, 3), normal(2, 3), normal(2, 4)),
    case("where", bits(3), normal(2, 3), normal(2, 3)),
    case("where", bits(2, 3), normal(2, 3), normal(1, 3)),
    case("where", bits(1, 3), normal(2, 3), normal(2, 3)),
]
