"""Labelled boxes of object detection: rectangles, label files, anchors, and the grid that networks learn.

A label file has a line for each object: the number of its class, the centre x and y, the width and the height, relative
to those of the image: ``2 0.5 0.25 0.1 0.2``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, FormatError

_ROUNDS = 1000


class ObjectRect:
    """A rectangle.

    Args:
        LRTB: left, top, right, bottom, in spite of the name.
        XYWH: centre x, centre y, width, height.

    Attributes:
        rect: left, top, right, bottom; zeros if nothing is given.

    Example:
        >>> box = ObjectRect(XYWH=(0.5, 0.5, 1.0, 0.5))
        >>> box.left(), box.bottom(), box.area()
        (0.0, 0.75, 0.5)
        >>> float(box.iou(ObjectRect(LRTB=(0.5, 0.25, 1.5, 0.75))))
        0.3333333333333333
    """

    def __init__(self, LRTB: npt.ArrayLike | None = None, XYWH: Sequence[float] | None = None) -> None:
        if XYWH is not None:
            x, y, width, height = XYWH
            self.rect = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2], np.float64)
        else:
            self.rect = np.zeros(4) if LRTB is None else np.array(LRTB, np.float64)

    def clip(self) -> ObjectRect:
        """What of it lies in the unit square."""
        return ObjectRect(LRTB=self.rect.clip(0.0, 1.0))

    def left(self) -> float:
        return float(self.rect[0])

    def top(self) -> float:
        return float(self.rect[1])

    def right(self) -> float:
        return float(self.rect[2])

    def bottom(self) -> float:
        return float(self.rect[3])

    def width(self) -> float:
        return self.right() - self.left()

    def height(self) -> float:
        return self.bottom() - self.top()

    def centerx(self) -> float:
        return (self.left() + self.right()) / 2

    def centery(self) -> float:
        return (self.top() + self.bottom()) / 2

    def center(self) -> tuple[float, float]:
        return self.centerx(), self.centery()

    def area(self) -> float:
        return self.width() * self.height()

    def overlap(self, rect2: ObjectRect) -> float:
        """Area that both have in common; 0 where they do not meet."""
        width = min(self.right(), rect2.right()) - max(self.left(), rect2.left())
        height = min(self.bottom(), rect2.bottom()) - max(self.top(), rect2.top())
        return max(width, 0.0) * max(height, 0.0)

    def iou(self, rect2: ObjectRect) -> float:
        """The common area by the area that they cover together, in [0, 1]; 0 if they cover none."""
        overlap = self.overlap(rect2)
        union = self.area() + rect2.area() - overlap
        return overlap / union if union > 0 else 0.0


def load_label(file_name: str | os.PathLike[str]) -> list[list[float]]:
    """The objects in a label file: class, centre x and y, width, height of each.

    Raises:
        FormatError: a line is not of this form.
        FileNotFoundError: there is no such file.
    """
    labels = []
    try:
        with open(file_name, encoding="utf-8-sig") as file:
            for number, line in enumerate(file):
                cells = line.split()
                if cells:
                    labels.append(_label(cells, f"{os.fspath(file_name)}, line {number + 1}"))
    except UnicodeDecodeError as error:
        raise FormatError(f"{os.fspath(file_name)} is no label file: {error}") from error
    return labels


def _label(cells: Sequence[str], where: str) -> list[float]:
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        values = []
    if len(values) != 5 or not np.isfinite(values).all() or values[0] < 0 or values[0] != int(values[0]):
        raise FormatError(f"{where}: an object is CLASS X Y WIDTH HEIGHT in numbers, not {' '.join(cells)[:80]!r}")
    if values[3] <= 0 or values[4] <= 0:
        raise FormatError(f"{where}: width and height must be positive, not {cells[3]} and {cells[4]}")
    return values


def anchors_of(sizes: np.ndarray, count: int) -> np.ndarray:
    """Typical sizes of boxes, by k-means.

    The first means are those of classes drawn with the seed 0, as in NNabla 1.39; a class that loses all its boxes gets
    the one that is farthest from its mean.

    Args:
        sizes: widths and heights, shape (boxes, 2).
        count: of anchors; no more than boxes.

    Returns:
        Widths and heights, shape (count, 2), from the smallest area to the largest.

    Raises:
        ArgumentError: there are fewer boxes than anchors.

    Example:
        >>> anchors_of(np.array([[0.1, 0.2], [0.5, 0.5], [0.3, 0.2], [0.7, 0.7]]), 2)
        array([[0.2, 0.2],
               [0.6, 0.6]])
    """
    if not 1 <= count <= len(sizes):
        raise ArgumentError(f"anchors: there must be between 1 and {len(sizes)}, as many as objects, not {count}")
    classes = np.random.RandomState(0).randint(0, count, len(sizes))
    for _ in range(_ROUNDS):
        means = _means(sizes, classes, count)
        nearest = ((sizes[:, np.newaxis] - means) ** 2).sum(axis=2).argmin(axis=1)
        if np.array_equal(nearest, classes):
            break
        classes = nearest
    return means[np.argsort(means.prod(axis=1), kind="stable")]


def _means(sizes: np.ndarray, classes: np.ndarray, count: int) -> np.ndarray:
    numbers = np.bincount(classes, minlength=count)
    for empty in np.flatnonzero(numbers == 0):
        means = _sums(sizes, classes, count) / np.maximum(numbers, 1)[:, np.newaxis]
        distances = ((sizes - means[classes]) ** 2).sum(axis=1)
        # A class of one box would be empty in its turn.
        farthest = int(np.where(numbers[classes] > 1, distances, -1.0).argmax())
        numbers[classes[farthest]] -= 1
        numbers[empty] = 1
        classes[farthest] = empty
    return _sums(sizes, classes, count) / numbers[:, np.newaxis]


def _sums(sizes: np.ndarray, classes: np.ndarray, count: int) -> np.ndarray:
    return np.stack([np.bincount(classes, axis, minlength=count) for axis in sizes.T], axis=1)


class Grid(NamedTuple):
    """The cells of an image in which networks look for objects.

    Args:
        columns, rows: number of cells.
        anchors: widths and heights relative to the image, shape (anchors, 2).
    """

    columns: int
    rows: int
    anchors: np.ndarray

    def encode(self, labels: Sequence[Sequence[float]]) -> tuple[np.ndarray, np.ndarray]:
        """The objects of an image as a network learns them.

        An object belongs to the cell of its centre, and there to the anchor whose box in the middle of the cell covers
        it best (by `ObjectRect.iou`). Of several objects at one place the last counts. What lies outside of the image
        is cut off first.

        Args:
            labels: class, centre x and y, width and height of each, relative to the image.

        Returns:
            Class numbers, shape (anchors * rows, columns), -1 where there is no object; and places, shape
            (anchors * rows, columns * 4): centre relative to the cell, in [0, 1], and logarithms of width and height
            in cells.
        """
        count = len(self.anchors)
        classes = np.full((count, self.rows, self.columns), -1)
        places = np.zeros((count, self.rows, self.columns, 4))
        for label, *box in labels:
            rect = ObjectRect(XYWH=box).clip()
            if rect.width() <= 0 or rect.height() <= 0:
                continue
            x, y = rect.center()
            column, row = int(x * self.columns), int(y * self.rows)
            middle = (column + 0.5) / self.columns, (row + 0.5) / self.rows
            anchor = int(np.argmax([rect.iou(ObjectRect(XYWH=(*middle, *size))) for size in self.anchors]))
            classes[anchor, row, column] = int(label)
            size = np.log([rect.width() * self.columns, rect.height() * self.rows])
            # In this order of operations, NNabla 1.39's, the last digits are the same.
            centre = (x - column / self.columns) * self.columns, (y - row / self.rows) * self.rows
            places[anchor, row, column] = *centre, *size
        return classes.reshape(-1, self.columns), places.reshape(-1, self.columns * 4)
