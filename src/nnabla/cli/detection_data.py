"""``nnabla_cli create_object_detection_dataset``: a data set of images with labelled boxes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..data.boxes import Grid, anchors_of, load_label
from ..errors import ArgumentError, FormatError
from ..files.atomic import replacing
from ..logger import ALWAYS, logger
from .reporting import bars_shown
from .shaped_images import (
    EXTENSIONS,
    Fit,
    ImageShape,
    all_converted,
    check_folders,
    names_as_png,
    read_or_warn,
    shape_of,
    tables_of,
    whole_number,
    write,
)

_NAME = "create_object_detection_dataset"


class _Boxes(NamedTuple):
    """An image that is written, without its extension, and the objects that it shows now."""

    stem: str
    labels: list[list[float]]


def create_object_detection_dataset_command(args: argparse.Namespace) -> bool:
    """Write images of one shape as PNGs, CSV files of their objects, and tables of them all.

    Beside each original is a file of its objects, of the same name with the extension ``.txt`` (see
    `nnabla.data.boxes`); an image without one, or with an empty one, shows none. Tables have the columns ``x:image``,
    ``y:label`` and ``r:region``; see `Grid.encode` for the latter two. Boxes move with the image when it is trimmed or
    padded.

    Raises:
        ArgumentError: an option is none of the values allowed, or there are fewer objects than anchors.
        FileNotFoundError: there is no folder of originals.
        FormatError: there is no image that could be converted, or a file of objects is wrong.
    """
    shape, tables = shape_of(args, _NAME), tables_of(args, _NAME)
    classes = whole_number(args.num_class, f"{_NAME}: -n")
    count = whole_number(args.num_anchor, f"{_NAME}: -a")
    size = whole_number(args.grid_size, f"{_NAME}: -d")
    if shape.width % size or shape.height % size:
        raise ArgumentError(f"{_NAME}: -d {size} must divide width and height, {shape.width} and {shape.height}")
    check_folders(args, _NAME)
    logger.log(ALWAYS, "Looking for images...")
    images = _images(args.sourcedir, args.outdir)
    if not images:
        raise FormatError(f"{_NAME}: {args.sourcedir!r} holds no images")
    logger.log(ALWAYS, "Converting %d images...", len(images))

    def convert(item: tuple[str, str]) -> _Boxes | None:
        return _converted(shape, args.sourcedir, args.outdir, *item, classes)

    with bars_shown():
        boxes = list(all_converted(convert, list(zip(images, names_as_png(images), strict=True)), _NAME))
    sizes = np.array([label[3:5] for image in boxes for label in image.labels]).reshape(-1, 2)
    grid = Grid(shape.width // size, shape.height // size, anchors_of(sizes, count))
    logger.log(ALWAYS, "%d objects in %d images; anchors %s.", len(sizes), len(boxes), grid.anchors.tolist())
    rows = [_encoded(image, grid, args.outdir) for image in boxes]
    tables.write(args.outdir, ["x:image", "y:label", "r:region"], rows)
    logger.log(ALWAYS, "The data set is complete: %d images.", len(rows))
    return True


def convert_image(args: tuple[str, str, str, int, int, str, int, int, int, np.ndarray]) -> bool:
    """Convert one image with its objects; whether it could be read.

    Args:
        args: its name relative to the folder of originals, that folder, the folder to write to, width, height, mode
            and channels (see `ImageShape`), number of classes, pixels of a grid cell, and anchors.
    """
    name, source, target, width, height, mode, channels, classes, size, anchors = args
    shape = ImageShape(width, height, mode, channels)
    boxes = _converted(shape, source, target, name, names_as_png([name])[0], classes)
    if boxes is not None:
        _encoded(boxes, Grid(width // size, height // size, anchors), target)
    return boxes is not None


def get_anchors(source_dir: str, file_list: Sequence[str], num_anchor: int) -> np.ndarray:
    """Typical sizes of the boxes of images; see `anchors_of`.

    Args:
        source_dir: folder of the images.
        file_list: their names in it.
        num_anchor: how many.
    """
    labels = [label for file in file_list for label in _labels(os.path.join(source_dir, file))]
    return anchors_of(np.array(labels).reshape(-1, 5)[:, 3:5], num_anchor)


def _labels(image: str, classes: int | None = None) -> list[list[float]]:
    """The objects of an image, given by its path."""
    path = os.path.splitext(image)[0] + ".txt"
    labels = load_label(path) if os.path.exists(path) else []
    for label in labels:
        if classes is not None and label[0] >= classes:
            raise FormatError(f"{_NAME}: {path}: class {label[0]:g} is none of 0 to {classes - 1}; see -n")
    return labels


def _converted(shape: ImageShape, source: str, target: str, original: str, made: str, classes: int) -> _Boxes | None:
    path = os.path.join(source, original)
    labels = _labels(path, classes)
    read = read_or_warn(shape, path)
    if read is None:
        return None
    image, across, down = read
    write(os.path.join(target, "data", made), image)
    return _Boxes(os.path.splitext(made)[0], [_moved(label, across, down) for label in labels])


def _moved(label: Sequence[float], across: Fit, down: Fit) -> list[float]:
    number, x, y, width, height = label
    return [
        number,
        x * across.scale + across.offset,
        y * down.scale + down.offset,
        width * across.scale,
        height * down.scale,
    ]


def _encoded(image: _Boxes, grid: Grid, target: str) -> list[str]:
    """Write the objects of an image; the row of the table for it."""
    stem = os.path.join(target, "data", image.stem)
    for name, array, form in zip(("label", "region"), grid.encode(image.labels), ("%d", "%f"), strict=True):
        with replacing(f"{stem}_{name}.csv", flush=False) as temporary:
            np.savetxt(temporary, array, fmt=form, delimiter=",")
    return [f"./data/{image.stem}{end}" for end in (".png", "_label.csv", "_region.csv")]


def _images(folder: str, target: str) -> list[str]:
    """Names of the images in a folder and those below it, but not in the one to write to."""
    found: list[str] = []
    for at, below, files in os.walk(folder):
        below[:] = [name for name in below if os.path.realpath(os.path.join(at, name)) != os.path.realpath(target)]
        relative = os.path.relpath(at, folder).replace(os.sep, "/")
        prefix = "" if relative == "." else f"{relative}/"
        found += [prefix + file for file in files if os.path.splitext(file)[1].lower() in EXTENSIONS]
    return sorted(found)
