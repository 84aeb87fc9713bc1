"""Layout and SVG of diagrams: nothing overlaps, edges go down, crossings are few, texts arrive."""

from __future__ import annotations

import random
import shutil
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.inspection.drawing import Diagram, Node, svg, write_picture
from nnabla.inspection.drawing.diagram import network_diagram
from nnabla.inspection.drawing.layout import GAP_X, layered


def random_graph(seed):
    rng = random.Random(seed)
    keys = [f"n{i}" for i in range(rng.randint(1, 60))]
    sizes = {key: (rng.uniform(10, 120), rng.uniform(10, 40)) for key in keys}
    edges = [(keys[rng.randrange(i)], keys[i]) for i in range(1, len(keys)) for _ in range(rng.choice([0, 1, 1, 2, 3]))]
    return sizes, edges


@pytest.mark.parametrize("seed", range(25))
def test_nodes_do_not_overlap_and_edges_go_down(seed):
    sizes, edges = random_graph(seed)
    layout = layered(sizes, edges)
    boxes = [(x, y, *sizes[key]) for key, (x, y) in layout.centers.items()]
    for i, (x, y, width, height) in enumerate(boxes):
        assert x - width / 2 >= -1e-6 and x + width / 2 <= layout.width + 1e-6
        assert y - height / 2 >= -1e-6 and y + height / 2 <= layout.height + 1e-6
        for x1, y1, width1, height1 in boxes[:i]:
            apart_x = abs(x - x1) - (width + width1) / 2
            apart_y = abs(y - y1) - (height + height1) / 2
            assert apart_x > GAP_X - 1e-6 or apart_y > 0
    for edge in edges:
        points = [layout.centers[edge[0]], *layout.bends[edge], layout.centers[edge[1]]]
        assert all(above[1] < below[1] for above, below in pairwise(points))


def test_a_chain_is_straight_and_a_bow_goes_around_it():
    layout = layered(dict.fromkeys("abcd", (20.0, 10.0)), [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")])
    assert len(layout.bends["a", "d"]) == 2
    assert layout.bends["a", "b"] == []
    assert layout.centers["b"][0] == pytest.approx(layout.centers["c"][0])


def test_crossings_are_undone():
    """Two chains whose nodes come in the wrong order: side by side there is none."""
    layout = layered(dict.fromkeys(("a", "b", "b1", "a1"), (10.0, 10.0)), [("a", "a1"), ("b", "b1")])
    assert (layout.centers["a"][0] < layout.centers["b"][0]) == (layout.centers["a1"][0] < layout.centers["b1"][0])


def test_sources_stand_beside_what_reads_them():
    layout = layered(
        dict.fromkeys("xfygwz", (10.0, 10.0)), [("x", "f"), ("f", "y"), ("y", "g"), ("w", "g"), ("g", "z")]
    )
    assert layout.centers["w"][1] == layout.centers["y"][1]


def test_bad_graphs_are_refused():
    with pytest.raises(ValueError, match="form a circle"):
        layered(dict.fromkeys("ab", (1.0, 1.0)), [("a", "b"), ("b", "a")])
    with pytest.raises(ValueError, match="unknown node 'c'"):
        layered({"a": (1.0, 1.0)}, [("a", "c")])


def test_large_graphs_take_seconds():
    """A thousand functions in a row, each with two parameters and a bow over ten others."""
    sizes = {f"f{i}": (60.0, 30.0) for i in range(1000)} | {f"p{i}": (30.0, 20.0) for i in range(2000)}
    edges = [(f"f{i}", f"f{i + 1}") for i in range(999)] + [(f"p{i}", f"f{i // 2}") for i in range(2000)]
    edges += [(f"f{i}", f"f{i + 10}") for i in range(0, 990, 10)]
    assert len(layered(sizes, edges).centers) == 3000


def lenet():
    x = nn.Variable((4, 1, 8, 8))
    h = F.relu(PF.convolution(x, 3, (3, 3), name="conv"))
    y = PF.affine(h, 10, name="affine")
    return nn.graph_def.create_graph_from_variable("net", y, names={"x": x, "y": y})["net"]


def test_a_network_in_svg():
    root = ET.fromstring(svg(network_diagram(lenet())))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"x", "y", "W", "b", "Convolution", "ReLU", "Affine", "4 × 1 × 8 × 8"} <= set(texts)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == 3 + 1  # functions and the ground
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) == 10 + 1  # edges and the arrow's head


def test_texts_are_escaped():
    diagram = Diagram()
    diagram.add(Node("a", ('<script> & "quotes" \\n',), tooltip="</title>"))
    root = ET.fromstring(svg(diagram))
    assert next(root.iter("{http://www.w3.org/2000/svg}text")).text == '<script> & "quotes" \\n'
    assert ET.fromstring(svg(Diagram())) is not None


def test_without_graphviz_svg_is_written(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(nn.logger, "propagate", True)
    path = write_picture(network_diagram(lenet()), str(tmp_path / "new" / "net"), "png")
    assert path == str(tmp_path / "new" / "net.svg")
    ET.parse(path)
    assert "graphviz is not installed" in caplog.text


def test_dot(tmp_path):
    diagram = Diagram()
    diagram.add(Node("a", ('say "a"',)))
    diagram.add(Node("b", ("b", "\\two"), box=True))
    diagram.connect("a", "b")
    with open(write_picture(diagram, str(tmp_path / "d"), "dot")) as file:
        text = file.read()
    assert 'label="say \\"a\\""' in text and 'label="b\\n\\\\two"' in text and "n0 -> n1" in text


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
def test_graphviz_reads_it(tmp_path):
    with open(write_picture(network_diagram(lenet()), str(tmp_path / "net"), "png"), "rb") as file:
        assert file.read(4) == b"\x89PNG"


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(nn.errors.ArgumentError, match="format must be one of png, svg, .*, not 'bmp'"):
        write_picture(Diagram(), str(tmp_path / "a"), "bmp")
