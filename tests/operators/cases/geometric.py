"""Sampling of images and volumes: grids under affine maps, warping by a grid or a flow field."""

from ..arrays import normal, uniform
from ..case import Case, Tolerance, case

SAMPLING = Tolerance(
    relative=1e-5, floor=5e-6, reason="a coordinate's rounding error is multiplied with differences of pixels"
)


def grid(*shape: int) -> object:
    """Coordinates in the image and around it."""
    return uniform(*shape, low=-1.4, high=1.4)


def warp(mode: str, padding_mode: str, align_corners: bool) -> Case:
    """A case of `warp_by_grid`; the original has no gradient for mode nearest."""
    args = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    wanted = (0, 1) if mode == "linear" else ()
    return case("warp_by_grid", normal(2, 3, 5, 4), grid(2, 4, 3, 2), args=args, grad=wanted, tolerance=SAMPLING)


GRIDS = [
    case("affine_grid", normal(2, 2, 3), args={"size": (2, 3)}),
    case("affine_grid", normal(2, 2, 3), args={"size": (4, 3), "align_corners": True}),
    case("affine_grid", normal(1, 3, 4), args={"size": (2, 2, 3)}),
    case("affine_grid", normal(2, 3, 4), args={"size": (3, 2, 4), "align_corners": True}),
    case("affine_grid", normal(1, 2, 3), args={"size": (3, 2)}, grad=()),
    case("affine_grid", normal(1, 2, 3), args={"size": (2, 2, 3)}),
]

WARPS = [
    *[
        warp(mode, padding_mode, align_corners)
        for mode in ("linear", "nearest")
        for padding_mode in ("zero", "repeat", "reflect")
        for align_corners in (False, True)
    ],
    *[
        case(
            "warp_by_grid",
            normal(1, 2, 3, 4, 5),
            grid(1, 2, 3, 2, 3),
            args={"padding_mode": padding_mode},
            tolerance=SAMPLING,
        )
        for padding_mode in ("zero", "repeat", "reflect")
    ],
    case("warp_by_grid", normal(1, 2, 5, 4), grid(1, 4, 3, 2), grad=(0,), tolerance=SAMPLING),
    case("warp_by_grid", normal(1, 2, 5, 4), grid(1, 4, 3, 2), grad=(1,), tolerance=SAMPLING),
    case("warp_by_grid", normal(2, 2, 5, 4), grid(1, 4, 3, 2)),
    case("warp_by_flow", normal(2, 3, 5, 4), normal(2, 2, 5, 4), tolerance=SAMPLING),
    case("warp_by_flow", normal(1, 1, 3, 3), normal(1, 2, 3, 3, scale=3.0), tolerance=SAMPLING),
    case("warp_by_flow", normal(1, 2, 4, 4), normal(1, 2, 4, 4, scale=0.3), grad=(0,), tolerance=SAMPLING),
    case("warp_by_flow", normal(1, 2, 4, 4), normal(1, 2, 4, 4, scale=0.3), grad=(1,), tolerance=SAMPLING),
    case("warp_by_flow", normal(1, 2, 1, 4), normal(1, 2, 1, 4), tolerance=SAMPLING),
    case("warp_by_flow", normal(1, 2, 4, 4), normal(1, 2, 4, 3)),
    case("warp_by_flow", normal(1, 2, 4, 4), normal(1, 3, 4, 4)),
]

CASES = GRIDS + WARPS
