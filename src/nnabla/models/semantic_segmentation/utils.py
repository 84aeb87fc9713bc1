"""From images to what a network for segmentation reads, and from what it computes to images."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.images import imresize, imsave
from .image_preprocess import preprocess_image_and_label

__all__ = ["ProcessImage", "get_color", "imresize", "imsave", "post_process_image", "pre_process_image", "save_image"]

# Of the 21 categories of Pascal VOC, its border, and one for nothing. The blue of category 5 is NNabla's.
_COLORS = (
    "000000 800000 008000 808000 000080 780080 008080 808080 400000 c00000 408000 c08000 400080 c00080 408080 c08080 "
    "004000 804000 00c000 80c000 004080 e0e0c0 000000"
)


def get_color() -> np.ndarray:
    """Colors of the categories, shape (23, 3): red, green and blue of 0 to 255."""
    return np.array([list(bytes.fromhex(color)) for color in _COLORS.split()])


def pre_process_image(image: np.ndarray, target_h: int, target_w: int) -> np.ndarray:
    """An image as the network reads it.

    Args:
        image: values of 0 to 255, shape (height, width, 3).
        target_h, target_w: the size that the network reads.

    Returns:
        Shape (1, 3, target_h, target_w), values of -1 to 1.
    """
    processed = preprocess_image_and_label(image, target_width=target_w, target_height=target_h)
    return processed.transpose(2, 0, 1)[np.newaxis]


def post_process_image(output: np.ndarray, image: np.ndarray, target_size: Any) -> np.ndarray:
    """Categories of the pixels of the image as it was.

    Args:
        output: scores of the network, shape (categories, height, width); or numbers of categories, (height, width).
        image: as it was, shape (height, width, 3).
        target_size: height and width that the network read.

    Returns:
        Numbers of categories, shape (height, width).
    """
    categories = np.argmax(output, axis=0) if output.ndim == 3 else output
    height, width = image.shape[:2]
    ratio = min(target_size[0] / height, target_size[1] / width)
    # Without the border; nearest places, as the numbers of categories have no middle.
    inner = categories[: max(1, int(height * ratio)), : max(1, int(width * ratio))]
    rows = np.arange(height) * inner.shape[0] // height
    columns = np.arange(width) * inner.shape[1] // width
    return inner[rows][:, columns]


def save_image(image_path: str, label: np.ndarray, color_map: np.ndarray | None = None) -> None:
    """Save categories of pixels as an image.

    Args:
        image_path: of the file.
        label: numbers of categories, shape (height, width).
        color_map: colors of the categories, shape (categories, 3), values of 0 to 255; default `get_color`.
    """
    colors = get_color() if color_map is None else np.asarray(color_map)
    imsave(image_path, colors[np.asarray(label).astype(int)].astype(np.uint8))


class ProcessImage:
    """An image on its way through a network for segmentation.

    Args:
        image: values of 0 to 255, shape (height, width, 3).
        target_h, target_w: the size that the network reads.

    Attributes:
        image, target_h, target_w: as given.
        target_size: both.
        segmented: categories of the pixels, once `post_process` was called.
    """

    def __init__(self, image: np.ndarray, target_h: int, target_w: int) -> None:
        self.image = image
        self.target_size = target_h, target_w
        self.target_h, self.target_w = target_h, target_w
        self.segmented: np.ndarray | None = None

    def pre_process(self) -> np.ndarray:
        """See `pre_process_image`."""
        return pre_process_image(self.image, self.target_h, self.target_w)

    def post_process(self, output: np.ndarray) -> np.ndarray:
        """See `post_process_image`."""
        self.segmented = post_process_image(output, self.image, self.target_size)
        return self.segmented

    def save_segmentation_image(self, path: str, color_map: np.ndarray | None = None) -> None:
        """See `save_image`.

        Raises:
            ValueError: `post_process` was not called.
        """
        if self.segmented is None:
            raise ValueError("ProcessImage.save_segmentation_image: call post_process first")
        save_image(path, self.segmented, color_map)
