"""Array manipulation: functions of indices, masks, order and sequences."""

from ..arrays import Array, bits, distinct, explicit, normal
from ..case import Case, case

Row = tuple[tuple[int, ...], dict[str, object]]


def table(function: str, *rows: Row) -> list[Case]:
    """A case of a function of one array for every row: the shape of the input, and the arguments."""
    return [case(function, normal(*shape), args=args) for shape, args in rows]


def whole(values: object) -> Array:
    """Whole numbers: indices, lengths, masks."""
    return explicit(values, real=False)


MOVED = [
    *table(
        "shift",
        ((2, 3), {}),
        ((2, 3), {"shifts": (1, -1)}),
        ((2, 3), {"shifts": (0, 2)}),
        ((2, 3), {"shifts": (1,)}),
        ((2, 3, 4), {"shifts": (-1, 2)}),
        ((2, 3), {"shifts": (-5, 4)}),
        ((2, 3), {"shifts": (1, -1), "border_mode": "reflect"}),
        ((2, 3), {"shifts": (-5, 4), "border_mode": "reflect"}),
        ((2, 1, 4), {"shifts": (3, 2, -3), "border_mode": "reflect"}),
    ),
    *table(
        "trilu",
        ((2, 3), {}),
        ((3, 2), {"k": 1}),
        ((2, 3, 3), {"k": -1}),
        ((2, 3), {"upper": False}),
        ((2, 2, 3, 3), {"k": 1, "upper": False}),
        ((3, 3), {"k": 5}),
        ((3, 3), {"k": -5, "upper": False}),
        ((3,), {}),
    ),
    *table(
        "pad",
        ((3,), {"pad_width": (5, 6), "mode": "reflect"}),
        ((2, 3), {"pad_width": (1, 4, 7, 0), "mode": "reflect"}),
        ((1,), {"pad_width": (1, 2), "mode": "reflect"}),
        ((2, 2, 2, 2), {"pad_width": (1, 0, 0, 1, 2, 0, 0, 3), "mode": "reflect"}),
        ((2, 2, 2, 2), {"pad_width": (1, 0, 0, 1, 2, 0, 0, 3), "mode": "repeat"}),
        ((2, 3, 4, 5), {"pad_width": (1, 1, 2, 2, 3, 3), "mode": "reflect"}),
        ((), {"pad_width": ()}),
    ),
    *table(
        "tile",
        ((2, 3), {"reps": ()}),
        ((2, 3), {"reps": (2, 0)}),
        ((2, 3), {"reps": -1}),
    ),
    case("shape", normal(2, 3, 4), grad=()),
    case("shape", normal(2, 3, 4), args={"start": 1, "end": 3}, grad=()),
    case("shape", normal(2, 3, 4), args={"start": -2}, grad=()),
    case("shape", normal(2, 3, 4), args={"end": -1}, grad=()),
    case("shape", normal(5), grad=()),
    case("broadcast_to", normal(2, 3, 4), normal(3, 4), args={"axis": -2}, grad=()),
    case("broadcast_to", normal(2, 3, 4), normal(2, 3), args={"axis": 0}, grad=()),
    case("broadcast_to", normal(2, 3), normal(), grad=()),
    case("broadcast_to", normal(2, 3, 4), normal(4), args={"axis": 1}, grad=()),
    case("broadcast_to", normal(2, 3, 4), normal(4), args={"axis": 3}, grad=()),
    *[case("eye_like", normal(2, 3), args={"k": k}, grad=()) for k in (0, 1, -1, 5, -2)],
    case("eye_like", normal(2, 3, 3), grad=()),
]

GRIDS = [
    case("meshgrid", normal(3), normal(2)),
    case("meshgrid", normal(3), normal(2), args={"ij_indexing": True}),
    case("meshgrid", normal(3), normal(2), normal(4)),
    case("meshgrid", normal(3), normal(2), normal(4), args={"ij_indexing": True}),
    case("meshgrid", normal(1), normal(2), grad=(1,)),
    case("meshgrid", normal(3)),
    case("meshgrid", normal(3), normal(2, 2)),
    case("meshgrid", normal(), normal(2)),
]

BY_INDEX = [
    case("gather_nd", normal(3, 4), whole([[0, 2, 1], [3, 0, 1]])),
    case("gather_nd", normal(3, 4), whole([[0, 2, 2]])),
    case("gather_nd", normal(3, 4, 2), whole([[0, -1], [-4, 3]])),
    case("gather_nd", normal(2, 3), whole([[[0, 1], [1, 1]], [[2, 0], [0, 0]]])),
    case("gather_nd", normal(5), whole([[4, 4, 4, 0]])),
    case("gather_nd", normal(3, 4), whole([[0.9, 1.2]])),
    case("gather_nd", normal(3, 4), whole([[0, 3]])),
    case("gather_nd", normal(3, 4), whole([[0, -4]])),
    case("gather_nd", normal(3, 4), whole([0, 1])),
    case("gather_nd", normal(3, 4), whole([[0], [1], [0]])),
    case("scatter_nd", normal(3), whole([[0, 1, 0], [2, 0, 1]]), args={"shape": (2, 3)}),
    case("scatter_nd", normal(2, 4), whole([[2, 0]]), args={"shape": (3, 4)}),
    case("scatter_nd", normal(2, 4), whole([[-1, 0]]), args={"shape": [3, 4]}),
    case("scatter_nd", normal(2, 2), whole([[[0, 1], [2, 3]]]), args={"shape": (5,)}),
    case("scatter_nd", normal(3), whole([[0, 0, 1], [1, 1, 2]]), args={"shape": (2, 3), "add": True}),
    case("scatter_nd", normal(2, 4), whole([[1, 1]]), args={"shape": (3, 4), "add": True}),
    case("scatter_nd", normal(3), whole([[0, 1, 2], [0, 0, 0]]), args={"shape": (2, 3)}),
    case("scatter_nd", normal(3), whole([[0, 1, 1], [0, 0, 1]]), args={"shape": (2, 3, 4)}),
    case("scatter_nd", normal(3), whole([0, 1, 2]), args={"shape": (3,)}),
    case("scatter_nd", normal(3), whole([[0, 1, 2]])),
    case("scatter_add", normal(3, 3), whole([[0, 1, 2], [0, 0, 2]]), normal(2, 3)),
    case("scatter_add", normal(2, 3), whole([[0, 1, 2], [0, 0, 2]]), normal(2, 3), args={"axis": 1}),
    case("scatter_add", normal(2, 3), whole([[0, 1, 2], [0, 0, 2]]), normal(2, 3), args={"axis": -1}),
    case("scatter_add", normal(3, 3), whole([[0, 1], [0, 0]]), normal(2, 3), args={"axis": 1}),
    case("scatter_add", normal(2, 3), whole([[0, 1, 1], [0, 0, 1]]), normal(4, 4)),
    case("scatter_add", normal(4), whole([3, 3, 0]), normal(3), grad=(2,)),
    case("scatter_add", normal(2, 3), whole([[0, 1, 2]]), normal(1, 3)),
    case("scatter_add", normal(2, 3), whole([[0, -1, 1]]), normal(1, 3)),
    case("scatter_add", normal(2, 3), whole([0, 1]), normal(2, 3)),
]

BY_MASK = [
    case("bool_gather", normal(2, 3), whole([[1, 0, 1], [0, 0, 1]])),
    case("bool_gather", normal(2, 3), whole([0, 1])),
    case("bool_gather", normal(2, 3, 4), whole([[1, 0, 1], [0, 0, 1]])),
    case("bool_gather", normal(4), whole([1, 1, 1, 1])),
    case("bool_gather", normal(1, 3), whole([1])),
    case("bool_gather", normal(2, 3), whole([1, 0, 1])),
    case("bool_scatter", normal(3), whole([[1, 0, 1], [0, 0, 1]])),
    case("bool_scatter", normal(1, 3), whole([0, 1])),
    case("bool_scatter", normal(3, 4), whole([[1, 0, 1], [0, 0, 1]])),
    case("bool_scatter", normal(3), whole([[1, 0, 1], [0, 0, 1]]), normal(2, 3)),
    case("bool_scatter", normal(1, 3), whole([0, 1]), normal(2, 3)),
    case("bool_scatter", normal(3), whole([[1, 0, 1], [0, 0, 1]]), normal(2, 2)),
    case("bool_fill", normal(2, 3), bits(2, 3)),
    case("bool_fill", normal(2, 3), bits(2, 3), args={"value": -1.5}),
    case("bool_fill", normal(2, 3), whole([[1, 0, 2]]), args={"value": 3}),
    case("bool_fill", normal(2, 3), whole([[1], [0]]), args={"value": 1e6}),
    case("bool_fill", normal(2, 3), whole([0, 1, 0])),
    case("bool_fill", normal(2, 3), whole([0, 1])),
    case("nonzero", whole([[0, 1, 2], [3, 0, 0]])),
    case("nonzero", whole([0, -1, 0.5])),
    case("nonzero", whole([0, 0])),
    case("nonzero", whole([[[1, 0]], [[0, 1]]])),
    case("nonzero", whole(3)),
]

ORDER = [
    # The gradient of the original is that of the inverse permutation: see test_beyond_arrays.py.
    *[
        case("sort", distinct(2, 5), args=args, grad=())
        for args in (
            {},
            {"reverse": True},
            {"axis": 0},
            {"axis": -2, "reverse": True},
            {"with_index": True},
            {"only_index": True},
            {"axis": 0, "reverse": True, "with_index": True, "only_index": True},
        )
    ],
    case("sort", whole([[1, 5, 1], [2, 2, 2]]), args={"with_index": True}),
    case("sort", whole([[1, 5, 1], [2, 2, 2]]), args={"with_index": True, "reverse": True}),
    case("sort", explicit([3.0, float("nan"), 1.0]), grad=()),
    case("sort", normal(2, 3), args={"axis": 2}, grad=()),
    *[
        # No two values have the same size.
        case("top_k_data", distinct(2, 3, 2, low=-1.3), args={"k": 2, **args})
        for args in (
            {},
            {"abs": True},
            {"largest": False},
            {"base_axis": 0},
            {"base_axis": 2},
            {"base_axis": -1},
            {"with_index": True},
            {"with_index": True, "largest": False, "abs": True},
        )
    ],
    case("top_k_data", distinct(2, 4), args={"k": 2, "reduce": False}, derivative="surrogate"),
    case("top_k_data", distinct(2, 4, low=-1.0), args={"k": 3, "reduce": False, "abs": True}, derivative="surrogate"),
    case("top_k_data", distinct(2, 4), args={"k": 1, "reduce": False, "largest": False}, derivative="surrogate"),
    case("top_k_data", explicit([[4.0, 4.0, -4.0, 0.0]]), args={"k": 2, "abs": True}, derivative="undefined"),
    case("top_k_data", distinct(2, 4), args={"k": 0}),
    case("top_k_data", distinct(2, 4), args={"k": 5}),
    case("top_k_data", distinct(2, 4), args={"k": 2, "base_axis": 2}),
    case("top_k_data", distinct(2, 4), args={"k": 2, "reduce": False, "with_index": True}),
    case("top_k_grad", normal(2, 4), args={"k": 2}, derivative="surrogate"),
    case("top_k_grad", normal(2, 4), args={"k": 2, "abs": True}, derivative="surrogate"),
    case("top_k_grad", normal(2, 4), args={"k": 3, "base_axis": 0}, derivative="surrogate"),
    case("top_k_grad", normal(2, 2, 3), args={"k": 1, "base_axis": 2}, derivative="surrogate"),
    case("top_k_grad", normal(2, 2, 3), args={"k": 5, "abs": True, "base_axis": -2}, derivative="surrogate"),
    case("top_k_grad", normal(2, 4), args={"k": 5}),
]

SEQUENCES = [
    case("pack_padded_sequence", normal(4, 3, 2), whole([4, 2, 1])),
    case("pack_padded_sequence", normal(3, 4, 2), whole([4, 2, 1]), args={"batch_first": True}),
    case("pack_padded_sequence", normal(4, 3), whole([4, 4, 3])),
    case("pack_padded_sequence", normal(4, 3, 2), whole([3, 2, 2])),
    case("pack_padded_sequence", normal(4, 2, 3, 2), whole([4, 1])),
    case("pad_packed_sequence", normal(7, 2), whole([3, 2, 1, 1])),
    case("pad_packed_sequence", normal(7, 2), whole([3, 2, 1, 1]), args={"batch_first": True}),
    case("pad_packed_sequence", normal(7), whole([3, 2, 1, 1])),
    case("pad_packed_sequence", normal(7, 2), whole([3, 2, 1, 1]), args={"total_length": 6}),
    case("pad_packed_sequence", normal(7, 2), whole([3, 2, 1, 1]), args={"total_length": 3}),
    case("pad_packed_sequence", normal(4, 2, 3), whole([2, 2])),
]

CONTRACTIONS = [
    case("einsum", normal(2, 3), args={"equation": "ij->ji"}),
    case("einsum", normal(2, 3), normal(3, 4), args={"equation": "ij,jk->ik"}),
    case("einsum", normal(2, 3), normal(3, 4), args={"equation": "ij,jk"}),
    case("einsum", normal(2, 3), normal(2, 3), args={"equation": "ij,ij->"}),
    case("einsum", normal(3, 3), args={"equation": "ii->i"}),
    case("einsum", normal(3, 3), args={"equation": "ii"}),
    case("einsum", normal(2, 2, 3), normal(3), args={"equation": "...i,i->..."}),
    case("einsum", normal(2, 3, 4), normal(2, 4, 5), args={"equation": "bij,bjk->bik"}),
    case("einsum", normal(3), normal(2), args={"equation": "i,j->ij"}),
    case("einsum", normal(2, 3), args={"equation": " i j -> j i "}),
    case("einsum", normal(2, 3), normal(3, 4), normal(4, 2), args={"equation": "ij,jk,kl->il"}),
    case("einsum", normal(2, 3), normal(2, 3), args={"equation": "ij,kl->"}),
    case("einsum", normal(2, 3), normal(2, 3), args={"equation": "ij,jk->ik"}),
    case("einsum", normal(2, 3), args={"equation": "i1->i"}),
    case("einsum", normal(2, 3), args={"equation": "ijk->i"}),
    case("einsum", normal(2, 3), args={"equation": "ij,jk->ik"}),
]

ASSIGN = [
    case("assign", normal(2, 3), normal(2, 3), grad=(), updates=(0,)),
    case("assign", normal(), normal(), grad=(), updates=(0,)),
    case("assign", normal(2, 1, 3), normal(2, 1, 3), grad=(), updates=(0,)),
    case("assign", normal(4), bits(4), grad=(), updates=(0,)),
    case("assign", normal(2, 3), normal(3), grad=(), updates=(0,)),
]

CASES = MOVED + GRIDS + BY_INDEX + BY_MASK + ORDER + SEQUENCES + CONTRACTIONS + ASSIGN
