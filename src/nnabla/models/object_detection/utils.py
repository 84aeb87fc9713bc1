"""Images fitted into the size of a network, and boxes drawn on them."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np

from ...data.images import imresize
from .draw_utils import DrawBoundingBoxes

__all__ = [
    "DrawBoundingBoxes",
    "LetterBoxTransform",
    "apply_inverse_letterbox_coordinate_transform",
    "draw_bounding_boxes",
    "imresize",
    "letterbox",
]

GRAY = 127


def letterbox(img_orig: np.ndarray, h: int, w: int) -> tuple[np.ndarray, int, int]:
    """The image as large as it fits into a size, with its proportions, in the middle of a gray border.

    Args:
        img_orig: shape (height, width, channels), values of 0 to 255.
        h, w: the size, in pixels.

    Returns:
        The image, uint8 of shape (h, w, channels); width and height of the part inside of the border.
    """
    im_h, im_w = img_orig.shape[:2]
    if w * im_h < h * im_w:
        new_w, new_h = w, max(1, im_h * w // im_w)
    else:
        new_w, new_h = max(1, im_w * h // im_h), h
    resized = imresize(img_orig, (new_w, new_h))
    image = np.full((h, w, *img_orig.shape[2:]), GRAY, np.uint8)
    top, left = (h - new_h) // 2, (w - new_w) // 2
    image[top : top + new_h, left : left + new_w] = resized
    return image, new_w, new_h


def apply_inverse_letterbox_coordinate_transform(
    bboxes: np.ndarray, im_w: int, im_h: int, letterbox_w: float, letterbox_h: float
) -> np.ndarray:
    """Boxes on the image with its border as boxes on the image as it was.

    Args:
        bboxes: shape (boxes, 4 or more): middle (x, y), width and height as shares of the image with its border; what
            follows is kept.
        im_w, im_h: size of the image as it was, in pixels.
        letterbox_w, letterbox_h: the share of width and height that it takes within its border.

    Returns:
        New boxes, in pixels.
    """
    found = np.array(bboxes)
    x, y, w, h = np.array(bboxes[:, :4]).T
    found[:, 0] = ((x - 0.5) / letterbox_w + 0.5) * im_w
    found[:, 1] = ((y - 0.5) / letterbox_h + 0.5) * im_h
    found[:, 2] = w * im_w / letterbox_w
    found[:, 3] = h * im_h / letterbox_h
    return found


class LetterBoxTransform:
    """An image fitted into a size, and the way back for boxes that were found on it.

    Args:
        image: shape (height, width, channels), values of 0 to 255.
        height, width: the size, in pixels.

    Attributes:
        image: in the middle of a gray border, see `letterbox`.
        im_h, im_w: size of the image as it was.
        new_h, new_w: its size within the border.
        height, width: as given.

    Example:
        >>> boxed = LetterBoxTransform(np.zeros((7, 10, 3), np.uint8), 9, 9)
        >>> boxed.image.shape, boxed.new_w, boxed.new_h
        ((9, 9, 3), 9, 6)
        >>> boxed.inverse_coordinate_transform(np.array([[0.5, 0.5, 0.2, 0.5]])).tolist()
        [[5.0, 3.5, 2.0, 5.25]]
    """

    def __init__(self, image: np.ndarray, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.im_h, self.im_w = image.shape[:2]
        self.image, self.new_w, self.new_h = letterbox(image, height, width)

    def inverse_coordinate_transform(self, coords: np.ndarray) -> np.ndarray:
        """Boxes on the image as it was; see `apply_inverse_letterbox_coordinate_transform`."""
        return apply_inverse_letterbox_coordinate_transform(
            coords, self.im_w, self.im_h, self.new_w / self.width, self.new_h / self.height
        )


def draw_bounding_boxes(
    img: np.ndarray,
    bboxes: np.ndarray,
    names: Sequence[str],
    colors: Sequence[Sequence[int]] | None = None,
    thresh: float = 0.5,
) -> np.ndarray:
    """Draw the boxes that a network found, with names and probabilities.

    Args:
        img: shape (height, width, 3), values of 0 to 255.
        bboxes: shape (boxes, 5 + categories): middle (x, y), width and height in pixels, a number that is not used,
            and the probability of each category.
        names: of the categories.
        colors: of the categories, (red, green, blue); default: colors that differ.
        thresh: boxes are drawn whose largest probability is above it.

    Returns:
        A new image.
    """
    drawing = DrawBoundingBoxes(img, distinct_colors(len(names)) if colors is None else colors)
    for box in bboxes:
        probabilities = box[5:]
        category = int(np.argmax(probabilities))
        probability = float(probabilities[category])
        if probability > thresh:
            label = f"{names[category]}: {probability:.2%}"
            x, y, w, h = (float(value) for value in box[:4])
            drawing.draw((x - w / 2, y - h / 2, x + w / 2, y + h / 2), category, label)
    return drawing.get()


def distinct_colors(count: int) -> list[tuple[int, int, int]]:
    """As many colors, of hues that are far from one another."""
    found = []
    for i in range(count):
        # Steps of the golden ratio: neighbours in the list differ most.
        red, green, blue = colorsys.hsv_to_rgb(i * 0.618033988749895 % 1, 0.85, 0.95)
        found.append((round(255 * red), round(255 * green), round(255 * blue)))
    return found
