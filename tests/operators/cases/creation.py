"""Arrays made from arguments alone."""

from ..case import Case, case


def made(function: str, *rows: dict[str, object]) -> list[Case]:
    """A case of `function` for every row of arguments."""
    return [case(function, args=args) for args in rows]


CASES = [
    *made(
        "constant",
        {},
        {"val": 1.5, "shape": (2, 3)},
        {"val": -2, "shape": [4]},
        {"val": 0.1, "shape": ()},
        {"val": 0.0, "shape": (1, 1)},
        {"val": 1e10, "shape": (2,)},
    ),
    *made(
        "arange",
        {"start": 0, "stop": 5},
        {"start": 1, "stop": 2, "step": 0.25},
        {"start": 0, "stop": 1, "step": 0.3},
        {"start": 5, "stop": 0, "step": -1},
        {"start": -1.5, "stop": 1.5, "step": 0.5},
        {"start": 0, "stop": 0.5},
        {"start": 0, "stop": 1, "step": 0.1},
        {"start": 0, "stop": 5, "step": -1},
        {"start": 3, "stop": 3},
        {"start": 0, "stop": 5, "step": 0},
    ),
    *made(
        "linspace",
        {"start": 0, "stop": 1, "num": 5},
        {"start": -1.0, "stop": 1.0, "num": 4},
        {"start": 3, "stop": -3, "num": 7},
        {"start": 0.1, "stop": 0.7, "num": 2},
        {"start": 2, "stop": 5, "num": 1},
        {"start": 1, "stop": 1, "num": 3},
        {"start": 0, "stop": 1, "num": -1},
    ),
]
