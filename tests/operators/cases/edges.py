"""Edges: zeros of both signs, infinities, NaN, the smallest and largest numbers; ties; lengths of one."""

from __future__ import annotations

from math import inf, nan

from ..arrays import explicit, normal
from ..case import WIDE_RANGE, Case, Tolerance, case

NUMBERS = (-inf, -3e38, -2.0, -1.0, -1e-30, -1e-45, -0.0, 0.0, 1e-45, 1e-30, 1.0, 2.0, 3e38, inf, nan)

POWERS = Tolerance(relative=2e-6, absolute=1e-43, reason="logarithms of numbers near 1e38; denormals are coarse")


def at_edges(function: str, tolerance: Tolerance = WIDE_RANGE, **args: object) -> Case:
    """A function of one array at `NUMBERS`."""
    return case(function, explicit(NUMBERS), args=args, derivative="undefined", tolerance=tolerance)


POWER = [
    at_edges("pow_scalar", val=val, tolerance=POWERS)
    for val in (-3.0, -2.0, -1.5, -1.0, -0.5, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
]

# With half_pixel, a result of length 1 is the first element of the source and not its middle.
LENGTH_ONE = [
    *(
        case("interpolate", normal(*shape), args={"output_size": size, "mode": mode, flag: True})
        for shape, size in (((2, 5), (1,)), ((2, 3, 4), (1, 6)), ((2, 3, 4), (5, 1)), ((2, 2, 3, 4), (4, 1, 1)))
        for mode in ("linear", "nearest")
        for flag in ("half_pixel", "align_corners")
    ),
    case("interpolate", normal(2, 5), args={"output_size": (1,), "mode": "nearest", "half_pixel_for_nn": True}),
    *(
        case(
            "onnx_resize",
            normal(2, 4),
            args={"sizes": (2, 1), "mode": mode, "coordinate_transformation_mode": places, "roi": (0.0, 0.1, 1.0, 0.7)},
            grad=(),
        )
        for mode in ("linear", "nearest", "cubic")
        for places in ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners", "tf_crop_and_resize")
    ),
    case(
        "onnx_resize",
        normal(2, 4),
        args={"scales": (1.0, 0.2), "mode": "linear", "coordinate_transformation_mode": "align_corners"},
        grad=(),
    ),
    # In single precision, one of these places lies in the middle between two elements.
    *(
        case(
            "onnx_resize",
            normal(4),
            args={
                "sizes": (size,),
                "roi": (0.8, 0.2),
                "coordinate_transformation_mode": "tf_crop_and_resize",
                "nearest_mode": "round_prefer_floor",
            },
            grad=(),
        )
        for size in (3, 5, 7)
    ),
]


def ties(height: int, width: int, padding: str, align_corners: bool) -> Case:
    """`warp_by_grid` to the nearest pixel, at places on pixels and in the middle between two, inside and outside."""
    points = []
    for k in range(-2 * width, 4 * width + 1):
        x = k / max(width - 1, 1) - 1 if align_corners else k / width - 1
        points.append([[x, 0.25], [-0.25, x]])
    return case(
        "warp_by_grid",
        normal(1, 2, height, width),
        explicit([points]),
        args={"mode": "nearest", "padding_mode": padding, "align_corners": align_corners},
        grad=(),
    )


TIES = [
    ties(height, width, padding, align_corners)
    for height, width in ((4, 5), (2, 4), (3, 1))
    for padding in ("zero", "repeat", "reflect")
    for align_corners in (False, True)
]

CASES: list[Case] = [*POWER, *LENGTH_ONE, *TIES]
