"""Values, times and images of a training run, logged and written to files.

A `Monitor` is a directory; each series has a file in it, named after the series with blanks as dashes:

* ``NAME.series.txt``: a line ``INDEX VALUE`` each;
* ``NAME.timer.txt``: a line ``INDEX SECONDS ITERATIONS TOTAL`` each: the seconds and iterations since the
  line before, and the seconds since the start;
* ``NAME/INDEX-NUMBER.png`` or ``NAME/INDEX.png``: images, where INDEX has six digits and NUMBER three.

Every line is written when ``add`` returns; nothing is lost with a program that is stopped. With ``tensorboard=True``,
TensorBoard shows the same values and images.

Example:
    >>> import tempfile, pathlib
    >>> directory = tempfile.TemporaryDirectory()
    >>> series = MonitorSeries("training loss", Monitor(directory.name), interval=2, verbose=False)
    >>> for index, loss in enumerate([4.0, 3.0, 2.0, 1.0]):
    ...     series.add(index, loss)
    >>> print(pathlib.Path(directory.name, "training-loss.series.txt").read_text(), end="")
    1 3.5
    3 1.5
    >>> directory.cleanup()
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, Protocol

import numpy as np

from ..errors import ArgumentError
from ..logger import logger


class Observer(Protocol):
    """Is told of all that monitors write, while it is in `observers`."""

    def on_value(self, name: str, index: int, value: float) -> None:
        """A series has a line more: a mean, or seconds."""

    def on_image(self, name: str, path: str) -> None:
        """An image was written to a file."""


observers: list[Observer] = []

_SECONDS = {"s": 1, "m": 60, "h": 60 * 60, "d": 24 * 60 * 60}


class Monitor:
    """The directory that monitors write to. It is made if it is not there.

    Args:
        save_path: the directory.
        tensorboard: also write what its series, timers and images show to an event file in it, for
            ``tensorboard --logdir``.

    Raises:
        OSError: the directory cannot be made.
        ImportError: TensorBoard is asked for and not installed.
    """

    def __init__(self, save_path: str | os.PathLike[str], tensorboard: bool = False) -> None:
        os.makedirs(save_path, exist_ok=True)
        self._save_path = save_path
        self.board: Any = None
        """What writes the event file: a ``SummaryWriter``, or None."""
        if tensorboard:
            # Here, since loading it takes a second.
            from .tensorboard_files import SummaryWriter

            self.board = SummaryWriter(os.fspath(save_path))

    @property
    def save_path(self) -> str | os.PathLike[str]:
        """The directory."""
        return self._save_path


class MonitorSeries:
    """A value over time, as the mean of some iterations.

    Args:
        name: of the series and its file.
        monitor: the directory; None for no file. A file of that name is emptied.
        interval: iterations between two lines. The first line comes at index ``interval - 1``.
        verbose: also log each line.

    Raises:
        TypeError: `interval` is not a number, or `monitor` is not a Monitor.
    """

    def __init__(self, name: str, monitor: Monitor | None = None, interval: float = 1, verbose: bool = True) -> None:
        self.name = name
        self.interval = _interval(type(self).__name__, interval)
        self.verbose = verbose
        self.sp = _new_file(type(self).__name__, monitor, name, ".series.txt")
        self._board = getattr(monitor, "board", None)
        self.flush_at = -1
        self.buf: list[np.number] = []

    def add(self, index: int, value: Any) -> None:
        """Take a value; at the end of an interval write the mean of those since the last line.

        Args:
            index: number of the iteration, counted from 0.
            value: a number, or an array, NdArray or Variable of numbers, of which the mean is taken.

        Raises:
            TypeError: the value is not made of numbers. It is not taken.
        """
        array = _as_array(value)
        if array.dtype.kind not in "biuf" or array.size == 0:
            raise TypeError(f"MonitorSeries.add: {self.name!r} takes numbers, not {value!r}")
        self.buf.append(np.mean(array))
        if index - self.flush_at < self.interval:
            return
        mean = np.mean(self.buf)
        if self.verbose:
            logger.info("iter=%s {%s}=%s", index, self.name, mean)
        _append_line(self.sp, f"{index} {mean:g}")
        for observer in observers:
            observer.on_value(self.name, index, float(mean))
        if self._board is not None:
            self._board.add_scalar(self.name, float(mean), index)
            self._board.flush()
        self.flush_at = index
        self.buf = []


class MonitorTimeElapsed:
    """How long iterations take.

    Args:
        name: of the series and its file.
        monitor: the directory; None for no file. A file of that name is emptied.
        interval: iterations between two lines. The first line comes at index ``interval - 1``.
        verbose: also log each line.

    Raises:
        TypeError: `interval` is not a number, or `monitor` is not a Monitor.
    """

    def __init__(self, name: str, monitor: Monitor | None = None, interval: float = 100, verbose: bool = True) -> None:
        self.name = name
        self.interval = _interval(type(self).__name__, interval)
        self.verbose = verbose
        self.sp = _new_file(type(self).__name__, monitor, name, ".timer.txt")
        self._board = getattr(monitor, "board", None)
        self.flush_at = -1
        self.start = time.time()
        self.lap = self.start

    def add(self, index: int) -> None:
        """Note that an iteration is done; at the end of an interval write the seconds since the last line.

        Args:
            index: number of the iteration, counted from 0.
        """
        iterations = index - self.flush_at
        if iterations < self.interval:
            return
        now = time.time()
        seconds, total = now - self.lap, now - self.start
        if self.verbose:
            logger.info("iter=%s {%s}=%s[sec/%siter] %s[sec]", index, self.name, seconds, iterations, total)
        _append_line(self.sp, f"{index} {seconds} {iterations} {total}")
        for observer in observers:
            observer.on_value(self.name, index, seconds)
        if self._board is not None:
            self._board.add_scalar(self.name, seconds, index)
            self._board.flush()
        self.lap = now
        self.flush_at = index


class MonitorImage:
    """Images as PNG files, one for each sample of a batch.

    Args:
        name: of the directory within the monitor's.
        monitor: the directory that holds it.
        interval: iterations between two batches that are written. Written are index 0, ``interval - 1``,
            ``2 * interval - 1``, ...
        verbose: also log what is written.
        num_images: images of a batch that are written at most.
        normalize_method: called with the images to be written, shape ``(B, C, H, W)``; returns them with
            values in [0, 1], or as uint8. Default: the least value becomes 0, the greatest 1.

    Raises:
        TypeError: `interval` is not a number, or `monitor` is not a Monitor.
        ArgumentError: `num_images` is not positive.
    """

    def __init__(
        self,
        name: str,
        monitor: Monitor,
        interval: float = 1000,
        verbose: bool = True,
        num_images: int = 16,
        normalize_method: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.name = name
        self.interval = _interval(type(self).__name__, interval)
        self.verbose = verbose
        if num_images < 1:
            raise ArgumentError(f"{type(self).__name__}: num_images must be at least 1, not {num_images}")
        self.num_images = num_images
        self.normalize_method = normalize_method or self.default_normalize_method
        self.save_dir = os.path.join(_directory(type(self).__name__, monitor), _file_name(name))
        os.makedirs(self.save_dir, exist_ok=True)
        self._board = getattr(monitor, "board", None)

    def default_normalize_method(self, x: np.ndarray) -> np.ndarray:
        """`x` moved and scaled so that it covers [0, 1]. Where all values are alike, they become 0."""
        if x.dtype.kind != "f":
            x = x.astype(np.float64)
        low, high = x.min(), x.max()
        if low == high:
            return np.zeros_like(x)
        # Infinite values leave nothing to see, but are no reason to stop a training run.
        with np.errstate(invalid="ignore"):
            return (x - low) / (high - low)

    def add(self, index: int, var: Any) -> None:
        """Write images, if it is the turn of this iteration.

        Args:
            index: number of the iteration, counted from 0.
            var: Variable, NdArray or array of shape ``(..., C, H, W)``. One channel makes a grey image; of
                two, the third is full; of more than three, the first three are used.

        Raises:
            ArgumentError: the shape differs, or the normalized values are neither uint8 nor in [0, 1].
                Nothing is written.
        """
        if not self._is_turn_of(index):
            return
        images = self._pixels(var)
        for number, image in enumerate(images):
            self._write(f"{index:06d}-{number:03d}.png", image.transpose(1, 2, 0))
        self._show(images, index)
        if self.verbose:
            pattern = os.path.join(self.save_dir, f"{index:06d}-*.png")
            logger.info("iter=%s {%s} are written to %s.", index, self.name, pattern)

    def _is_turn_of(self, index: int) -> bool:
        # An interval below 1 means every iteration, as it does for series.
        return index == 0 or self.interval <= 0 or (index + 1) % self.interval == 0

    def _write(self, file_name: str, pixels: np.ndarray) -> str:
        """Write an image; returns the path."""
        path = os.path.join(self.save_dir, file_name)
        _write_png(path, pixels)
        for observer in observers:
            observer.on_image(self.name, path)
        return path

    def _show(self, images: np.ndarray, index: int) -> None:
        """Give TensorBoard the images, which it puts side by side."""
        if self._board is not None:
            self._board.add_images(self.name, images, index)
            self._board.flush()

    def _pixels(self, var: Any) -> np.ndarray:
        """The images to write: uint8, shape (B, C, H, W) where C is 1 or 3."""
        x = _as_array(var)
        if x.ndim < 3 or x.size == 0:
            raise ArgumentError(
                f"{type(self).__name__}.add: images need shape (..., channels, height, width) "
                f"and no axis may be empty; got {x.shape}"
            )
        images = x.reshape(-1, *x.shape[-3:])[: self.num_images]
        normalized = np.asarray(self.normalize_method(images))
        if normalized.ndim != 4:
            raise ArgumentError(
                f"{type(self).__name__}.add: normalize_method must return images of shape {images.shape}, "
                f"not {normalized.shape}"
            )
        if normalized.dtype != np.uint8:
            # NaN is neither below 0 nor above 1.
            if np.any(normalized < 0) or np.any(normalized > 1):
                raise ArgumentError(
                    f"{type(self).__name__}.add: normalized images must be uint8 or have values in [0, 1]; "
                    f"theirs are in [{normalized.min()}, {normalized.max()}]"
                )
            if normalized.dtype.kind != "f":
                normalized = normalized.astype(np.float64)
            normalized = np.nan_to_num(normalized * 255).astype(np.uint8)
        if normalized.shape[1] == 2:
            normalized = np.pad(normalized, [(0, 0), (0, 1), (0, 0), (0, 0)], constant_values=255)
        return normalized[:, :3]


class MonitorImageTile(MonitorImage):
    """Images of a batch side by side in one PNG file. The arguments are those of `MonitorImage`."""

    def add(self, index: int, var: Any) -> None:
        """Write the images in one file, if it is the turn of this iteration.

        Args:
            index: number of the iteration, counted from 0.
            var: Variable, NdArray or array of shape ``(..., C, H, W)``, as in `MonitorImage.add`.

        Raises:
            ArgumentError: as in `MonitorImage.add`. Nothing is written.
        """
        if not self._is_turn_of(index):
            return
        images = self._pixels(var)
        path = self._write(f"{index:06d}.png", tile_images(images))
        self._show(images, index)
        if self.verbose:
            logger.info("iter=%s {%s} is written to %s.", index, self.name, path)


def tile_images(data: np.ndarray, padsize: int = 1, padval: float = 0) -> np.ndarray:
    """Images side by side in a square of rows and columns.

    Args:
        data: shape ``(B, C, H, W)``.
        padsize: pixels right of and below every image.
        padval: their value.

    Returns:
        Shape ``(N * (H + padsize), N * (W + padsize), C)`` with the least ``N`` whose square is not below
        ``B``, or without the last axis if ``C`` is 1; dtype of `data`.

    Raises:
        ArgumentError: `data` does not have four axes, `padsize` is negative, or `padval` is not one number.

    Example:
        >>> tile_images(np.arange(1, 4).reshape(3, 1, 1, 1), padval=9)
        array([[1, 9, 2, 9],
               [9, 9, 9, 9],
               [3, 9, 9, 9],
               [9, 9, 9, 9]])
    """
    data = _as_array(data)
    if data.ndim != 4 or padsize < 0 or np.ndim(padval) != 0:
        raise ArgumentError(
            "tile_images: need data of shape (batch, channels, height, width), padsize >= 0 and a number as "
            f"padval; got shape {data.shape}, padsize={padsize} and padval={padval!r}"
        )
    batch, channels, height, width = data.shape
    n = math.isqrt(batch - 1) + 1 if batch > 0 else 0
    padding = [(0, n * n - batch), (0, padsize), (0, padsize), (0, 0)]
    padded = np.pad(data.transpose(0, 2, 3, 1), padding, constant_values=padval)
    high, wide = height + padsize, width + padsize
    tiled = padded.reshape(n, n, high, wide, channels).transpose(0, 2, 1, 3, 4)
    tiled = tiled.reshape(n * high, n * wide, channels)
    return tiled[..., 0] if channels == 1 else tiled


def plot_series(filename: str | os.PathLike[str], plot_kwargs: Mapping[str, Any] | None = None) -> None:
    """Add a line of a ``.series.txt`` file to the current axes of matplotlib.

    Args:
        filename: file that a `MonitorSeries` has written.
        plot_kwargs: keyword arguments for ``matplotlib.pyplot.plot``.

    Raises:
        ImportError: matplotlib is not installed.
        OSError: the file cannot be read.
        ArgumentError: the file is not such a file.
    """
    _plot("plot_series", *_read_points("plot_series", filename, 1), plot_kwargs)


def plot_time_elapsed(
    filename: str | os.PathLike[str],
    elapsed: bool = False,
    unit: str = "s",
    plot_kwargs: Mapping[str, Any] | None = None,
) -> None:
    """Add a line of a ``.timer.txt`` file to the current axes of matplotlib.

    Args:
        filename: file that a `MonitorTimeElapsed` has written.
        elapsed: plot the time since the start; else the time between one line of the file and the next.
        unit: of the time: ``"s"``, ``"m"``, ``"h"`` or ``"d"`` (days).
        plot_kwargs: keyword arguments for ``matplotlib.pyplot.plot``.

    Raises:
        ImportError: matplotlib is not installed.
        OSError: the file cannot be read.
        ArgumentError: the file is not such a file, or its unit differs.
    """
    if unit not in _SECONDS:
        raise ArgumentError(f"plot_time_elapsed: unit must be one of {', '.join(_SECONDS)}, not {unit!r}")
    indexes, seconds = _read_points("plot_time_elapsed", filename, 3 if elapsed else 1)
    _plot("plot_time_elapsed", indexes, seconds / _SECONDS[unit], plot_kwargs)


def _interval(monitor: str, interval: Any) -> float:
    if not isinstance(interval, Real):
        raise TypeError(f"{monitor}: interval must be a number, not {interval!r}")
    return interval  # type: ignore[return-value]


def _directory(caller: str, monitor: Any) -> str | os.PathLike[str]:
    if not hasattr(monitor, "save_path"):
        raise TypeError(f"{caller}: monitor must be a Monitor, not {monitor!r}")
    return monitor.save_path


def _file_name(name: str) -> str:
    return name.replace(" ", "-")


def _new_file(caller: str, monitor: Monitor | None, name: str, ending: str) -> str | None:
    """Path of an empty file; None without a monitor."""
    if monitor is None:
        return None
    path = os.path.join(_directory(caller, monitor), _file_name(name) + ending)
    with open(path, "w", encoding="utf-8"):
        return path


def _append_line(path: str | None, line: str) -> None:
    if path is not None:
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")


def _as_array(value: Any) -> np.ndarray:
    """A number, array, NdArray or Variable as an array."""
    return np.asarray(value.d if hasattr(value, "d") else value)


def _write_png(path: str, pixels: np.ndarray) -> None:
    """Write uint8 pixels of shape (H, W), (H, W, 1) or (H, W, 3)."""
    # Here, because only a few programs need it.
    from PIL import Image

    grey = pixels.ndim == 3 and pixels.shape[2] == 1
    Image.fromarray(np.ascontiguousarray(pixels[..., 0] if grey else pixels)).save(path, format="PNG")


def _read_points(caller: str, filename: str | os.PathLike[str], column: int) -> tuple[np.ndarray, np.ndarray]:
    """The first column of a file and one of the others."""
    indexes, values = [], []
    with open(filename, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            fields = line.split()
            try:
                index, value = float(fields[0]), float(fields[column])
            except (IndexError, ValueError):
                raise ArgumentError(
                    f"{caller}: {os.fspath(filename)!r}, line {number}: expected at least {column + 1} "
                    f"numbers, not {line!r}"
                ) from None
            indexes.append(index)
            values.append(value)
    return np.array(indexes), np.array(values)


def _plot(caller: str, x: np.ndarray, y: np.ndarray, plot_kwargs: Mapping[str, Any] | None) -> None:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f"{caller} needs matplotlib: pip install 'nnabla[plot]'") from error
    plt.plot(x, y, **(plot_kwargs or {}))
