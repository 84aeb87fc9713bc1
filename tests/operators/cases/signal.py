"""Short-time Fourier transforms, and arrays at another resolution."""

from ..arrays import normal
from ..case import Case, Tolerance, case

FOURIER = Tolerance(relative=1e-5, floor=2e-6, reason="sums of terms of either sign, of the size of the largest")


def stft(shape: tuple[int, ...], *sizes: int, tolerance: Tolerance = FOURIER, **args: object) -> Case:
    """A case of the transform, with window size, stride and FFT size."""
    names = ("window_size", "stride", "fft_size")
    return case("stft", normal(*shape), args=dict(zip(names, sizes, strict=True), **args), tolerance=tolerance)


def istft(shape: tuple[int, ...], *sizes: int, **args: object) -> Case:
    """A case of the inverse, with window size, stride and FFT size."""
    names = ("window_size", "stride", "fft_size")
    args = {"pad_mode": "constant", **args}
    return case(
        "istft", normal(*shape), normal(*shape), args=dict(zip(names, sizes, strict=True), **args), tolerance=FOURIER
    )


STFT = [
    stft((2, 12), 8, 2, 8),
    stft((2, 12), 8, 2, 8, window_type="hamming"),
    stft((2, 12), 8, 3, 8, window_type="rectangular"),
    stft((2, 12), 8, 2, 8, window_type=None),
    stft((2, 12), 8, 2, 8, center=False),
    stft((2, 12), 8, 2, 8, pad_mode="constant"),
    stft((2, 12), 6, 2, 8),
    stft((2, 12), 5, 2, 8),
    stft((1, 12), 7, 3, 7),
    # The imaginary part of the spectrum of a signal that repeats with period four is zero, but for rounding.
    stft((2, 3), 8, 2, 8, tolerance=Tolerance(absolute=1e-6, reason="some outputs are zero")),
    stft((2, 12), 8, 2, 8, pad_mode="constant", as_istft_backward=True),
    stft((2, 12), 8, 4, 8, pad_mode="constant", as_istft_backward=True, window_type="rectangular", center=False),
    stft((2, 12), 10, 2, 8),
    stft((2, 3), 8, 2, 8, center=False),
]

ISTFT = [
    istft((2, 5, 7), 8, 2, 8),
    istft((2, 5, 7), 8, 2, 8, window_type="hamming"),
    istft((2, 5, 7), 8, 2, 8, window_type="rectangular", center=False),
    istft((2, 5, 7), 6, 2, 8),
    istft((1, 5, 4), 8, 4, 8),
    istft((2, 5, 7), 8, 2, 8, as_stft_backward=True, pad_mode="reflect"),
    istft((2, 5, 7), 8, 4, 8, as_stft_backward=True),
    istft((2, 5, 7), 8, 2, 8, as_stft_backward=True, center=False),
    istft((2, 5, 7), 8, 2, 8, center=False),
    istft((2, 5, 7), 8, 8, 8),
    istft((2, 5, 7), 8, 3, 8),
]


def interpolate(shape: tuple[int, ...], **args: object) -> Case:
    """A case of resizing."""
    return case("interpolate", normal(*shape), args=args)


LINEAR = [
    interpolate((2, 3, 4), scale=(2, 2)),
    interpolate((1, 2, 3, 4), scale=(2, 2), align_corners=True),
    interpolate((1, 2, 3, 4), scale=(2, 2), half_pixel=True),
    interpolate((1, 2, 3, 4), output_size=(2, 7)),
    interpolate((1, 2, 3, 4), output_size=(2, 7), align_corners=True),
    interpolate((1, 2, 3, 4), output_size=(2, 7), half_pixel=True),
    interpolate((2, 5), scale=(1.5,), half_pixel=True),
    interpolate((5,), output_size=(8,), align_corners=True),
    interpolate((2, 2, 3, 4), output_size=(3, 2, 5)),
    interpolate((2, 2, 3, 4), output_size=(3, 2, 5), half_pixel=True),
    interpolate((2, 2, 3, 4), output_size=(3, 2, 5), align_corners=True),
    interpolate((2, 3, 4), output_size=(1, 1), align_corners=True),
    interpolate((2, 3, 4), output_size=(3, 4)),
    interpolate((2, 3, 4), scale=(1.5, 0.7)),
    interpolate((2, 3, 4)),
    interpolate((2, 3, 4), scale=(2, 2), align_corners=True, half_pixel=True),
    interpolate((2, 3, 4), scale=(2, 2), mode="cubic"),
]

NEAREST = [
    interpolate((2, 3, 4), output_size=size, mode="nearest", **args)
    for size in ((6, 8), (2, 7))
    for args in (
        {},
        {"align_corners": True},
        {"half_pixel": True},
        {"half_pixel_for_nn": True},
        {"half_pixel": True, "half_pixel_for_nn": True},
    )
]


def onnx_resize(shape: tuple[int, ...], **args: object) -> Case:
    """A case of ONNX's resizing, for which the original has no gradient."""
    return case("onnx_resize", normal(*shape), args=args, grad=())


MODES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")

RESIZE = [
    *[
        onnx_resize((1, 2, 3, 4), scales=(1, 1, 2, 1.75), mode=mode, coordinate_transformation_mode=transformation)
        for mode in ("nearest", "linear", "cubic")
        for transformation in MODES
    ],
    *[
        onnx_resize((2, 3, 10), scales=(1, 1, 0.65), nearest_mode=mode, coordinate_transformation_mode=transformation)
        for mode in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
        for transformation in ("half_pixel", "asymmetric")
    ],
    onnx_resize((1, 2, 3, 4), sizes=(1, 2, 5, 7), mode="linear"),
    onnx_resize((1, 2, 3, 4), sizes=(1, 2, 2, 3), mode="cubic"),
    onnx_resize((3, 4), scales=(1.5, 1.5), mode="linear"),
    onnx_resize((1, 1, 4, 4), scales=(1, 1, 2, 2), mode="cubic", cubic_coeff_a=-0.5),
    onnx_resize((1, 1, 4, 4), scales=(1, 1, 2, 2), mode="cubic", exclude_outside=1),
    onnx_resize((1, 1, 1, 4), sizes=(1, 1, 1, 1), mode="linear", coordinate_transformation_mode="align_corners"),
    onnx_resize(
        (1, 1, 4, 4),
        scales=(1, 1, 2, 2),
        roi=(0, 0, -0.4, 0.1, 1, 1, 1.2, 0.8),
        mode="linear",
        coordinate_transformation_mode="tf_crop_and_resize",
        extrapolation_value=9.0,
    ),
    onnx_resize((1, 2, 3, 4)),
    onnx_resize((1, 2, 3, 4), scales=(1, 1, 2, 2), sizes=(1, 2, 6, 8)),
    onnx_resize((1, 2, 3, 4), scales=(2, 2)),
    onnx_resize((1, 2, 3, 4), scales=(1, 1, 2, 2), mode="area"),
]

CASES = STFT + ISTFT + LINEAR + NEAREST + RESIZE
