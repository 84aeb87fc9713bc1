"""Boxes with labels drawn on an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["DrawBoundingBoxes"]


class DrawBoundingBoxes:
    """Draws boxes on a copy of an image, with Pillow.

    Args:
        img: shape (height, width, 3), values of 0 to 255.
        colors: (red, green, blue) for each category.
    """

    def __init__(self, img: np.ndarray, colors: Sequence[Sequence[int]]) -> None:
        from PIL import Image, ImageDraw

        self._image = Image.fromarray(np.array(img, np.uint8))
        self._draw = ImageDraw.Draw(self._image)
        self._colors = [(int(r), int(g), int(b)) for r, g, b in colors]
        # Of lines: 2 pixels on an image of 640 x 480.
        self._width = max(1, round(0.0025 * (img.shape[0] + img.shape[1]) / 2))

    def draw(self, bbox: Sequence[float], det_ind: int, label: str) -> None:
        """Draw a box.

        Args:
            bbox: left, top, right, bottom, in pixels; what lies outside of the image is not drawn.
            det_ind: number of the category, which says the color.
            label: stands over the box, or in it where there is no room above.
        """
        color = self._colors[det_ind % len(self._colors)]
        left, top, right, bottom = (round(float(value)) for value in bbox)
        self._draw.rectangle(
            (min(left, right), min(top, bottom), max(left, right), max(top, bottom)), outline=color, width=self._width
        )
        x0, y0, x1, y1 = self._draw.textbbox((0, 0), label)
        height = y1 - y0 + 2
        above = top - height if top >= height else top
        self._draw.rectangle((left, above, left + x1 - x0 + 2, above + height), fill=color)
        dark = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] < 128
        self._draw.text((left + 1, above + 1 - y0), label, fill=(255, 255, 255) if dark else (0, 0, 0))

    def get(self) -> np.ndarray:
        """The image, uint8 of shape (height, width, 3)."""
        return np.array(self._image)
