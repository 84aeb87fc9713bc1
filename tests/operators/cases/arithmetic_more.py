"""Arithmetic under its second name."""

from ..arrays import normal
from ..case import Case, case

CASES: list[Case] = [
    case("bc_add2", normal(2, 3), normal(2, 3)),
    case("bc_add2", normal(2, 3), normal(1, 3)),
    case("bc_add2", normal(2, 1), normal(1, 3)),
    case("bc_add2", normal(), normal()),
    case("bc_add2", normal(2, 3), normal(2, 3), args={"inplace": True}),
    case("bc_add2", normal(2, 3), normal(2, 1), grad=(1,)),
    case("bc_add2", normal(2, 3), normal(3)),
]
