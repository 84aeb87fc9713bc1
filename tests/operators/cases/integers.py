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
    # Whole numbers of either sign: with fmod, the sign of the dividend, else that of the divisor.
    *[
        case(
            "mod2",
            explicit([5, -5, 5, -5, 6, 0]),
            explicit([3, 3, -3, -3, -2, 7]),
            args={"fmod": fmod},
            grad=(),
            dtype=dtype,
        )
        for dtype in ("int8", "int32", "int64")
        for fmod in (False, True)
    ],
    *[
        case("mod2", integers(2, 1, high=200), integers(1, 3, low=1, high=9), args={"fmod": fmod}, grad=(), dtype=dtype)
        for dtype, fmod in (("uint8", False), ("uint16", True), ("uint64", False))
    ],
    *[
        case(
            "bit_shift",
            explicit([1, 100, 200, 255, 0]),
            explicit([0, 3, 1, 7, 4]),
            args={"direction": direction},
            grad=(),
            dtype=dtype,
        )
        for dtype in ("uint8", "uint16", "uint32", "uint64")
        for direction in ("LEFT", "RIGHT")
    ],
    case("bit_shift", integers(2, 1, high=200), integers(1, 3, high=8), grad=(), dtype="uint8"),
    case("bit_shift", explicit(5), explicit(2), grad=(), dtype="uint32"),
    case("bit_shift", integers(2, 3, high=9), integers(3, high=4), grad=(), dtype="uint8"),
]
