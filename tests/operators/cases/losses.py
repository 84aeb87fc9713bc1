"""Losses. Targets are labels, bits or probabilities; a real target has a gradient of its own."""

from ..arrays import bits, distinct, explicit, integers, normal, probabilities, uniform
from ..case import Case, case


def labelled(function: str, real: object) -> list[Case]:
    """Cases of a loss that takes class labels; `real(shape, axis)` makes its first input."""
    return [
        case(function, real((4, 3), -1), integers(4, 1, high=3)),
        case(function, real((4, 3, 2), 1), integers(4, 1, 2, high=3), args={"axis": 1}),
        case(function, real((4, 3, 2), -1), integers(4, 3, 1, high=2)),
        case(function, real((4, 3, 2), -2), integers(4, 1, 2, high=3), args={"axis": -2}),
        case(function, real((4, 3, 2), 0), integers(1, 3, 2, high=4), args={"axis": 0}),
        case(function, real((1, 2), -1), integers(1, 1, high=2)),
        case(function, real((3, 1), -1), integers(3, 1, high=1)),
        case(function, real((4, 3), -1), integers(4, high=3)),
        case(function, real((4, 3), -1), integers(4, 2, high=3)),
        case(function, real((4, 3), -1), integers(4, 1, high=3), args={"axis": 2}),
        case(function, real((4, 3), -1), integers(4, 1, high=3), grad=(0, 1)),
        case(function, real((4, 3), -1), explicit([[0], [-1], [2], [-1]], real=False)),
    ]


def pairs(function: str, **args: object) -> list[Case]:
    """Cases of a loss of two real inputs: equal shapes, broadcasting, one gradient at a time."""
    return [
        case(function, normal(2, 3), normal(2, 3), args=args),
        case(function, normal(2, 3, 4), normal(2, 3, 4), args=args),
        case(function, normal(), normal(), args=args),
        case(function, normal(1), normal(1), args=args),
        case(function, normal(2, 3), normal(2, 3), args=args, grad=(0,)),
        case(function, normal(2, 3), normal(2, 3), args=args, grad=(1,)),
        case(function, normal(2, 3), normal(1, 3), args=args),
        case(function, normal(2, 1, 4), normal(3, 1), args=args),
        case(function, normal(2, 3), normal(2, 4), args=args),
    ]


def kl_multinomial(*shape: int, **args: object) -> Case:
    """The divergence of two positive arrays of one shape."""
    return case("kl_multinomial", probabilities(*shape), probabilities(*shape), args=args)


CASES = [
    *labelled("softmax_cross_entropy", lambda shape, axis: normal(*shape)),
    *labelled("categorical_cross_entropy", lambda shape, axis: probabilities(*shape, axis=axis)),
    case(
        "softmax_cross_entropy",
        explicit([[1e4, 0.0], [-300.0, 300.0]]),
        integers(2, 1, high=2),
        derivative="undefined",
    ),
    case(
        "categorical_cross_entropy",
        explicit([[0.0, 1.0]]),
        explicit([[0.0]], real=False),
        derivative="undefined",
    ),
    case("sigmoid_cross_entropy", normal(4, 3), bits(4, 3)),
    case("sigmoid_cross_entropy", normal(2, 3, 2), bits(2, 3, 2)),
    case("sigmoid_cross_entropy", normal(), bits()),
    case("sigmoid_cross_entropy", normal(1), bits(1)),
    case("sigmoid_cross_entropy", explicit([-100.0, -30.0, 0.0, 30.0, 100.0]), bits(5), derivative="undefined"),
    case("sigmoid_cross_entropy", normal(4, 3), bits(4, 1)),
    case("sigmoid_cross_entropy", normal(4, 3), uniform(4, 3, low=0.0, high=1.0), grad=(0,)),
    case("sigmoid_cross_entropy", normal(4, 3), bits(4, 3), grad=(0, 1)),
    case("binary_cross_entropy", uniform(4, 3, low=0.1, high=0.9), bits(4, 3)),
    case("binary_cross_entropy", uniform(4, 3, low=0.1, high=0.9), uniform(4, 3, low=0.1, high=0.9), grad=(0,)),
    case("binary_cross_entropy", uniform(2, 3, 2, low=0.1, high=0.9), bits(2, 3, 2)),
    case("binary_cross_entropy", uniform(low=0.1, high=0.9), bits()),
    case("binary_cross_entropy", uniform(1, low=0.1, high=0.9), bits(1)),
    case(
        "binary_cross_entropy",
        explicit([0.0, 0.0, 1.0, 1.0]),
        explicit([0, 1, 0, 1], real=False),
        derivative="undefined",
    ),
    case("binary_cross_entropy", uniform(4, 3, low=0.1, high=0.9), bits(1, 3)),
    case("binary_cross_entropy", uniform(4, 3, low=0.1, high=0.9), bits(4, 3), grad=(0, 1)),
    *pairs("squared_error"),
    *pairs("absolute_error"),
    case("absolute_error", explicit([1.0, 2.0, -3.0]), explicit([1.0, 1.0, -3.0]), derivative="undefined"),
    *pairs("huber_loss"),
    *pairs("huber_loss", delta=0.3),
    case("huber_loss", explicit([1.0, 0.0, -2.0]), explicit([0.0, 0.0, 0.0]), derivative="undefined"),
    *pairs("epsilon_insensitive_loss", epsilon=0.5),
    case(
        "epsilon_insensitive_loss",
        explicit([0.5, 0.0, -1.0]),
        explicit([0.0, 0.0, 0.0]),
        args={"epsilon": 0.5},
        derivative="undefined",
    ),
    case("epsilon_insensitive_loss", distinct(3), distinct(3), args={"epsilon": 0.0}, derivative="undefined"),
    kl_multinomial(4, 3),
    kl_multinomial(2, 3, 4),
    kl_multinomial(2, 3, 4, base_axis=2),
    kl_multinomial(2, 3, 4, base_axis=-1),
    kl_multinomial(1, 1),
    case("kl_multinomial", probabilities(4, 3), probabilities(4, 3), grad=(0,)),
    case("kl_multinomial", probabilities(4, 3), probabilities(4, 3), grad=(1,)),
    case("kl_multinomial", probabilities(4, 3), probabilities(4, 2)),
]
