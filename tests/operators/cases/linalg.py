"""Batches of square matrices: inverse, determinant, Cholesky factor."""

from ..arrays import explicit, normal
from ..case import Case, case

REGULAR = [
    explicit([[[2.0, 1.0], [1.0, 3.0]], [[1.0, 0.5], [0.25, 1.0]]]),
    explicit([[[1.0, 2.0], [2.0, 1.0]]]),
    explicit([[[0.0, 2.0, 1.0], [-1.0, 0.5, 0.0], [3.0, 0.0, 1.0]]]),
    explicit([[[4.0]], [[-2.0]], [[0.5]]]),
    explicit([[[2.0, 1.0, 0.0, 0.0], [1.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 1.0], [0.0, 0.0, 1.0, 2.0]]]),
]

POSITIVE_DEFINITE = [
    explicit([[[2.0, 1.0], [1.0, 3.0]], [[1.0, 0.5], [0.5, 1.0]]]),
    explicit([[[4.0]], [[0.25]]]),
    explicit([[[4.0, 2.0, 1.0], [2.0, 5.0, 3.0], [1.0, 3.0, 6.0]]]),
    explicit([[[2.0, 1.0, 0.0, 0.0], [1.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 1.0], [0.0, 0.0, 1.0, 2.0]]]),
    # Only the lower triangle counts.
    explicit([[[1.0, 0.5], [0.25, 1.0]]]),
]


def of_matrices(function: str) -> list[Case]:
    """A case of `function` for each batch of matrices, and for shapes that it refuses."""
    return [
        *[case(function, array) for array in REGULAR],
        case(function, normal(3, 3)),
        case(function, normal(2, 2, 3)),
        case(function, normal(1, 2, 3, 3)),
    ]


CASES = [
    *of_matrices("batch_inv"),
    *of_matrices("batch_det"),
    *of_matrices("batch_logdet"),
    # The gradient is that of a symmetric change.
    *[
        case("batch_cholesky", array, args={"upper": upper}, derivative="undefined")
        for array in POSITIVE_DEFINITE
        for upper in (False, True)
    ],
    case("batch_cholesky", normal(3, 3)),
    case("batch_cholesky", normal(2, 2, 3)),
]
