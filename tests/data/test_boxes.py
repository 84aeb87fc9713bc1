"""Boxes of object detection: rectangles, label files, anchors."""

from __future__ import annotations

import numpy as np
import pytest

from nnabla.data.boxes import Grid, anchors_of
from nnabla.errors import ArgumentError, FormatError
from nnabla.utils.cli.create_object_detection_dataset import ObjectRect, load_label


def test_rectangles():
    box = ObjectRect(XYWH=(1, 2, 3, 4))
    assert box.rect.tolist() == [-0.5, 0, 2.5, 4]
    assert (box.left(), box.top(), box.right(), box.bottom()) == (-0.5, 0, 2.5, 4)
    assert (box.width(), box.height(), box.area()) == (3, 4, 12)
    assert (box.centerx(), box.centery(), box.center()) == (1, 2, (1, 2))
    assert ObjectRect(LRTB=(0.0, 0.5, -0.2, 2)).clip().rect.tolist() == [0, 0.5, 0, 1]
    assert ObjectRect().rect.tolist() == [0, 0, 0, 0]


def test_common_areas():
    """Those that meet as NNabla 1.39 has them; of others it gives -1.5 and even positive numbers."""
    first, half, away = (ObjectRect(XYWH=(x, 0.5, 1, 1)) for x in (0.5, 1.0, 3.0))
    assert (first.overlap(half), first.iou(half)) == (0.5, pytest.approx(1 / 3))
    assert (first.overlap(first), first.iou(first)) == (1, 1)
    assert (first.overlap(away), first.iou(away)) == (0, 0)
    assert first.overlap(ObjectRect(LRTB=(2, 2, 3, 3))) == 0
    assert ObjectRect().iou(ObjectRect()) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 .5 .5 .1", "line 1: an object is CLASS X Y WIDTH HEIGHT in numbers, not '0 .5 .5 .1'"),
        ("0 .5 .5 .1 .1\n# no\n", "line 2: an object is CLASS X Y"),
        ("0.5 .5 .5 .1 .1", "line 1: an object is CLASS"),
        ("-1 .5 .5 .1 .1", "line 1: an object is CLASS"),
        ("0 nan .5 .1 .1", "line 1: an object is CLASS"),
        ("0 .5 .5 0 .1", "line 1: width and height must be positive, not 0 and .1"),
    ],
)
def test_wrong_label_files(tmp_path, text, message):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(FormatError, match=message):
        load_label(tmp_path / "a.txt")


def test_label_files(tmp_path):
    (tmp_path / "a.txt").write_text("\ufeff0 .5 .25 .1 1e-1\n\n12\t1 0  .2 .2\n", encoding="utf-8")
    assert load_label(tmp_path / "a.txt") == [[0, 0.5, 0.25, 0.1, 0.1], [12, 1, 0, 0.2, 0.2]]
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="is no label file"):
        load_label(tmp_path / "a.txt")
    with pytest.raises(FileNotFoundError):
        load_label(tmp_path / "none.txt")


@pytest.mark.parametrize("count", range(1, 9))
def test_every_anchor_is_the_mean_of_the_boxes_next_to_it(count):
    """NNabla 1.39 gives NaN where a class loses its boxes, as it does here for most counts."""
    sizes = np.random.RandomState(0).uniform(0.02, 0.9, (8, 2))
    anchors = anchors_of(sizes, count)
    nearest = ((sizes[:, None] - anchors) ** 2).sum(-1).argmin(1)
    assert set(nearest) == set(range(count))
    np.testing.assert_allclose(anchors, [sizes[nearest == i].mean(0) for i in range(count)])
    assert (np.diff(anchors.prod(1)) >= 0).all()


def test_anchors_of_equal_boxes():
    assert anchors_of(np.full((5, 2), 0.25), 3).tolist() == [[0.25, 0.25]] * 3
    with pytest.raises(ArgumentError, match="between 1 and 5, as many as objects, not 6"):
        anchors_of(np.full((5, 2), 0.25), 6)


def test_places_of_objects():
    """Worked by hand: three columns, two rows, and anchors of a cell and of the whole image."""
    grid = Grid(3, 2, np.array([[1 / 3, 1 / 2], [1, 1]]))
    labels, places = grid.encode([[4, 0.5, 0.25, 1 / 3, 0.5], [5, 0.9, 0.9, 0.6, 0.6], [6, 2, 2, 0.5, 0.5]])
    assert labels.tolist() == [[-1, 4, -1], [-1, -1, 5], [-1, -1, -1], [-1, -1, -1]]
    np.testing.assert_allclose(places[0, 4:8], [0.5, 0.5, 0, 0], atol=1e-12)
    # Cut off at the edges it goes from 0.6 to 1 on both axes.
    np.testing.assert_allclose(places[1, 8:], [0.4, 0.6, np.log(1.2), np.log(0.8)], atol=1e-12)
    assert not places[2:].any()
