"""What the commands share that make data sets of folders of images: images of one shape, and tables in two parts."""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np

from ..data.images import imread, imresize, imsave
from ..data.images.backends import keeps_139
from ..data.images.pillow import bits_of
from ..errors import ArgumentError, FormatError
from ..files.atomic import replacing
from ..logger import ALWAYS, logger
from ..progress import progress

EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff")
_LUMINANCE = (0.299, 0.587, 0.114)
_LARGEST = 2**28
"""Pixels of a padded image, before it is resized."""

T = TypeVar("T")
R = TypeVar("R")


class Fit(NamedTuple):
    """How an image got its shape, along one axis: what lies at `x` of the original is at ``x * scale + offset`` now.

    Both are relative to the whole, in [0, 1].
    """

    scale: float
    offset: float


class ImageShape(NamedTuple):
    """The shape that all images get.

    Args:
        width, height: in pixels.
        mode: ``"trimming"`` cuts off what does not fit the ratio of width and height, at both ends; ``"padding"`` adds
            black there.
        channels: 1 or 3.
    """

    width: int
    height: int
    mode: str
    channels: int

    def read(self, path: str) -> tuple[np.ndarray, Fit, Fit]:
        """An image in this shape, (height, width) or (height, width, 3), and how it got it, along x and along y.

        Raises:
            FormatError: it is no image, or not grey or RGB.
        """
        image = _read(path)
        height, width = image.shape[:2]
        # Numbers of rows and columns are rounded down, as in NNabla 1.39, before margins are.
        wide = width * self.height > height * self.width
        if wide == (self.mode == "trimming"):
            columns, rows = max(1, int(height * self.width / self.height)), height
        else:
            columns, rows = width, max(1, int(width * self.height / self.width))
        if self.mode == "trimming":
            left, top = (width - columns) // 2, (height - rows) // 2
            image = image[top : height - top, left : width - left]
        else:
            if columns * rows > _LARGEST:
                raise FormatError(f"{width} x {height} pixels would become {columns} x {rows} by padding, too many")
            left, top = -((columns - width) // 2), -((rows - height) // 2)
            padded = np.zeros((rows, columns, *image.shape[2:]), image.dtype)
            padded[-top : height - top, -left : width - left] = image
            image = padded
        across, down = (
            Fit(size / whole, -margin / whole)
            for size, whole, margin in ((width, image.shape[1], left), (height, image.shape[0], top))
        )
        return self._coloured(imresize(image, (self.width, self.height))), across, down

    def _coloured(self, image: np.ndarray) -> np.ndarray:
        if image.ndim == 2:
            return image if self.channels == 1 else np.repeat(image[:, :, np.newaxis], 3, axis=2)
        if self.channels == 3:
            return image
        red, green, blue = (image[:, :, i] * weight for i, weight in enumerate(_LUMINANCE))
        return (red + green + blue).astype(image.dtype)


def _read(path: str) -> np.ndarray:
    image = imread(path)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim == 3 and image.shape[2] != 3:
        raise FormatError(f"it has {image.shape[2]} channels; it must be grey or RGB")
    if not keeps_139(None) and image.dtype == np.uint8 and image.max(initial=0) == 1 and bits_of(path) == 1:
        # Ones are white in an image of one bit.
        image = image * np.uint8(255)
    return image


def write(path: str, image: np.ndarray) -> None:
    """Write an image as PNG, with 16 bits per channel if it has them; make the folder."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    imsave(path, image, as_uint16=image.dtype == np.uint16)


def shape_of(args: argparse.Namespace, command: str) -> ImageShape:
    """The shape that the options ``-w``, ``-g``, ``-m`` and ``-c`` say.

    Raises:
        ArgumentError: one of them is none of the values allowed.
    """
    if args.mode not in ("trimming", "padding"):
        raise ArgumentError(f"{command}: -m must be trimming or padding, not {args.mode!r}")
    if args.channel not in ("1", "3"):
        raise ArgumentError(f"{command}: -c must be 1 or 3, not {args.channel!r}")
    width, height = whole_number(args.width, f"{command}: -w"), whole_number(args.height, f"{command}: -g")
    return ImageShape(width, height, args.mode, int(args.channel))


def whole_number(text: str, option: str, lowest: int = 1, highest: int | None = None) -> int:
    """The number that an option gives.

    Raises:
        ArgumentError: it is none, or out of range.
    """
    try:
        value = int(text)
    except ValueError:
        value = lowest - 1
    if value < lowest or (highest is not None and value > highest):
        allowed = f"of at least {lowest}" if highest is None else f"of {lowest} to {highest}"
        raise ArgumentError(f"{option} must be a whole number {allowed}, not {text!r}")
    return value


def check_folders(args: argparse.Namespace, command: str) -> None:
    """Refuse to write among the originals.

    Raises:
        ArgumentError: both folders are one.
        FileNotFoundError: there are no originals.
    """
    if not os.path.isdir(args.sourcedir):
        raise FileNotFoundError(f"{command}: there is no folder {args.sourcedir!r}")
    if os.path.realpath(args.sourcedir) == os.path.realpath(args.outdir):
        raise ArgumentError(f"{command}: -i and -o are the same folder, {args.sourcedir!r}")


class Tables(NamedTuple):
    """The tables to write: one, or two with a share of the rows each.

    Args:
        shuffle: put rows into an order of their own, that of a generator seeded with 313.
        names: of the files, in the folder of the data set.
        percent: share of the second.
    """

    shuffle: bool
    names: tuple[str, str | None]
    percent: int

    def write(self, outdir: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write those that have a row."""
        if self.shuffle:
            rows = [rows[i] for i in np.random.RandomState(313).permutation(len(rows))]
        first = len(rows) * (100 - self.percent) // 100
        logger.log(ALWAYS, "Writing tables: %d rows, %d rows.", first, len(rows) - first)
        for name, part in zip(self.names, (rows[:first], rows[first:]), strict=True):
            if name and part:
                path = os.path.join(outdir, name)
                with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
                    csv.writer(file, lineterminator="\n").writerows([header, *part])


def tables_of(args: argparse.Namespace, command: str) -> Tables:
    """The tables that the options ``-s``, ``-f1``, ``-r1``, ``-f2`` and ``-r2`` say.

    Raises:
        ArgumentError: one of them is none of the values allowed, or the second table has a share and no name.
    """
    if args.shuffle not in ("true", "false"):
        raise ArgumentError(f"{command}: -s must be true or false, not {args.shuffle!r}")
    if not args.file1:
        raise ArgumentError(f"{command}: -f1 must name a file")
    first, second = (
        whole_number(text, f"{command}: -r{i}", 0, 100) if text else None
        for i, text in ((1, args.ratio1), (2, args.ratio2))
    )
    if second is None:
        second = 100 - first if first is not None and args.file2 else 0
    elif first is not None and first + second != 100:
        raise ArgumentError(f"{command}: -r1 {first} and -r2 {second} must make 100 percent")
    if second and not args.file2:
        raise ArgumentError(f"{command}: -f2 must name the file that gets the {second} percent of -r2")
    return Tables(args.shuffle == "true", (args.file1, args.file2), second)


def names_as_png(names: Iterable[str]) -> list[str]:
    """Names for the PNGs that are made of files, no two alike: ``a.png`` of ``a.jpg``, then ``a.gif.png`` of ``a.gif``.

    Example:
        >>> names_as_png(["a.gif", "a.jpg", "b.PNG"])
        ['a.png', 'a.jpg.png', 'b.png']
    """
    taken: set[str] = set()
    made = []
    for name in names:
        new = os.path.splitext(name)[0] + ".png"
        while new in taken:
            new, name = f"{name}.png", f"{name}.png"
        taken.add(new)
        made.append(new)
    return made


def all_converted(convert: Callable[[T], R | None], items: Sequence[T], command: str) -> Iterator[R]:
    """What `convert` returns for each item that it could convert, in their order; several are converted at a time.

    Raises:
        FormatError: none could be converted.
    """
    label = f"{command}: images"
    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, 8), "nnabla-images")
    count = 0
    try:
        for number, result in enumerate(pool.map(convert, items)):
            progress(label, (number + 1) / len(items))
            if result is not None:
                count += 1
                yield result
        if not count:
            raise FormatError(f"{command}: none of {len(items)} images could be converted")
    finally:
        pool.shutdown(cancel_futures=True)
        progress(None)


def read_or_warn(shape: ImageShape, path: str) -> tuple[np.ndarray, Fit, Fit] | None:
    """The image in its shape; None, with a warning, if it cannot be read."""
    try:
        return shape.read(path)
    except (FormatError, ArgumentError, OSError) as error:
        logger.warning("%s is left out: %s", path, error)
        return None
