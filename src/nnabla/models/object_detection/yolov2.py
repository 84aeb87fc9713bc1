"""`YoloV2`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ...converters.nnp.network_passes import NnpNetworkPass
from ...errors import ArgumentError
from ...graph.variable import Variable
from .base import ObjectDetection

__all__ = ["NnpNetworkPass", "ObjectDetection", "YoloV2"]


CELL = 32
"""Pixels of a cell, along each axis."""

# What functions of the file have in their arguments of the size of the image: new values, of the shape of the first
# input and of the old values.
_SHAPES: Mapping[str, Callable[[list[int], list[int]], list[int]]] = {
    # Four neighbours become channels.
    "Reshape": lambda x, old: [x[0], x[1] // 4, x[2], 2, x[3], 2],
    "Reshape_2": lambda x, old: [x[0], x[1] * x[2] * x[3] * x[1] * x[2], x[4] // x[1], x[5] // x[2]],
    # Boxes of each cell.
    "Reshape_3": lambda x, old: [x[0], 5, old[2], *x[2:]],
    # Numbers of columns and rows, and what they are added to.
    "Reshape_4": lambda x, old: [*old[:3], x[0], *old[4:]],
    "Reshape_5": lambda x, old: [x[0], x[1], 1, *x[2:4]],
    "Reshape_6": lambda x, old: [*old[:2], x[0], *old[3:]],
    "Reshape_7": lambda x, old: [x[0], x[1], 1, *x[2:4]],
    # All boxes of the image.
    "Reshape_8": lambda x, old: [x[0], x[1] * x[2] * x[3], x[4]],
}
_STOPS: Mapping[str, Callable[[list[int], list[int]], list[int]]] = {
    "Slice": lambda x, old: [*x[:2], 2, *x[3:5]],
    "Slice_2": lambda x, old: [*x[:2], 4, *x[3:5]],
    "Slice_3": lambda x, old: [*x[:2], 5, *x[3:5]],
    "Slice_4": lambda x, old: x[:5],
}


class YoloV2(ObjectDetection):
    """YOLO of the second version.

    Args:
        dataset: that it was trained on, ``"voc"`` or ``"coco"``.

    Raises:
        ArgumentError: another data set.

    Images of other sizes than the file's are taken if height and width are multiples of 32.

    Keys of `use_up_to`:

    ``"detection"``: boxes, shape (samples, boxes, 5 + categories): middle, width and height as shares of the image, the
    probability of an object, and those of the categories (default).
    ``"convdetect"``: output of the last convolution, of which these are made.
    ``"lastconv"``: what goes into it.

    Source: J. Redmon, A. Farhadi, "YOLO9000: Better, Faster, Stronger", arXiv:1612.08242.
    """

    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {
        "detection": "y",
        "convdetect": "Reshape_3_Output",
        "lastconv": "Reshape_3_Output",
        "Arange": "Arange_Output",
        "Arange2": "Arange_2_Output",
    }

    def __init__(self, dataset: str = "voc") -> None:
        if dataset not in ("voc", "coco"):
            raise ArgumentError(f"YoloV2: dataset must be 'voc' or 'coco', not {dataset!r}")
        self._dataset_name = dataset
        name = f"object_detection/yolov2-{dataset}.nnp"
        self._load_nnp(name)

    def _use(self, use_up_to: str, callback: NnpNetworkPass) -> None:
        super()._use(use_up_to, callback)
        if use_up_to == "detection":
            return
        # What is left out makes boxes, or is made of the numbers of the cells.
        for key in ("Arange", "Arange2"):
            self.use_up_to(key, callback)
        callback.drop_function("Arange", "Arange_2", "Reshape_3")
        if use_up_to == "lastconv":
            callback.drop_function("Convolution_23")

    def _resize(self, callback: NnpNetworkPass, input_var: Variable) -> None:
        old, new = self.get_nnp_input_size(), input_var.shape[2:]
        rows, columns = (length // CELL for length in new)
        shares = [a / b for a, b in zip((old[1] // CELL, old[0] // CELL), (columns, rows), strict=True)]

        def on(name: str, change: Callable[..., object], *given: Any) -> None:
            @callback.on_generate_function_by_name(name)
            def changed(f: Any) -> Any:
                change(f, *given)
                return f

        for name, shape in _SHAPES.items():
            on(name, lambda f, shape: _set(f.proto.reshape_param.shape.dim, f, shape), shape)
        for name, stop in _STOPS.items():
            on(name, lambda f, stop: _set(f.proto.slice_param.stop, f, stop), stop)
        # Numbers of the cells along both axes, and the size of a cell as a share of the image.
        for name, cells in (("Arange", columns), ("Arange_2", rows)):
            on(name, lambda f, cells: setattr(f.proto.arange_param, "stop", cells), cells)
        for name, share in zip(("MulScalar_2", "MulScalar_3"), shares, strict=True):
            on(name, lambda f, share: _scale(f.proto.mul_scalar_param, share), share)
        if old != new:
            on("Mul2", lambda f: _scale_anchors(f.inputs[1], shares))


def _set(numbers: Any, f: Any, change: Callable[[list[int], list[int]], list[int]]) -> None:
    numbers[:] = change(list(f.inputs[0].proto.shape.dim), list(numbers))


def _scale(parameter: Any, share: float) -> None:
    parameter.val = parameter.val * share


def _scale_anchors(anchors: Any, shares: Sequence[float]) -> None:
    """Width and height of the anchors are in cells' shares of the image, too; the loader keeps its own."""
    scaled = anchors.pv.variable_instance.d * np.reshape(shares, (1, 1, 2, 1, 1))
    anchors.variable = Variable.from_numpy_array(scaled, need_grad=anchors.pv.variable_instance.need_grad)
