"""Event files are read back by TensorBoard itself."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.monitor import Monitor, MonitorImage, MonitorImageTile, MonitorSeries, MonitorTimeElapsed

pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import graph_pb2

from nnabla.experimental.tb_graph_writer import DT_FLOAT, TBGraphWriter


def events(folder):
    found = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0})
    found.Reload()
    return found


def test_graph(tmp_path):
    nn.clear_parameters()
    x = nn.Variable((8, 3))
    x.name = "x"
    h = F.relu(PF.affine(x, 4, name="fc"))
    a, b = F.split(h, axis=1)[:2]
    y = F.add2(F.relu(a), b)
    with TBGraphWriter(log_dir=str(tmp_path)) as writer:
        writer.from_variable(y, output_name="scores")
        writer.add_scalar("loss", 0.5, 7)
    found = events(tmp_path)
    graph = found.Graph()
    nodes = {node.name: (node.op, list(node.input)) for node in graph.node}
    assert nodes == {
        "x": ("Input", []),
        "fc/affine/W": ("Parameter", []),
        "fc/affine/b": ("Parameter", []),
        "fc/affine/Affine": ("Affine", ["x", "fc/affine/W", "fc/affine/b"]),
        "ReLU": ("ReLU", ["fc/affine/Affine"]),
        "Split": ("Split", ["ReLU"]),
        "ReLU_1": ("ReLU", ["Split"]),
        "Add2": ("Add2", ["ReLU_1", "Split:1"]),
        "scores": ("Output", ["Add2"]),
    }
    affine = next(node for node in graph.node if node.op == "Affine")
    assert [d.size for d in affine.attr["_output_shapes"].list.shape[0].dim] == [8, 4]
    assert affine.attr["base_axis"].s == b"1"
    assert [(e.step, e.value) for e in found.Scalars("loss")] == [(7, 0.5)]


def test_a_message_is_written_as_it_is(tmp_path):
    graph = graph_pb2.GraphDef()
    graph.node.add(name="n", op="Const")
    graph.node[0].attr["dtype"].type = DT_FLOAT
    with TBGraphWriter(str(tmp_path)) as writer:
        writer.from_graph_def(graph)
    assert events(tmp_path).Graph() == graph
    assert DT_FLOAT == 1


def test_bad_calls(tmp_path):
    with TBGraphWriter(str(tmp_path)) as writer:
        with pytest.raises(TypeError, match="from_variable: leaf must be a Variable, not int"):
            writer.from_variable(3)
        with pytest.raises(nn.errors.ArgumentError, match="no function leads to the variable"):
            writer.from_variable(nn.Variable((2,)))
        with pytest.raises(TypeError, match="from_graph_def: graph_def must be a GraphDef, not dict"):
            writer.from_graph_def({})


def test_monitors(tmp_path):
    monitor = Monitor(tmp_path, tensorboard=True)
    series = MonitorSeries("training loss", monitor, interval=2, verbose=False)
    timer = MonitorTimeElapsed("time", monitor, interval=3, verbose=False)
    for i in range(6):
        series.add(i, float(i))
        timer.add(i)
    images = np.random.RandomState(0).rand(3, 1, 8, 8)
    MonitorImage("images", monitor, interval=1, verbose=False).add(0, images)
    MonitorImageTile("tiles", monitor, interval=1, verbose=False).add(4, images)
    # Nothing waits for the end of the program.
    found = events(tmp_path)
    assert [(e.step, e.value) for e in found.Scalars("training loss")] == [(1, 0.5), (3, 2.5), (5, 4.5)]
    assert [e.step for e in found.Scalars("time")] == [2, 5]
    assert [e.step for e in found.Images("images")] == [0]
    assert [e.step for e in found.Images("tiles")] == [4]
    assert found.Images("images")[0].encoded_image_string.startswith(b"\x89PNG")
    assert (tmp_path / "training-loss.series.txt").read_text() == "1 0.5\n3 2.5\n5 4.5\n"
    monitor.board.close()


def test_without_it_no_event_file_is_written(tmp_path):
    MonitorSeries("loss", Monitor(tmp_path), verbose=False).add(0, 1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["loss.series.txt"]
