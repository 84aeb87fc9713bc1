"""Images as networks for segmentation want them: of one size, with values from -1 to 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...data.images import imresize

__all__ = ["cast", "imresize", "pad", "preprocess_image_and_label", "resize", "zero_mean_unit_range"]

MIDDLE = 127.5
"""The value between black and white, which becomes 0."""


def cast(image: np.ndarray) -> np.ndarray:
    """The image in float32."""
    return image.astype(np.float32)


def resize(image: np.ndarray, desired_size: Sequence[int]) -> np.ndarray:
    """The image as large as it fits into a size, with its proportions.

    Args:
        image: shape (height, width) or (height, width, channels).
        desired_size: height and width, in pixels.
    """
    height, width = image.shape[:2]
    ratio = min(desired_size[0] / height, desired_size[1] / width)
    return imresize(image, (max(1, int(width * ratio)), max(1, int(height * ratio))))


def pad(image: np.ndarray, desired_size: Sequence[int] = (513, 513), value: float | None = None) -> np.ndarray:
    """The image with a border below and on the right.

    Args:
        image: shape (height, width) or (height, width, channels), not larger than `desired_size`.
        desired_size: height and width, in pixels.
        value: of the border; default 127.5, the middle, without its fraction where the image holds integers.
    """
    height, width = image.shape[:2]
    below, right = max(0, desired_size[0] - height), max(0, desired_size[1] - width)
    border = [(0, below), (0, right), *[(0, 0)] * (image.ndim - 2)]
    filled = np.asarray(MIDDLE if value is None else value).astype(image.dtype)
    return np.pad(image, border, constant_values=filled)


def zero_mean_unit_range(image: np.ndarray) -> np.ndarray:
    """Values of 0 to 255 as values of -1 to 1."""
    return (2.0 / 255.0) * image - 1.0


def preprocess_image_and_label(image: np.ndarray, target_width: int = 513, target_height: int = 513) -> np.ndarray:
    """The image in float32, resized, with a border up to the size wanted, and with values of -1 to 1.

    Args:
        image: values of 0 to 255, shape (height, width, channels).
        target_width, target_height: the size, in pixels.

    Returns:
        Shape (target_height, target_width, channels).

    Example:
        >>> y = preprocess_image_and_label(np.full((2, 4, 3), 255, np.uint8), target_width=4, target_height=4)
        >>> y[:, 0, 0].tolist()
        [1.0, 1.0, 0.0, 0.0]
    """
    size = target_height, target_width
    return zero_mean_unit_range(pad(resize(cast(image), size), size))
