"""Array manipulation."""

from ..arrays import bits, explicit, integers, normal
from ..case import Case, case

Row = tuple[tuple[int, ...], dict[str, object]]


def table(function: str, *rows: Row, beyond: str = "") -> list[Case]:
    """A case of a function of one array for every row: the shape of the input, and the arguments."""
    return [case(function, normal(*shape), args=args, beyond=beyond) for shape, args in rows]


RESHAPE = table(
    "reshape",
    ((2, 3, 4), {"shape": (6, 4)}),
    ((2, 3, 4), {"shape": (4, -1)}),
    ((2, 3, 4), {"shape": (-1,)}),
    ((2, 3, 4), {"shape": (1, 24, 1)}),
    ((2, 3, 4), {"shape": (6, 4), "inplace": False}),
    ((2, 3, 4), {"shape": [2, -1, 2], "inplace": False}),
    ((), {"shape": (1, 1)}),
    ((1,), {"shape": ()}),
    ((2, 3), {"shape": (4, 2)}),
    ((2, 3), {"shape": (-1, -1)}),
    ((2, 3), {"shape": (4, -1)}),
)

TRANSPOSE = table(
    "transpose",
    ((2, 3), {"axes": (1, 0)}),
    ((2, 3), {"axes": (0, 1)}),
    ((2, 3, 4), {"axes": (2, 0, 1)}),
    ((2, 1, 3, 2), {"axes": (0, 2, 3, 1)}),
    ((2, 1, 3, 2), {"axes": (3, 2, 1, 0)}),
    ((4,), {"axes": (0,)}),
    ((2, 3), {"axes": (0, 0)}),
    ((2, 3), {"axes": (0,)}),
    ((2, 3), {"axes": (0, 2)}),
) + table(
    "transpose",
    ((2, 3, 4), {"axes": (-1, -3, -2)}),
    ((), {"axes": ()}),
    beyond="the original crashes",
)

JOIN = [
    case("concatenate", normal(2, 3), normal(2, 4)),
    case("concatenate", normal(2, 3), normal(2, 4), args={"axis": 1}),
    case("concatenate", normal(2, 3), normal(2, 4), args={"axis": -1}),
    case("concatenate", normal(2, 3), normal(1, 3), normal(3, 3), args={"axis": 0}),
    case("concatenate", normal(2, 3, 2), normal(2, 1, 2), args={"axis": 1}),
    case("concatenate", normal(2, 3, 2), normal(2, 1, 2), args={"axis": -2}),
    case("concatenate", normal(3), normal(2)),
    case("concatenate", normal(2, 3)),
    case("concatenate", normal(2, 3), normal(2, 3), normal(2, 3), args={"axis": 1}, grad=(1,)),
    case("concatenate", normal(2, 3), normal(3, 3), args={"axis": 1}),
    case("concatenate", normal(2, 3), normal(2, 3), args={"axis": 2}),
    case("concatenate", normal(2, 3), normal(2, 3, 1), args={"axis": 1}),
    case("stack", normal(2, 3), normal(2, 3)),
    case("stack", normal(2, 3), normal(2, 3), args={"axis": 1}),
    case("stack", normal(2, 3), normal(2, 3), args={"axis": 2}),
    case("stack", normal(2, 3), normal(2, 3), args={"axis": -1}),
    case("stack", normal(2, 3), normal(2, 3), args={"axis": -2}),
    case("stack", normal(), normal(), normal()),
    case("stack", normal(2, 3)),
    case("stack", normal(3), normal(3), normal(3), grad=(0, 2)),
    case("stack", normal(2, 3), normal(2, 4)),
    case("stack", normal(2, 3), normal(2, 3), args={"axis": 3}),
]

SPLIT = table(
    "split",
    ((3, 2), {}),
    ((2, 3), {"axis": 1}),
    ((2, 3), {"axis": -1}),
    ((2, 3, 4), {"axis": -2}),
    ((3,), {}),
    ((1, 3), {}),
    ((2, 3), {"axis": 2}),
    ((), {}),
)

SLICE = table(
    "slice",
    ((4, 5), {}),
    ((4, 5), {"start": (1, 2), "stop": (3, 4)}),
    ((4, 5), {"start": (1, 0), "stop": (4, 5), "step": (2, 3)}),
    ((4, 5), {"start": (-3, -2)}),
    ((4, 5), {"start": (0, 1), "stop": (-1, -1)}),
    ((4, 5), {"start": (None, 1), "stop": (2, None)}),
    ((4, 5), {"start": (None, None), "stop": (None, None), "step": (-1, -2)}),
    ((4, 5), {"start": (3, 4), "stop": (0, 1), "step": (-1, -1)}),
    ((4, 5), {"start": (3, 4), "stop": (None, 1), "step": (-2, -3)}),
    ((4, 5), {"start": (-1, -1), "stop": (-4, -6), "step": (-1, -2)}),
    ((4, 5), {"start": (1,), "stop": (3,)}),
    ((4, 5), {"stop": (3, 10)}),
    ((2, 3, 4), {"start": (0, 1, 1), "stop": (2, 2, 3)}),
    ((5,), {"start": (1,), "stop": (4,), "step": (2,)}),
    ((2, 1, 3), {"start": (1, 0, 0), "stop": (2, 1, 2)}),
    ((4, 5), {"start": (1, 1, 1)}),
    ((4, 5), {"start": (0, 0), "stop": (4, 5), "step": (0, 1)}),
    ((4, 5), {"start": (3, 0), "stop": (1, 5)}),
) + table(
    "slice",
    ((4, 5), {"start": (-10, 0), "stop": (4, 2)}),
    beyond="the original reads before the beginning of the array",
)

BROADCAST = [
    *table(
        "broadcast",
        ((1, 3), {"shape": (2, 3)}),
        ((2, 1), {"shape": (2, 3)}),
        ((1, 1), {"shape": (2, 3)}),
        ((2, 3), {"shape": (2, 3)}),
        ((1, 3, 1), {"shape": (2, 3, 4)}),
        ((1,), {"shape": (5,)}),
        ((), {"shape": (2, 3)}),
        ((), {"shape": ()}),
        ((3,), {"shape": (2, 3)}),
        ((2, 3), {"shape": (2, 4)}),
        ((2, 3), {"shape": (3,)}),
    ),
    # The second input is broadcast to the shape of the first. The original has no gradient for it.
    case("broadcast_to", normal(2, 3), normal(3), grad=()),
    case("broadcast_to", normal(2, 3), normal(2), args={"axis": 0}, grad=()),
    case("broadcast_to", normal(4, 3, 2, 2), normal(3, 2), args={"axis": 1}, grad=()),
    case("broadcast_to", normal(4, 3, 2, 2), normal(2, 2), grad=()),
    case("broadcast_to", normal(2, 3), normal(2, 3), grad=()),
    case("broadcast_to", normal(2, 3), normal(1), grad=()),
    case("broadcast_to", normal(2, 3), normal(2), grad=()),
    case("broadcast_to", normal(3, 4), normal(2, 3, 4), grad=()),
]

REPEAT = [
    *table(
        "tile",
        ((2, 3), {"reps": (2, 2)}),
        ((2, 3), {"reps": 2}),
        ((2, 3), {"reps": [3]}),
        ((2, 3), {"reps": (2, 1, 3)}),
        ((2, 1, 3), {"reps": (1, 2)}),
        ((3,), {"reps": (2, 2)}),
        ((), {"reps": (2, 3)}),
        ((2, 3), {"reps": (1, 1)}),
    ),
    *table(
        "flip",
        ((2, 3), {}),
        ((2, 3), {"axes": (0,)}),
        ((2, 3), {"axes": (0, 1)}),
        ((2, 3, 4), {"axes": (-1,)}),
        ((2, 3, 4), {"axes": (-3, 1)}),
        ((2, 1, 3), {"axes": (1,)}),
        ((4,), {}),
        ((2, 3), {"axes": (2,)}),
    ),
]

PAD = table(
    "pad",
    ((2, 3), {"pad_width": (1, 2)}),
    ((2, 3), {"pad_width": (1, 2, 0, 3)}),
    ((2, 3), {"pad_width": (1, 1), "constant_value": 2.5}),
    ((2, 3, 4), {"pad_width": (1, 0, 2, 1), "mode": "constant"}),
    ((2, 3, 4), {"pad_width": (0, 0, 1, 1, 2, 2), "constant_value": -1}),
    ((4,), {"pad_width": (2, 1)}),
    ((2, 3), {"pad_width": (0, 0)}),
    ((2, 4), {"pad_width": (2, 1), "mode": "reflect"}),
    ((3, 4), {"pad_width": (2, 1, 3, 2), "mode": "reflect"}),
    ((2, 3, 4), {"pad_width": (1, 2, 2, 3), "mode": "reflect"}),
    ((2, 2, 3, 4), {"pad_width": (1, 1, 2, 2), "mode": "reflect"}),
    ((2, 4), {"pad_width": (2, 1), "mode": "repeat"}),
    ((3, 4), {"pad_width": (2, 1, 3, 2), "mode": "repeat"}),
    ((2, 3, 4), {"pad_width": (1, 0, 0, 6), "mode": "repeat"}),
    ((2, 3), {"pad_width": (1,)}),
    ((2, 3), {"pad_width": (1, 1, 1, 1, 1, 1)}),
    ((2, 3), {"pad_width": (3, 0), "mode": "reflect"}),
    ((2, 3), {"pad_width": (1, 1), "mode": "wrap"}),
    ((2, 3), {"pad_width": (-1, 1)}),
)

DIAGONALS = [
    *table("matrix_diag", ((3,), {}), ((2, 3), {}), ((2, 1, 3), {}), ((1,), {}), ((2, 2, 2), {})),
    *table(
        "matrix_diag_part",
        ((3, 3), {}),
        ((2, 3, 3), {}),
        ((2, 1, 2, 2), {}),
        ((1, 1), {}),
        ((2, 1, 1), {}),
        ((3,), {}),
    ),
]

INDICES = [
    case("one_hot", integers(4, 1, high=3), args={"shape": (3,)}),
    case("one_hot", integers(2, 3, 1, high=4), args={"shape": (4,)}),
    case("one_hot", integers(4, 2, high=3), args={"shape": (3, 3)}),
    case("one_hot", explicit([[0, 3], [1, 2], [1, 0]], real=False), args={"shape": (2, 4)}),
    case("one_hot", integers(1, high=3), args={"shape": (3,)}),
    case("one_hot", integers(4, high=3), args={"shape": (3,)}),
    case("one_hot", integers(4, 2, high=3), args={"shape": (3,)}),
    case("one_hot", integers(4, 1, high=3), args={"shape": (3,)}, grad=(0,)),
    case("gather", normal(4, 3), integers(2, high=4)),
    case("gather", normal(4, 3), integers(2, high=3), args={"axis": 1}),
    case("gather", normal(4, 3), integers(2, high=3), args={"axis": -1}),
    case("gather", normal(4, 3), integers(2, 5, high=4), args={"axis": 0}),
    case("gather", normal(2, 4, 3), integers(3, 2, high=4), args={"axis": 1}),
    case("gather", normal(2, 4, 3), integers(2, 2, high=4), args={"axis": 1, "batch_dims": 1}),
    case("gather", normal(2, 3, 4), integers(2, 3, 2, high=4), args={"axis": 2, "batch_dims": 2}),
    case("gather", normal(2, 4, 3), integers(2, 2, high=3), args={"axis": 2, "batch_dims": 1}),
    case("gather", normal(5), integers(3, high=5)),
    case("gather", normal(4, 3), integers(high=4)),
    case("gather", normal(4, 3), explicit([1, 1, 1, 0], real=False)),
    case("gather", normal(4, 3), integers(2, high=4), args={"axis": 2}),
    case("gather", normal(2, 4, 3), integers(3, 2, high=4), args={"axis": 1, "batch_dims": 1}),
]

CLIP = [
    case("clip_by_value", normal(2, 5).avoiding(-0.5, 0.5), args={"min": -0.5, "max": 0.5}),
    case("clip_by_value", normal(2, 5).avoiding(0.0, 1.0), args={"min": 0, "max": 1}),
    case("clip_by_value", normal().avoiding(-0.1, 0.1), args={"min": -0.1, "max": 0.1}),
    case("clip_by_value", normal(2, 3), normal(2, 3, mean=-1.0, scale=0.5), normal(2, 3, mean=1.0, scale=0.5)),
    case("clip_by_value", normal(2, 3), normal(1, 3, mean=-1.0, scale=0.5), normal(2, 1, mean=1.0, scale=0.5)),
    case("clip_by_value", normal(2, 3), normal(1, 1, mean=-1.0, scale=0.5), args={"max": 0.5}, grad=(0,)),
    case(
        "clip_by_value",
        explicit([-1.0, -0.5, 0.0, 0.5, 1.0]),
        args={"min": -0.5, "max": 0.5},
        derivative="undefined",
    ),
]

IDENTITY = [
    *table("identity", ((2, 3), {}), ((), {}), ((1,), {}), ((2, 1, 3), {}), ((2, 3, 2, 2), {})),
    case("identity", bits(4)),
]

CASES = [
    *RESHAPE,
    *TRANSPOSE,
    *JOIN,
    *SPLIT,
    *SLICE,
    *BROADCAST,
    *REPEAT,
    *PAD,
    *DIAGONALS,
    *INDICES,
    *CLIP,
    *IDENTITY,
]
