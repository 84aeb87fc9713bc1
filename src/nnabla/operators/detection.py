"""Suppression of boxes that overlap a better one, in object detection."""

from __future__ import annotations

from types import MappingProxyType

import torch
from torch import Tensor

from ..errors import ShapeError
from ..graph.argument import Bool, Int, Single, not_negative
from ..graph.operator import Operator, Shape, operator


def overlaps(corners: Tensor) -> Tensor:
    """Area of the intersection over that of the union of each two boxes.

    Args:
        corners: shape ``(N, 4)``: lower and upper end along one axis, then along the other:
            ``(a_low, b_low, a_high, b_high)``.

    Returns:
        Shape ``(N, N)``; 0 for two boxes without area.
    """
    low, high = corners[:, :2], corners[:, 2:]
    area = (high - low).clamp_min(0).prod(1)
    sides = torch.minimum(high[:, None], high[None]) - torch.maximum(low[:, None], low[None])
    shared = sides.clamp_min(0).prod(2)
    union = area[:, None] + area[None] - shared
    return torch.where(union > 0, shared / union, 0)


def from_centers(boxes: Tensor) -> Tensor:
    """Corners of boxes that are given by center and lengths, ``(N, 4)``."""
    center, half = boxes[:, :2], boxes[:, 2:] / 2
    return torch.cat([center - half, center + half], 1)


def survivors(scores: Tensor, collide: Tensor, candidates: Tensor) -> Tensor:
    """Go through boxes from the highest score down, and drop all that collide with one that is kept.

    Args:
        scores: shape ``(C, N)``: for each class, scores of all boxes; of equal ones the first comes first.
        collide: shape ``(N, N)``: whether two boxes overlap too much.
        candidates: shape ``(C, N)``: boxes that count at all.

    Returns:
        Shape ``(C, N)``: whether a box is kept.
    """
    ranks = torch.where(candidates, scores, -torch.inf).sort(dim=1, descending=True, stable=True).indices
    alive = candidates.clone()
    rows = torch.arange(len(scores), device=scores.device)
    for rank in range(int(candidates.sum(1).max()) if candidates.numel() else 0):
        box = ranks[:, rank]
        keeps = alive[rows, box]
        alive &= ~(collide[box] & keeps[:, None])
        alive[rows, box] = keeps
    return alive


@operator("NmsDetection2d", "nms_detection2d", 1220)
class NmsDetection2d(Operator):
    r"""Suppress the scores of boxes that overlap a better one.

    The score of box :math:`n` for class :math:`c` is :math:`o_n p_{n, c}`, objectness times class
    probability; objectness, and then scores, below `thresh` become 0. Two boxes :math:`A` and :math:`B`
    overlap by :math:`|A \cap B| / |A \cup B|`.

    Inputs:
        x: shape ``(B, N, 5 + C)`` for `N` boxes and `C` classes: center and lengths ``x, y, w, h``,
            objectness, class probabilities.
    Args:
        thresh: least score; default: 0.5.
        nms: overlap above which the lower score is suppressed; default: 0.45.
        nms_per_class: whether to do so for each class by its score (default); else by objectness: all scores
            of a box become 0 that overlaps one of higher objectness, be that suppressed itself or not.
    Returns:
        Shape of `x`: boxes, objectness, and scores of the classes.
    Raises:
        ShapeError: `x` has not three axes, or a last one of 5 or less.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> boxes = [[[0.5, 0.5, 0.4, 0.4, 1.0, 0.9], [0.52, 0.5, 0.4, 0.4, 1.0, 0.8]]]
        >>> F.nms_detection2d(nn.NdArray.from_numpy_array(boxes)).data[0, :, 5]
        array([0.9, 0. ], dtype=float32)

    Source: J. Redmon and A. Farhadi, "YOLO9000", arXiv:1612.08242.
    """

    thresh = Single(None, "Least score; default: 0.5.")
    nms = Single(None, "Overlap above which the lower score is suppressed; default: 0.45.")
    nms_per_class = Bool(None, "Whether to suppress scores for each class; default: True.")
    full_precision = True
    differentiable = False

    def output_shape(self, x: Shape) -> Shape:
        self.thresh = 0.5 if self.thresh is None else self.thresh
        self.nms = 0.45 if self.nms is None else self.nms
        self.nms_per_class = True if self.nms_per_class is None else self.nms_per_class
        if len(x) != 3 or x[2] <= 5:
            raise ShapeError(f"nms_detection2d: x must have shape (batch, boxes, 5 + classes), not {x}")
        return x

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self._suppressed(sample) for sample in x]) if len(x) else x.clone()

    def _suppressed(self, x: Tensor) -> Tensor:
        collide = overlaps(from_centers(x[:, :4])) > self.nms
        objectness = torch.where(x[:, 4:5] < self.thresh, 0, x[:, 4:5])
        if not self.nms_per_class:
            # A box of equal objectness counts as better if it comes first.
            rank = objectness[:, 0].sort(descending=True, stable=True).indices.argsort()
            better = rank[:, None] > rank[None]
            objectness = torch.where((collide & better).any(1, keepdim=True), 0, objectness)
        scores = objectness * x[:, 5:]
        scores = torch.where(scores < self.thresh, 0, scores)
        if self.nms_per_class:
            by_class = scores.t().contiguous()
            scores = torch.where(survivors(by_class, collide, by_class != 0).t(), scores, 0)
        return torch.cat([x[:, :4], objectness, scores], 1)


@operator("ONNXNonMaxSuppression", "onnx_non_max_suppression", 1221)
class ONNXNonMaxSuppression(Operator):
    r"""Which boxes are left when those are dropped that overlap a better one of the same class.

    Two boxes :math:`A` and :math:`B` overlap by :math:`|A \cap B| / |A \cup B|`. Boxes are looked at in
    the order of their scores.

    Inputs:
        boxes: shape ``(B, N, 4)``: two opposite corners ``y1, x1, y2, x2``, or center and lengths ``x, y, w,
            h``.
        scores: shape ``(B, C, N)``: a score of each box for each class.
    Args:
        center_point_box: 0 (default) for corners, 1 for center and lengths.
        max_output_boxes_per_class: how many boxes of a class and sample are selected at most; default: 0.
        iou_threshold: overlap above which the lower score is dropped; default: 0.
        score_threshold: least score; default: 0.
    Returns:
        Shape ``(number of selected boxes, 3)``, 64 bit integers: index of sample, class and box; the best of
        a class first. The number is known after forward.
    Raises:
        ShapeError: the shapes do not fit.
        ArgumentError: `center_point_box` is neither 0 nor 1, or the number of boxes is negative.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> boxes = nn.NdArray.from_numpy_array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 10, 1, 11]]])
        >>> scores = nn.NdArray.from_numpy_array([[[0.7, 0.8, 0.9]]])
        >>> F.onnx_non_max_suppression(boxes, scores, 0, 3, 0.5).data
        array([[0, 0, 2],
               [0, 0, 1]])

    Source: ONNX operator reference, ``NonMaxSuppression``.
    """

    output_types = MappingProxyType({0: torch.int64})

    center_point_box = Int(None, "0: corners, 1: center and lengths; default: 0.", choices=(0, 1))
    max_output_boxes_per_class = Int(None, "How many boxes at most; default: 0.", check=not_negative)
    iou_threshold = Single(None, "Overlap above which the lower score is dropped; default: 0.")
    score_threshold = Single(None, "Least score; default: 0.")
    full_precision = True
    differentiable = False
    dynamic_shape = True

    def output_shape(self, boxes: Shape, scores: Shape) -> Shape:
        self.center_point_box = self.center_point_box or 0
        self.max_output_boxes_per_class = self.max_output_boxes_per_class or 0
        self.iou_threshold = self.iou_threshold or 0.0
        self.score_threshold = self.score_threshold or 0.0
        name = "onnx_non_max_suppression"
        if len(boxes) != 3 or boxes[2] != 4:
            raise ShapeError(f"{name}: boxes must have shape (batch, boxes, 4), not {boxes}")
        if len(scores) != 3 or (scores[0], scores[2]) != boxes[:2]:
            raise ShapeError(f"{name}: scores must have shape ({boxes[0]}, classes, {boxes[1]}), not {scores}")
        self._most = self.max_output_boxes_per_class
        return (boxes[0] * scores[1] * min(self._most, boxes[1]), 3)

    def forward(self, boxes: Tensor, scores: Tensor) -> Tensor:
        found = [torch.zeros((0, 3), dtype=torch.int64, device=scores.device)]
        for sample in range(len(boxes)):
            corners = from_centers(boxes[sample]) if self.center_point_box else self._sorted(boxes[sample])
            collide = overlaps(corners) > self.iou_threshold
            score = scores[sample]
            kept = survivors(score, collide, score >= self.score_threshold)
            ranks = torch.where(kept, score, -torch.inf).sort(dim=1, descending=True, stable=True).indices
            for label, count in enumerate(kept.sum(1).clamp_max(self._most).tolist()):
                box = ranks[label, :count]
                found.append(torch.stack([torch.full_like(box, sample), torch.full_like(box, label), box], 1))
        return torch.cat(found)

    @staticmethod
    def _sorted(boxes: Tensor) -> Tensor:
        """Lower ends first, whichever corners are given."""
        first, second = boxes[:, :2], boxes[:, 2:]
        return torch.cat([torch.minimum(first, second), torch.maximum(first, second)], 1)
