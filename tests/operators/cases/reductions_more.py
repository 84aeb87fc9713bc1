"""Reductions over no axes, equal elements, running sums and products, reductions of everything by name."""

from ..arrays import distinct, explicit, normal
from ..case import Case, case


def running(function: str) -> list[Case]:
    """Cases of a running sum or product: axes, and both options."""
    return [
        case(function, normal(2, 3)),
        case(function, normal(4)),
        case(function, normal(2, 3, 4), args={"axis": 1}),
        case(function, normal(2, 3, 4), args={"axis": -1}),
        case(function, normal(2, 3, 4), args={"axis": 1, "exclusive": True}),
        case(function, normal(2, 3, 4), args={"axis": 2, "reverse": True}),
        case(function, normal(2, 3, 4), args={"axis": 0, "exclusive": True, "reverse": True}),
        case(function, normal(2, 1, 3), args={"axis": 1, "exclusive": True}),
        case(function, explicit([[1.0, 2.0, 0.0, 3.0, 0.0]]), args={"axis": 1}),
        case(function, normal()),
        case(function, normal(2, 3), args={"axis": 2}),
    ]


CASES: list[Case] = [
    *(case(name, normal(2, 3), args={"axis": ()}) for name in ("sum", "mean", "prod")),
    *(case(name, normal(2, 3).avoiding(0.0), args={"axis": (), "p": p}) for name in ("norm",) for p in (1, 2, 3)),
    *(case(name, distinct(2, 3), args={"axis": ()}) for name in ("max", "min")),
    *(case(name, distinct(2, 3), args={"axis": (), "with_index": True}) for name in ("max", "min")),
    *(case(name, distinct(), args={"with_index": True}) for name in ("max", "min")),
    *(
        case(name, distinct(2, 3, 4), args={"axis": axis, "with_index": True, "keepdims": keepdims})
        for name in ("max", "min")
        for axis in ((2, 0), (1, 0), (2, 1, 0), (-1, -3))
        for keepdims in (False, True)
    ),
    *(
        case(name, explicit([[[1, 3], [3, 1]], [[0, 0], [0, 2]]]), args={"axis": axis}, derivative="undefined")
        for name in ("max", "min")
        for axis in (None, 0, 1, 2, (0, 2), (1, 2))
    ),
    case("norm", explicit([[0.0, 3.0], [-4.0, 0.0]]), args={"p": 1}, derivative="undefined"),
    case("norm", explicit([0.0, 3.0, -4.0]), args={"p": 1.5}, derivative="undefined"),
    *running("cumsum"),
    *running("cumprod"),
    *(case("reduce", normal(*shape), args={"op": op}) for op in ("sum", "mean") for shape in ((2, 3), (), (4,))),
    case("reduce", normal(2, 3)),
    case("reduce", normal(2, 3), args={"op": "prod"}),
]
