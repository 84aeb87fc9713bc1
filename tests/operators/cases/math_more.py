"""The error function, and values that are not numbers or have no fraction."""

from math import inf, nan

from ..arrays import explicit, normal
from ..case import Case, case

SHAPES = [(2, 3), (), (1,), (2, 1, 3), (2, 3, 2, 2)]

CASES: list[Case] = [
    *(case("erf", normal(*shape)) for shape in SHAPES),
    case("erf", explicit([-5.0, -2.0, -0.5, 0.0, 1e-3, 2.0, 5.0])),
    case("erf", explicit([inf, -inf, nan]), derivative="undefined"),
    *(
        case(
            function,
            explicit([-8388609.0, -2.5, -0.49999997, 0.49999997, 2.5, 8388609.0, inf, -inf, nan]),
            grad=(),
        )
        for function in ("round", "floor", "ceil", "sign")
    ),
    case("sign", explicit([-0.0, 0.0, nan]), args={"alpha": -0.5}, grad=()),
    case("identity", explicit([inf, -inf, nan, 0.0]), derivative="undefined"),
]
