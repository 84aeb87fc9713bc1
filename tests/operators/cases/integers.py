"""Remainders; `test_integers.py` has what the original refuses: their gradient, and bits."""

from ..arrays import explicit, normal, positive
from ..case import Case, case

CASES: list[Case] = [
    case(
        "mod2",
        explicit([5.0, -5.0, 5.0, -5.0, 5.5, 0.0]),
        explicit([3.0, 3.0, -3.0, -3.0, 2.0, 1.5]),
        grad=(),
    ),
    case("mod2", explicit([5.0, -5.0, 5.0]), explicit([3.0, 3.0, -3.0]), args={"fmod": True}, grad=()),
    case("mod2", explicit([1.0, -2.0, 0.0]), explicit([0.0, 0.0, 0.0]), grad=()),
    case("mod2", normal(2, 3, scale=9.0), positive(2, 3), grad=()),
    case("mod2", normal(2, 3, scale=9.0), positive(1, 3), grad=()),
    case("mod2", normal(2, 1, scale=9.0), positive(2, 3), grad=()),
    case("mod2", normal(), positive(), grad=()),
    case("mod2", normal(2, 3), positive(3), grad=()),
]
