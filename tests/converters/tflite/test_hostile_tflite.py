"""Damaged TFLite models, and those that say that they are huge: refused by name, in little time and memory."""

from __future__ import annotations

import struct
import sys
import time
from pathlib import Path

import flatbuffers
import numpy as np
import pytest

pytest.importorskip("tflite")

import tflite

from nnabla.converters.tflite import from_tflite
from nnabla.converters.tflite.flat_graph import FlatGraph
from nnabla.converters.tflite.flat_model import to_bytes
from nnabla.errors import FormatError

from ..refusals import largest

TOOLS = Path(__file__).resolve().parents[3] / "tools"


def model(code="ADD", shape=(2, 3), inputs=(), options="", data=None, out=(2, 3), **values):
    """A model of one operator, of x and constants."""
    g = FlatGraph()
    x = g.add(shape, "x")
    given = [x, *[g.constant(a, a.dtype) for a in inputs]]
    y = g.op(code, given, out, options, **values)
    g.tensors[y].name = "y"
    return to_bytes(g, [x], [y], "net")


def ints(*values):
    return np.asarray(values, np.int32)


def shared(count):
    """Many tensors of one buffer, each an input of an operator."""
    g = FlatGraph()
    x = g.add((1024,), "x")
    c = g.constant(np.arange(1024, dtype=np.float32))
    y = x
    for _ in range(count):
        g.tensors.append(g.tensors[c])
        y = g.op("ADD", [y, c], (1024,), "AddOptions")
    data = bytearray(to_bytes(g, [x], [y], "net"))
    return bytes(data)


def overlapping():
    """A table of operators that all share their rows, which are long."""
    b = flatbuffers.Builder(1024)
    row = b.CreateNumpyVector(np.zeros(4000, np.int32))
    tflite.OperatorStart(b)
    tflite.OperatorAddInputs(b, row)
    tflite.OperatorAddOutputs(b, row)
    operator = tflite.OperatorEnd(b)

    def tables(offsets):
        b.StartVector(4, len(offsets), 4)
        for offset in offsets:
            b.PrependUOffsetTRelative(offset)
        return b.EndVector()

    operators = tables([operator] * 2000)
    shape = b.CreateNumpyVector(np.ones(1, np.int32))
    tflite.TensorStart(b)
    tflite.TensorAddShape(b, shape)
    tensors = tables([tflite.TensorEnd(b)])
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, tensors)
    tflite.SubGraphAddOperators(b, operators)
    graphs = tables([tflite.SubGraphEnd(b)])
    tflite.OperatorCodeStart(b)
    codes = tables([tflite.OperatorCodeEnd(b)])
    tflite.ModelStart(b)
    tflite.ModelAddOperatorCodes(b, codes)
    tflite.ModelAddSubgraphs(b, graphs)
    b.Finish(tflite.ModelEnd(b), b"TFL3")
    return bytes(b.Output())


def changed(data, place, value):
    found = bytearray(data)
    found[place : place + 4] = struct.pack("<I", value)
    return bytes(found)


BIG = (2**31 - 1, 2**31 - 1)
HOSTILE = {
    "empty": (lambda: b"", "is no TFLite model"),
    "no model": (lambda: b"no model at all", "is no TFLite model"),
    "only a name": (lambda: b"\0\0\0\0TFL3", "it is damaged"),
    "root beyond": (lambda: changed(model(), 0, 2**31), "it is damaged: a number should stand at byte"),
    "huge input": (lambda: model("RELU", BIG), "than any memory holds"),
    "huge shape": (lambda: model("BROADCAST_TO", (1, 1), [ints(*BIG)]), "than any memory holds"),
    "huge tile": (lambda: model("TILE", (2, 3), [ints(*BIG)]), "than any memory holds"),
    "huge pad": (lambda: model("PAD", (2, 3), [np.full((2, 2), 2**30, np.int32)]), "than any memory holds"),
    "huge mirror": (lambda: model("MIRROR_PAD", (2, 2**30), [ints(0, 0, 2**29, 1).reshape(2, 2)], "MirrorPadOptions",
                                  Mode=1), "does not fit to an axis"),
    "huge resize": (lambda: model("RESIZE_BILINEAR", (1, 2, 2, 1), [ints(2**30, 2**30)], "ResizeBilinearOptions"),
                    "more than can be interpolated"),
    "rows": (overlapping, "its rows overlap too often"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_refused_in_little_time(name, tmp_path):
    make, message = HOSTILE[name]
    path = tmp_path / "m.tflite"
    path.write_bytes(make())
    start = time.process_time()
    with pytest.raises(FormatError, match=message) as error:
        from_tflite(path)
    assert time.process_time() - start < 5
    assert str(error.value).startswith(str(path))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts memory in the units of Linux")
def test_refused_in_little_memory(tmp_path):
    hostile = [make() for make, _ in HOSTILE.values()]
    assert largest("nnabla.converters.tflite.from_tflite", model("RELU"), hostile, tmp_path) < 200


def test_a_model_without_outputs():
    g = FlatGraph()
    with pytest.raises(FormatError, match="the model: it has no outputs"):
        from_tflite(to_bytes(g, [g.add((2, 3), "x")], [], "net"))


def test_an_input_that_is_left_out():
    g = FlatGraph()
    x = g.add((2, 3), "x")
    y = g.op("ADD", [-1, x], (2, 3), "AddOptions")
    with pytest.raises(FormatError, match="ADD '.*': input 0 is left out, which the operator needs"):
        from_tflite(to_bytes(g, [x], [y], "net"))


def test_arrays_that_are_read_often_are_read_once(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(shared(50))
    assert len(from_tflite(path).get_parameters(grad_only=False)) == 1


def test_truncated_models():
    data = model("ADD", inputs=[np.ones((2, 3), np.float32)], options="AddOptions")
    for size in range(8, len(data)):
        with pytest.raises(FormatError, match="the model"):
            from_tflite(data[:size])


# ---- changes at random -------------------------------------------------------------------------------------


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import fuzz_readers
    import tflite_models

    return fuzz_readers, tflite_models


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of memory by Linux's means")
def test_changed_models_are_read_or_refused(tools):
    """In less than a second (five on a slow CPU) and 200 MB each; see the tool for a hundred thousand of them."""
    assert tools[0].sweep("tflite", 2500, seed=3, slow=5) == []


def test_most_are_changed_where_they_hang_together(tools):
    fuzz, models = tools
    changed = [models.changed(n, np.random.RandomState((3, n)), fuzz.damaged) for n in range(500)]
    assert sum(inside for _, inside in changed) == 400
    assert len({data for data, _ in changed}) > 450
