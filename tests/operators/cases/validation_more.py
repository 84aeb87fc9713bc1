"""Confusion matrices, error rates on equal scores, and boxes that suppress each other."""

from ..arrays import distinct, explicit, integers, uniform
from ..case import Case, case

# Center and lengths of overlapping and separate boxes, objectness, probabilities of two classes.
BOXES = [
    [0.5, 0.5, 0.4, 0.4, 0.9, 0.8, 0.1],
    [0.52, 0.5, 0.4, 0.4, 0.8, 0.2, 0.9],
    [0.1, 0.1, 0.1, 0.1, 0.7, 0.5, 0.5],
    [0.5, 0.52, 0.4, 0.4, 0.95, 0.9, 0.05],
    [0.12, 0.1, 0.12, 0.1, 0.6, 0.3, 0.6],
    [0.14, 0.1, 0.12, 0.1, 0.3, 0.9, 0.8],
]
CHAIN = [
    [0.2, 0.5, 0.2, 0.2, 0.9, 0.9],
    [0.28, 0.5, 0.2, 0.2, 0.8, 0.9],
    [0.36, 0.5, 0.2, 0.2, 0.7, 0.9],
    [0.36, 0.5, 0.2, 0.2, 0.7, 0.9],
]
CORNERS = [[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11], [0, 10.1, 1, 11.1], [0, 100, 1, 101]]
SCORES = [0.9, 0.75, 0.6, 0.95, 0.5, 0.3]


def detection(boxes: list, **args: object) -> Case:
    """Suppression in two samples: the boxes, and the boxes the other way round."""
    return case("nms_detection2d", explicit([boxes, boxes[::-1]]), args=args, grad=())


def selection(boxes: list, scores: list, **args: object) -> Case:
    """Selection of boxes; `scores` is a list for each class of each sample."""
    return case("onnx_non_max_suppression", explicit(boxes), explicit(scores), args=args, grad=())


CASES = [
    case("confusion_matrix", distinct(6, 4), integers(6, 1, high=4), grad=()),
    case("confusion_matrix", distinct(40, 3), integers(40, 1, high=3), grad=()),
    case("confusion_matrix", distinct(3, 4, 5), integers(3, 1, 5, high=4), args={"axis": 1}, grad=()),
    case("confusion_matrix", distinct(3, 4, 5), integers(3, 1, 5, high=4), args={"axis": -2}, grad=()),
    case("confusion_matrix", distinct(4, 3), integers(1, 3, high=4), args={"axis": 0}, grad=()),
    case(
        "confusion_matrix",
        explicit([[1, 1, 0], [0, 0, 0], [0, 1, 1]]),
        explicit([[0], [1.9], [2]], real=False),
        grad=(),
    ),
    case("confusion_matrix", distinct(6, 4), integers(6, high=4), grad=()),
    case("confusion_matrix", distinct(6, 4), integers(6, 1, high=4), args={"axis": 2}, grad=()),
    case(
        "top_n_error", explicit([[1, 1, 1, 0]] * 4), explicit([[0], [1], [2], [3]], real=False), args={"n": 3}, grad=()
    ),
    case("top_n_error", distinct(6, 4), integers(6, 1, high=4), args={"n": 0}, grad=()),
    case("top_n_error", distinct(64, 20), integers(64, 1, high=20), args={"n": 5}, grad=()),
    case("binary_error", uniform(40, 5, low=-1.0, high=2.0), uniform(40, 5, low=-1.0, high=2.0), grad=()),
    detection(BOXES),
    detection(BOXES, nms_per_class=False),
    detection(BOXES, thresh=0.1, nms=0.3),
    detection(BOXES, thresh=0.1, nms=0.3, nms_per_class=False),
    detection(BOXES, thresh=0.7),
    detection(BOXES, nms=1.0),
    detection(CHAIN, nms=0.3, thresh=0.1),
    detection(CHAIN, nms=0.3, thresh=0.1, nms_per_class=False),
    case("nms_detection2d", uniform(3, 20, 8, low=0.0, high=1.0), args={"thresh": 0.2}, grad=()),
    case(
        "nms_detection2d",
        uniform(3, 20, 8, low=0.0, high=1.0),
        args={"thresh": 0.2, "nms": 0.3, "nms_per_class": False},
        grad=(),
    ),
    case("nms_detection2d", uniform(5, 7, low=0.0, high=1.0), grad=()),
    case("nms_detection2d", uniform(1, 5, 5, low=0.0, high=1.0), grad=()),
    selection([CORNERS], [[SCORES]], max_output_boxes_per_class=3, iou_threshold=0.5),
    selection([CORNERS], [[SCORES]], max_output_boxes_per_class=1, iou_threshold=0.5),
    selection([CORNERS], [[SCORES]], max_output_boxes_per_class=9, iou_threshold=0.9),
    selection([CORNERS], [[SCORES]], max_output_boxes_per_class=3, iou_threshold=0.5, score_threshold=0.4),
    selection([CORNERS], [[SCORES]], iou_threshold=0.5),
    selection([CORNERS] * 2, [[SCORES, SCORES[::-1]]] * 2, max_output_boxes_per_class=2, iou_threshold=0.5),
    selection([[[1, 1, 0, 0], [0, 0.1, 1, 1.1]]], [[[0.9, 0.75]]], max_output_boxes_per_class=3, iou_threshold=0.5),
    selection(
        [[[0.5, 0.5, 1, 1], [0.5, 0.6, 1, 1], [0.5, 10.5, 1, 1]]],
        [[[0.9, 0.75, 0.95]]],
        max_output_boxes_per_class=3,
        iou_threshold=0.5,
        center_point_box=1,
    ),
    case(
        "onnx_non_max_suppression",
        uniform(2, 20, 4, low=0.0, high=1.0),
        distinct(2, 3, 20, low=0.0, high=1.0),
        args={"max_output_boxes_per_class": 10, "iou_threshold": 0.2, "score_threshold": 0.3},
        grad=(),
    ),
    selection([CORNERS], [[SCORES[:2]]]),
    selection([CORNERS], [[SCORES]], center_point_box=2),
    selection([CORNERS], [[SCORES]], max_output_boxes_per_class=-1),
]
