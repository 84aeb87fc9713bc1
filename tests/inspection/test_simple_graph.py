"""Pictures of live graphs: with graphviz and without, in files, viewers and notebooks."""

from __future__ import annotations

import shutil
import webbrowser
import xml.etree.ElementTree as ET

import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.experimental.viewers import SimpleGraph


@pytest.fixture
def y():
    x = nn.Variable((2, 3, 8, 8))
    x.name = "image"
    h = PF.batch_normalization(PF.convolution(x, 4, (3, 3), name="c"), name="b")
    return F.add2(F.relu(h), F.tanh(h))


@pytest.fixture
def without_graphviz(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)


def texts(path):
    return [element.text for element in ET.parse(path).iter() if element.tag.endswith("}text")]


@pytest.mark.usefixtures("without_graphviz")
def test_own_layout(y, tmp_path):
    path = SimpleGraph(format="svg").save(y, str(tmp_path / "deep" / "graph"), cleanup=True)
    assert path == str(tmp_path / "deep" / "graph.svg")
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["graph.svg"]
    found = texts(path)
    assert {"image", "Convolution", "c/conv", "W", "b", "BatchNormalization", "b/bn", "gamma", "Tanh"} <= set(found)
    assert found.count("h") == 5 and not any("kernel" in text or "need_grad" in text for text in found)


@pytest.mark.usefixtures("without_graphviz")
def test_verbose(y, tmp_path):
    path = SimpleGraph(format="svg", verbose=True).save(y, str(tmp_path / "graph"))
    found = texts(path)
    assert "((2, 3, 8, 8), need_grad=False))" in " ".join(found)
    assert any('"inplace": false' in text for text in found)
    assert any('"stride": [1, 1]' in text for text in found)
    assert (tmp_path / "graph").read_text().startswith("digraph {")


@pytest.mark.usefixtures("without_graphviz")
def test_long_arguments_stand_on_several_lines_and_text_can_be_read(y, tmp_path):
    x = nn.Variable((2, 3, 8, 8))
    h = PF.convolution(x, 4, (3, 3), name="d")
    path = SimpleGraph(format="svg", verbose=True).save(h, str(tmp_path / "graph"))
    found = texts(path)
    start = next(i for i, text in enumerate(found) if "base_axis" in text)
    entries = found[start : start + 3]
    assert " ".join(entries).startswith('({"base_axis": 1, "pad": [0, 0], "stride": [1, 1], "dilation": [1, 1]')
    assert max(map(len, entries)) <= 44
    nodes = SimpleGraph(fname_color_map={"Add2": "#ffffe0", "Tanh": "#000080"}).diagram(y).nodes
    colors = {node.lines[0]: node.text_color for node in nodes.values() if node.box}
    expected = {
        "Convolution": "white",
        "BatchNormalization": "black",
        "ReLU": "black",
        "Tanh": "white",
        "Add2": "black",
    }
    assert colors == expected
    assert {node.text_color for node in nodes.values() if not node.box} == {"black"}
    source = (tmp_path / "graph").read_text()
    assert 'fontcolor="white"' in source
    # SVG's own purple is darker than graphviz'.
    SimpleGraph(format="svg").save(y, str(tmp_path / "other"))
    assert 'fill="#a020f0"' in (tmp_path / "other.svg").read_text()


def test_colors(y):
    nodes = SimpleGraph().diagram(y).nodes
    by_type = {key: node.color for key, node in nodes.items() if node.box}
    expected = {"Convolution-1": "blue", "BatchNormalization-1": "orange", "ReLU-1": "green", "Tanh-1": "gray"}
    assert by_type == {**expected, "Add2-1": "purple"}
    parameters = [node for node in nodes.values() if node.color == "pink"]
    assert sorted((node.lines[0], node.border) for node in parameters) == [
        *[("W", "black"), ("b", "black"), ("beta", "black"), ("gamma", "black"), ("mean", "pink"), ("var", "pink")]
    ]
    graph = SimpleGraph(fname_color_map={"ReLU-1": "cyan", "Tanh": "navy"}, vname_color_map={"image": "yellow"})
    nodes = graph.diagram(y).nodes
    assert (nodes["ReLU-1"].color, nodes["Tanh-1"].color, nodes["Add2-1"].color) == ("cyan", "navy", "purple")
    assert [node.color for node in nodes.values() if node.lines == ("image",)] == ["yellow"]


def test_given_parameters(y):
    p = nn.Variable((2, 2))
    nodes = SimpleGraph().diagram(F.add2(p, nn.Variable((2, 2))), params={"foo/bar": p}).nodes
    assert nodes["Add2-1"].lines == ("Add2", "foo")
    assert [node.color for node in nodes.values() if node.lines == ("bar",)] == ["pink"]


def test_png_by_graphviz(y, tmp_path):
    if shutil.which("dot") is None:
        pytest.skip("the program dot of graphviz is not installed")
    path = SimpleGraph().save(y, str(tmp_path / "graph"))
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG") and path.endswith("graph.png")


@pytest.mark.usefixtures("without_graphviz")
def test_view(y, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    found = SimpleGraph(format="svg").view(y, str(tmp_path / "graph"))
    assert opened == [f"file://{tmp_path / 'graph.svg'}"]
    assert found._repr_svg_() == (tmp_path / "graph.svg").read_text()
    assert repr(found) == f"<View of 17 nodes in {tmp_path / 'graph.svg'}>"
    assert SimpleGraph(format="svg").view(y).path.endswith("graph.svg")


def test_digraph_needs_its_package(y, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "graphviz", None)
    with pytest.raises(ImportError, match=r"create_graphviz_digraph needs graphviz: pip install 'nnabla\[graphviz\]'"):
        SimpleGraph().create_graphviz_digraph(y)


def test_bad_calls(y, tmp_path):
    with pytest.raises(TypeError, match="SimpleGraph: vleaf must be a Variable, not int"):
        SimpleGraph().diagram(3)
    with pytest.raises(nn.errors.ArgumentError, match="format must be one of"):
        SimpleGraph(format="bmp").save(y, str(tmp_path / "graph"))
    assert list(tmp_path.iterdir()) == []
