"""``nnabla_cli create_image_classification_dataset``: a data set of a folder with a folder of images for each class."""

from __future__ import annotations

import argparse
import os

from ..errors import FormatError
from ..logger import ALWAYS, logger
from .reporting import bars_shown
from .shaped_images import (
    EXTENSIONS,
    ImageShape,
    all_converted,
    check_folders,
    names_as_png,
    read_or_warn,
    shape_of,
    tables_of,
    write,
)

_NAME = "create_image_classification_dataset"


def create_image_classification_dataset_command(args: argparse.Namespace) -> bool:
    """Write images of one shape as PNGs, and CSV files with columns ``x:image`` and ``y:label``.

    Classes are numbered in the order of the names of their folders; folders without images do not count. Images that
    cannot be read, or are neither grey nor RGB, are left out with a warning. Images of 16 bits per channel keep them.

    Raises:
        ArgumentError: an option is none of the values allowed.
        FileNotFoundError: there is no folder of originals.
        FormatError: there is no image that could be converted.
    """
    shape, tables = shape_of(args, _NAME), tables_of(args, _NAME)
    check_folders(args, _NAME)
    logger.log(ALWAYS, "Looking for images...")
    classes = _images_by_class(args.sourcedir)
    if not classes:
        raise FormatError(f"{_NAME}: no folder in {args.sourcedir!r} holds images; there is one for each class")
    found = [(original, made, label) for label, files in enumerate(classes) for original, made in files]
    logger.log(ALWAYS, "Converting %d images of %d classes...", len(found), len(classes))

    def convert(item: tuple[str, str, int]) -> list[str] | None:
        original, made, label = item
        return [made, str(label)] if _convert(shape, args.sourcedir, args.outdir, original, made) else None

    with bars_shown():
        rows = list(all_converted(convert, found, _NAME))
    tables.write(args.outdir, ["x:image", "y:label"], rows)
    logger.log(ALWAYS, "The data set is complete: %d images.", len(rows))
    return True


def convert_image(args: tuple[str, str, str, int, int, str, int]) -> bool:
    """Convert one image; whether it could be read.

    Args:
        args: its name relative to the folder of originals, that folder, the folder to write to, width, height, mode
            and channels; see `ImageShape`.
    """
    name, source, target, width, height, mode, channels = args
    return _convert(ImageShape(width, height, mode, channels), source, target, name, names_as_png([name])[0])


def _convert(shape: ImageShape, source: str, target: str, original: str, made: str) -> bool:
    read = read_or_warn(shape, os.path.join(source, original))
    if read is not None:
        write(os.path.join(target, made), read[0])
    return read is not None


def _images_by_class(folder: str) -> list[list[tuple[str, str]]]:
    """For each class the names of its images, and those that they get."""
    classes = []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if not os.path.isdir(path):
            continue
        images = [
            file
            for file in sorted(os.listdir(path))
            if os.path.splitext(file)[1].lower() in EXTENSIONS and os.path.isfile(os.path.join(path, file))
        ]
        if images:
            made = names_as_png(images)
            classes.append([(f"./{name}/{a}", f"./{name}/{b}") for a, b in zip(images, made, strict=True)])
    return classes
