"""Error rates. They have no gradient."""

from ..arrays import bits, distinct, explicit, integers, uniform
from ..case import case

CASES = [
    case("top_n_error", distinct(6, 4), integers(6, 1, high=4), grad=()),
    case("top_n_error", distinct(6, 4), integers(6, 1, high=4), args={"n": 2}, grad=()),
    case("top_n_error", distinct(6, 4), integers(6, 1, high=4), args={"n": 4}, grad=()),
    case("top_n_error", distinct(3, 4, 5), integers(3, 1, 5, high=4), args={"axis": 1}, grad=()),
    case("top_n_error", distinct(3, 4, 5), integers(3, 1, 5, high=4), args={"axis": -2, "n": 2}, grad=()),
    case("top_n_error", distinct(3, 4, 5), integers(3, 4, 1, high=5), args={"axis": -1, "n": 3}, grad=()),
    case("top_n_error", distinct(4, 3), integers(1, 3, high=4), args={"axis": 0, "n": 2}, grad=()),
    case(
        "top_n_error",
        explicit([[1, 1, 0], [1, 1, 0], [1, 1, 0]]),
        explicit([[0], [1], [2]], real=False),
        grad=(),
    ),
    case(
        "top_n_error",
        explicit([[1, 1, 0], [1, 1, 0], [1, 1, 0]]),
        explicit([[0], [1], [2]], real=False),
        args={"n": 2},
        grad=(),
    ),
    case("top_n_error", distinct(1, 1), integers(1, 1, high=1), grad=()),
    case("top_n_error", distinct(6, 4), integers(6, high=4), grad=()),
    case("top_n_error", distinct(6, 4), integers(6, 2, high=4), grad=()),
    case("top_n_error", distinct(6, 4), integers(6, 1, high=4), args={"n": 5}, grad=()),
    case("binary_error", uniform(4, 3, low=0.0, high=1.0), bits(4, 3), grad=()),
    case("binary_error", uniform(2, 3, 2, low=0.0, high=1.0), bits(2, 3, 2), grad=()),
    case("binary_error", uniform(low=0.0, high=1.0), bits(), grad=()),
    case("binary_error", explicit([0.5, 0.5, 0.49, 0.51]), explicit([0, 1, 0, 1], real=False), grad=()),
    case("binary_error", explicit([0.2, 0.8, 0.2, 0.8]), explicit([0.4, 0.6, 0.5, 0.5]), grad=()),
    case("binary_error", uniform(4, 3, low=0.0, high=1.0), bits(4, 1), grad=()),
]
