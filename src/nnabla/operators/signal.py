"""Fourier transforms: fft, ifft, stft, istft.

A complex array is a real one with an axis of length 2 at its end, or two arrays, for real and imaginary part.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Int, Str, positive
from ..graph.call import invoke, public
from ..graph.operator import Operator, Shape, operator
from .constants import Array
from .kernels import aten
from .shapes import refuse_empty

# Frames of more samples are a slip of the pen; a window of that length is made with the graph.
_FRAME = (lambda n: 0 < n <= 1 << 28, "in [1, 2**28]")
_DIMENSIONS = (lambda n: n in (1, 2, 3), "1, 2 or 3")


class Fourier(Operator):
    """What `fft` and `ifft` have in common."""

    full_precision = True
    signal_ndim: Any
    normalized: Any

    def output_shape(self, x: Shape) -> Shape:
        name = self.declaration.name
        if len(x) < self.signal_ndim + 1 or x[-1] != 2:
            axes = self.signal_ndim + 1
            raise ShapeError(f"{name}: x must have at least {axes} axes, the last of length 2, not shape {x}")
        refuse_empty(x, name)
        self._axes = tuple(range(len(x) - 1 - self.signal_ndim, len(x) - 1))
        return x


@operator("FFT", "fft", 1169)
class FFT(Fourier):
    r"""Discrete Fourier transform of complex numbers over the last axes,
    :math:`y_k = \sum_n x_n \exp(-2 \pi i \sum_d k_d n_d / N_d)`.

    Inputs:
        x: shape ``(..., N_1, ..., N_D, 2)``: real and imaginary parts.
    Args:
        signal_ndim: number of axes to transform, ``D``: 1, 2 or 3.
        normalized: divide by the square root of the number of elements transformed.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: `x` has too few axes, or the last one is not of length 2.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.fft(nn.NdArray.from_numpy_array([[1.0, 0.0], [2.0, 0.0]]), 1).data
        array([[ 3.,  0.],
               [-1.,  0.]], dtype=float32)

    Source: NNabla function reference, ``FFT``.
    """

    signal_ndim = Int(doc="Number of axes to transform.", check=_DIMENSIONS)
    normalized = Bool(False, "Divide by the square root of the number of elements.")

    def forward(self, x: Tensor) -> Tensor:
        scale = "ortho" if self.normalized else "backward"
        complex_x = torch.view_as_complex(x.contiguous())
        return torch.view_as_real(torch.fft.fftn(complex_x, dim=self._axes, norm=scale))

    def grad(self, dy: Tensor) -> Tensor:
        # The adjoint of the transform is the inverse one without its factor.
        scale = "ortho" if self.normalized else "forward"
        complex_dy = torch.view_as_complex(dy.contiguous())
        return torch.view_as_real(torch.fft.ifftn(complex_dy, dim=self._axes, norm=scale))


@operator("IFFT", "ifft", 1170)
class IFFT(Fourier):
    r"""Inverse of `fft`: :math:`y_n = \frac{1}{N} \sum_k x_k \exp(2 \pi i \sum_d k_d n_d / N_d)` with the
    number of elements :math:`N`.

    Inputs:
        x: shape ``(..., N_1, ..., N_D, 2)``: real and imaginary parts.
    Args:
        signal_ndim: number of axes to transform, ``D``: 1, 2 or 3.
        normalized: divide by the square root of the number of elements instead.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: `x` has too few axes, or the last one is not of length 2.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.ifft(nn.NdArray.from_numpy_array([[3.0, 0.0], [-1.0, 0.0]]), 1).data
        array([[1., 0.],
               [2., 0.]], dtype=float32)

    Source: NNabla function reference, ``IFFT``.
    """

    signal_ndim = Int(doc="Number of axes to transform.", check=_DIMENSIONS)
    normalized = Bool(False, "Divide by the square root of the number of elements instead.")

    def forward(self, x: Tensor) -> Tensor:
        scale = "ortho" if self.normalized else "backward"
        complex_x = torch.view_as_complex(x.contiguous())
        return torch.view_as_real(torch.fft.ifftn(complex_x, dim=self._axes, norm=scale))

    def grad(self, dy: Tensor) -> Tensor:
        scale = "ortho" if self.normalized else "forward"
        complex_dy = torch.view_as_complex(dy.contiguous())
        return torch.view_as_real(torch.fft.fftn(complex_dy, dim=self._axes, norm=scale))


WINDOWS = ("hanning", "hamming", "rectangular")
PADS = ("constant", "reflect")


class Frames:
    """The short-time Fourier transform of signals of one length, its inverse, and the adjoints of both.

    Signals have shape ``(B, length)``, spectra ``(B, F // 2 + 1, frames)`` with FFT size ``F``.

    Args:
        length: of the signals; with `frames` instead, it follows from the number of frames.
        frames: number of frames, where `length` is not given.
        others: as in `STFT`.
    """

    def __init__(
        self,
        name: str,
        length: int | None,
        frames: int | None,
        window_size: int,
        stride: int,
        fft_size: int,
        window_type: str,
        center: bool,
        pad_mode: str,
    ) -> None:
        if fft_size < window_size:
            raise ArgumentError(f"{name}: fft_size must be at least window_size, {window_size}, not {fft_size}")
        self.size, self.stride = fft_size, stride
        self.pad = fft_size // 2 if center else 0
        self.reflects = center and pad_mode == "reflect"
        if length is None:
            assert frames is not None
            length = (frames - 1) * stride + fft_size - 2 * self.pad
        self.length = length
        self.padded = length + 2 * self.pad
        if self.padded < fft_size or length < 1:
            raise ShapeError(f"{name}: the signal must have at least {max(fft_size - 2 * self.pad, 1)} samples")
        self.frames = (self.padded - fft_size) // stride + 1
        self.bins = fft_size // 2 + 1
        self._window = _window(window_type, window_size, fft_size)
        self._name = name

    def window(self, like: Tensor) -> Tensor:
        """The window, of the length of the FFT."""
        return self._window.to(device=like.device, dtype=like.dtype)

    def require_inverse(self) -> None:
        """Prepare `inverse` and `inverse_adjoint`.

        Raises:
            ArgumentError: `stride` does not divide the FFT size, or some samples are in no frame.
        """
        name, size, stride = self._name, self.size, self.stride
        if size % stride:
            raise ArgumentError(f"{name}: fft_size must be a multiple of stride, {stride}, not {size}")
        squares = self._window.square().expand(1, self.frames, size)
        self._weight = self._crop(self._overlap(squares))
        least = int(self._weight.argmin())
        if self._weight.flatten()[least] < 1e-11:
            raise ArgumentError(
                f"{name}: the NOLA (nonzero overlap-add) condition is not met: sample {least} cannot be restored, as "
                "all windows over it are 0; window_size must exceed stride, and center be True where one begins with 0"
            )

    def _padding(self, x: Tensor) -> Tensor:
        if self.reflects:
            return x[:, self._reflected(x.device)]
        return torch.constant_pad_nd(x, (self.pad, self.pad)) if self.pad else x

    def _unpadding(self, x: Tensor) -> Tensor:
        """The adjoint of `_padding`."""
        if self.reflects:
            return x.new_zeros(x.shape[0], self.length).index_add(1, self._reflected(x.device), x)
        return x[:, self.pad : self.pad + self.length]

    def _reflected(self, device: torch.device) -> Tensor:
        period = max(2 * (self.length - 1), 1)
        position = (torch.arange(self.padded, device=device) - self.pad).remainder(period)
        return torch.minimum(position, period - position).clamp_(max=self.length - 1)

    def _cut(self, x: Tensor) -> Tensor:
        """Overlapping frames of a padded signal, ``(B, frames, F)``."""
        return x.unfold(1, self.size, self.stride)

    def _overlap(self, frames: Tensor) -> Tensor:
        """The adjoint of `_cut`: frames added up where they overlap."""
        shape = (frames.shape[0], self.padded)
        return aten.unfold_backward(frames, shape, 1, self.size, self.stride)

    def _bin_weights(self, like: Tensor) -> Tensor:
        """How often each frequency occurs in the full spectrum: 2, but 1 for the first and the middle one."""
        weights = like.new_full((self.bins,), 2.0)
        weights[0] = 1.0
        if self.size % 2 == 0:
            weights[-1] = 1.0
        return weights

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Real and imaginary part of the transform of signals."""
        return _parts(_spectra(self._cut(self._padding(x)) * self.window(x)))

    def forward_adjoint(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """The gradient of signals from those of real and imaginary part."""
        spectrum = _complex(real, imaginary) / self._bin_weights(real)
        frames = _frames(spectrum, self.size, "forward")
        return self._unpadding(self._overlap(frames * self.window(real)))

    def inverse(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """Signals from real and imaginary part of their transform."""
        frames = _frames(_complex(real, imaginary), self.size)
        return self._crop(self._overlap(frames * self.window(real))) / self._weight.to(real)

    def inverse_adjoint(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of real and imaginary part from that of signals."""
        padded = torch.constant_pad_nd(x / self._weight.to(x), (self.pad, self.padded - self.pad - self.length))
        spectrum = _spectra(self._cut(padded) * self.window(x))
        return _parts(spectrum * (self._bin_weights(x) / self.size))

    def _crop(self, x: Tensor) -> Tensor:
        return x[:, self.pad : self.pad + self.length]


def _window(window_type: str, size: int, fft_size: int) -> Tensor:
    """The window in the middle of zeros, in double precision; periodic, as spectral analysis wants it."""
    if window_type == "hanning":
        window = torch.hann_window(size, dtype=torch.float64)
    elif window_type == "hamming":
        window = torch.hamming_window(size, dtype=torch.float64)
    else:
        window = torch.ones(size, dtype=torch.float64)
    before = (fft_size - size) // 2
    return torch.constant_pad_nd(window, (before, fft_size - size - before))


# Kernels have no transform of no frames at all.


def _spectra(frames: Tensor) -> Tensor:
    if not frames.numel():
        return frames.new_empty(*frames.shape[:-1], frames.shape[-1] // 2 + 1, dtype=frames.dtype.to_complex())
    return torch.fft.rfft(frames)


def _frames(spectra: Tensor, size: int, norm: str = "backward") -> Tensor:
    if not spectra.numel():
        return spectra.new_empty(*spectra.shape[:-1], size, dtype=spectra.dtype.to_real())
    return torch.fft.irfft(spectra, size, norm=norm)


def _complex(real: Tensor, imaginary: Tensor) -> Tensor:
    """``(B, bins, frames)`` twice as a complex ``(B, frames, bins)``."""
    return torch.complex(real, imaginary).transpose(1, 2)


def _parts(spectrum: Tensor) -> tuple[Tensor, Tensor]:
    """The inverse of `_complex`."""
    spectrum = spectrum.transpose(1, 2)
    return spectrum.real.contiguous(), spectrum.imag.contiguous()


@operator("STFT", "stft", 1171)
class STFT(Operator):
    r"""Short-time Fourier transform: spectra of overlapping frames of a signal.

    .. math:: y_{kt} = \sum_n w_n x_{st + n} \exp(-2 \pi i k n / F)

    Inputs:
        x: signals, shape ``(B, N)``.
    Args:
        window_size: length of the window in samples; it stands in the middle of the frame.
        stride: from one frame to the next, in samples.
        fft_size: length of a frame in samples, at least `window_size`.
        window_type: ``"hanning"``, ``"hamming"`` or ``"rectangular"``; ``None`` means the last one.
        center: pad the signal with half a frame on both sides, so that frame ``t`` is centered at sample
            ``t * stride``.
        pad_mode: with ``"reflect"`` or ``"constant"`` (zeros).
        as_istft_backward: compute the gradient of `istft` instead, from one with respect to its result.
    Returns:
        A tuple of real and imaginary part, each of shape ``(B, fft_size // 2 + 1, number of frames)``.
    Raises:
        ShapeError: `x` has another number of axes, or is shorter than a frame.
        ArgumentError: `fft_size` is less than `window_size`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> [y.shape for y in F.stft(nn.Variable((2, 100)), window_size=16, stride=4, fft_size=16)]
        [(2, 9, 26), (2, 9, 26)]

    Source: NNabla function reference, ``STFT``.
    """

    window_size = Int(doc="Length of the window in samples.", check=positive)
    stride = Int(doc="From one frame to the next, in samples.", check=positive)
    fft_size = Int(doc="Length of a frame in samples.", check=_FRAME)
    window_type = Str("hanning", "The window.", choices=WINDOWS)
    center = Bool(True, "Pad the signal with half a frame on both sides.")
    pad_mode = Str("reflect", "What to pad with.", choices=PADS)
    as_istft_backward = Bool(False, "Compute the gradient of istft instead.")
    outputs = ("y_r", "y_i")
    full_precision = True

    def output_shape(self, x: Shape) -> list[Shape]:
        refuse_empty(x, "stft", first=1)
        if len(x) != 2:
            raise ShapeError(f"stft: x must have shape (batch, samples), not {x}")
        pad_mode = "constant" if self.as_istft_backward else self.pad_mode
        settings = (self.window_size, self.stride, self.fft_size, self.window_type, self.center, pad_mode)
        self._transform = Frames("stft", x[1], None, *settings)
        if self.as_istft_backward:
            self._transform.require_inverse()
        return [(x[0], self._transform.bins, self._transform.frames)] * 2

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._transform.inverse_adjoint(x) if self.as_istft_backward else self._transform.forward(x)

    def grad(self, dy_r: Tensor, dy_i: Tensor) -> Tensor:
        if self.as_istft_backward:
            return self._transform.inverse(dy_r, dy_i)
        return self._transform.forward_adjoint(dy_r, dy_i)


@public
def stft(
    x: Array,
    window_size: int,
    stride: int,
    fft_size: int,
    window_type: str | None = "hanning",
    center: bool = True,
    pad_mode: str = "reflect",
    as_istft_backward: bool = False,
) -> Any:
    window = "rectangular" if window_type is None else window_type
    return invoke(STFT, (window_size, stride, fft_size, window, center, pad_mode, as_istft_backward), (x,))


stft.__doc__ = STFT.__doc__


@operator("ISTFT", "istft", 1172)
class ISTFT(Operator):
    r"""Inverse short-time Fourier transform: a signal from the spectra of its overlapping frames.

    .. math:: x_n = \sum_t w_{n - st} f_{t, n - st} \Big/ \sum_t w_{n - st}^2

    The frames :math:`f_t`, which begin :math:`s` samples after each other, are the inverse Fourier
    transforms of the spectra. They are weighted with the window :math:`w`, added up where they overlap, and
    divided by the sum of the squares of the windows there. So ``istft(stft(x))`` restores ``x``, but for
    samples at the end that are in no frame.

    Inputs:
        y_r: real part, shape ``(B, fft_size // 2 + 1, T)``.
        y_i: imaginary part, of the same shape.
    Args:
        window_size: length of the window in samples.
        stride: from one frame to the next, in samples; a divisor of `fft_size`.
        fft_size: length of a frame in samples, at least `window_size`.
        window_type: ``"hanning"``, ``"hamming"`` or ``"rectangular"``; ``None`` means the last one.
        center: the signal was padded with half a frame on both sides, which is cut off.
        pad_mode: how the signal was padded; this matters for the gradient of `stft` only.
        as_stft_backward: compute the gradient of `stft` instead, from those with respect to its results.
    Returns:
        Shape ``(B, (T - 1) * stride + fft_size)``, or ``fft_size // 2`` less at both ends with `center`.
    Raises:
        ShapeError: shapes differ, or do not fit `fft_size`.
        ArgumentError: `fft_size` is less than `window_size` or not a multiple of `stride`, or a sample is
            under no window.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> spectrum = [nn.Variable((2, 9, 26)), nn.Variable((2, 9, 26))]
        >>> F.istft(*spectrum, window_size=16, stride=4, fft_size=16).shape
        (2, 100)

    Source: NNabla function reference, ``ISTFT``. NNabla 1.39 insists on ``pad_mode="constant"`` where it does
    not matter.
    """

    window_size = Int(doc="Length of the window in samples.", check=positive)
    stride = Int(doc="From one frame to the next, in samples.", check=positive)
    fft_size = Int(doc="Length of a frame in samples.", check=_FRAME)
    window_type = Str("hanning", "The window.", choices=WINDOWS)
    center = Bool(True, "Cut off half a frame on both sides.")
    pad_mode = Str("reflect", "How the signal was padded.", choices=PADS)
    as_stft_backward = Bool(False, "Compute the gradient of stft instead.")
    outputs = ("x",)
    full_precision = True

    def output_shape(self, y_r: Shape, y_i: Shape) -> Shape:
        refuse_empty(y_r, "istft", "y_r")
        bins = self.fft_size // 2 + 1
        if len(y_r) != 3 or y_r != y_i or y_r[1] != bins or not y_r[2]:
            raise ShapeError(f"istft: y_r and y_i must both have shape (batch, {bins}, frames)")
        if self.fft_size % self.stride:
            raise ArgumentError(f"istft: fft_size must be a multiple of stride, {self.stride}, not {self.fft_size}")
        settings = (
            self.window_size,
            self.stride,
            self.fft_size,
            self.window_type,
            self.center,
            self.pad_mode,
        )
        self._transform = Frames("istft", None, y_r[2], *settings)
        if not self.as_stft_backward:
            self._transform.require_inverse()
        return y_r[0], self._transform.length

    def forward(self, y_r: Tensor, y_i: Tensor) -> Tensor:
        adjoint = self.as_stft_backward
        return self._transform.forward_adjoint(y_r, y_i) if adjoint else self._transform.inverse(y_r, y_i)

    def grad(self, dx: Tensor) -> tuple[Tensor, Tensor]:
        return self._transform.forward(dx) if self.as_stft_backward else self._transform.inverse_adjoint(dx)


@public
def istft(
    y_r: Array,
    y_i: Array,
    window_size: int,
    stride: int,
    fft_size: int,
    window_type: str | None = "hanning",
    center: bool = True,
    pad_mode: str = "reflect",
    as_stft_backward: bool = False,
) -> Any:
    window = "rectangular" if window_type is None else window_type
    return invoke(ISTFT, (window_size, stride, fft_size, window, center, pad_mode, as_stft_backward), (y_r, y_i))


istft.__doc__ = ISTFT.__doc__
