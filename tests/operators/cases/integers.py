"""Remainders and shifts of bits; `test_integers.py` has what the original refuses."""

from ..arrays import explicit, integers, normal, positive
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
    # Where no bit leaves the type of x: the results here have 64.
    *[
        case(
            "bit_shift",
            explicit([1, 5, 100, 31, 0]),
            explicit([0, 2, 1, 3, 4]),
            args={"direction": direction},
            grad=(),
            dtype=dtype,
        )
        for dtype in ("uint8", "uint16", "uint32", "uint64")
        for direction in ("LEFT", "RIGHT")
    ],
    case("bit_shift", integers(2, 1, high=8), integers(1, 3, high=5), grad=(), dtype="uint8"),
    case("bit_shift", explicit(5), explicit(2), grad=(), dtype="uint32"),
    case("bit_shift", integers(2, 3, high=9), integers(3, high=4), grad=(), dtype="uint8"),
]
