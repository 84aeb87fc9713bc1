"""Damaged ONNX models, and those that say that they are huge: refused by name, in little time and memory."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper

from nnabla.converters.onnx import from_onnx
from nnabla.errors import FormatError

from ...cpu_time import takes_at_most
from ..refusals import largest
from .making import model, node

TOOLS = Path(__file__).resolve().parents[3] / "tools"
HUGE = np.array([2**40, 2**20])


def deep_branches(depth: int) -> ModelProto:
    inner = [node("Relu", ["x"], ["y0"])]
    for i in range(depth):
        graph = helper.make_graph(inner, "g", [], [helper.make_tensor_value_info(f"y{i}", 1, None)])
        inner = [node("If", ["yes"], [f"y{i + 1}"], then_branch=graph, else_branch=graph)]
        if i > 5:  # else it grows by powers of two
            next(a for a in inner[0].attribute if a.name == "else_branch").g.Clear()
    return model(inner, {"x": [2]}, [f"y{depth}"], {"yes": np.array(True)})


def functions_of_functions(width: int) -> ModelProto:
    """Each calls the one before many times."""
    functions = []
    for i in range(16):
        domain = "own" if i else ""
        nodes = [node(f"F{i - 1}" if i else "Relu", ["p" if j == 0 else f"u{j - 1}"], [f"u{j}"], domain=domain)
                 for j in range(width)]  # fmt: skip
        opsets = [helper.make_opsetid("own", 1), helper.make_opsetid("", 21)]
        functions.append(helper.make_function("own", f"F{i}", ["p"], [f"u{width - 1}"], nodes, opsets))
    return model([node("F15", ["x"], ["y"], domain="own")], {"x": [2]}, ["y"], functions=functions)


def endless() -> ModelProto:
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [node("Identity", ["go"], ["on"]), node("Relu", ["v"], ["w"])],
        "body",
        [info("i", TensorProto.INT64, []), info("go", TensorProto.BOOL, []), info("v", 1, [2])],
        [info("on", TensorProto.BOOL, []), info("w", 1, [2])],
    )
    arrays = {"times": np.int64(2**62), "yes": np.array(True)}
    return model([node("Loop", ["times", "yes", "x"], ["y"], body=body)], {"x": [2]}, ["y"], arrays)


def doubled() -> ModelProto:
    """A known array that becomes twice as large again and again."""
    nodes = [node("Concat", ["a0", "a0"], ["a1"], axis=0)]
    nodes += [node("Concat", [f"a{i}", f"a{i}"], [f"a{i + 1}"], axis=0) for i in range(1, 60)]
    return model([*nodes, node("Add", ["x", "a60"], ["y"])], {"x": [1]}, ["y"], {"a0": np.ones(1024, np.float32)})


def claiming(**facts) -> ModelProto:
    source = model([node("Add", ["x", "w"], ["y"])], {"x": [2, 6]}, ["y"], {"w": np.ones((2, 6), np.float32)})
    weight = source.graph.initializer[0]
    for name, value in facts.items():
        weight.ClearField(name)
        if isinstance(value, list):
            getattr(weight, name).extend(value)
        else:
            setattr(weight, name, value)
    return source


def of_one(op, *inputs, arrays, shape=(2, 3), **attributes) -> ModelProto:
    return model([node(op, ["x", *inputs], ["y"], **attributes)], {"x": list(shape)}, ["y"], arrays)


HOSTILE = {
    "deep branches": (lambda: deep_branches(30), "inside of each other more than 24 times"),
    "functions of functions": (lambda: functions_of_functions(4), "written out, are too large"),
    "wide functions": (lambda: functions_of_functions(40), "written out, are too large"),
    "endless loop": (endless, "written out, are too large"),
    "doubled": (doubled, "more elements than any memory holds|shape"),
    "claims more": (lambda: claiming(dims=[2**40, 2**20]), "should have"),
    "claims less": (lambda: claiming(dims=[2]), "should have 8 entries or bytes, not 48"),
    "negative": (lambda: claiming(dims=[-2, -6]), "has shape"),
    "many axes": (lambda: claiming(dims=[1] * 100), "has shape"),
    "text": (lambda: claiming(data_type=TensorProto.STRING), "is of type STRING"),
    "no such type": (lambda: claiming(data_type=99), "is of type number 99"),
    "huge input": (lambda: model([node("Relu", ["x"], ["y"])], {"x": [2**40, 2**40]}, ["y"]), "than any memory holds"),
    "expand": (lambda: of_one("Expand", "to", arrays={"to": HUGE}, shape=(1, 1)), "than any memory holds"),
    "tile": (lambda: of_one("Tile", "n", arrays={"n": HUGE}), "than any memory holds"),
    "pad": (lambda: of_one("Pad", "n", arrays={"n": np.array([2**50] * 4)}), "than any memory holds"),
    "wrap": (lambda: of_one("Pad", "n", arrays={"n": np.array([2**50] * 4)}, mode="wrap"), "too large"),
    "one hot": (lambda: of_one("OneHot", "n", "v", arrays={"n": np.int64(2**60), "v": np.float32([0, 1])}), "memory"),
    "resize": (lambda: of_one("Resize", "", "", "n", arrays={"n": HUGE}), "Resize 'y'"),
    "range": (
        lambda: model([node("Range", ["a", "b", "c"], ["r"]), node("Add", ["x", "r"], ["y"])], {"x": [1]}, ["y"],
                      {"a": np.int64(0), "b": np.int64(2**60), "c": np.int64(1)}), "its result is too large"),
    "reflect": (lambda: of_one("Pad", "n", arrays={"n": np.array([0, 0, 0, 2**30])}, mode="reflect"), "is too large"),
    "windows": (lambda: of_one("AveragePool", arrays={}, shape=(1, 1, 2**30, 4), kernel_shape=[2, 2],
                               pads=[0, 0, 1, 1]), "are too many"),
    "elements": (lambda: model([node("Hardmax", ["x"], ["y"], axis=0)], {"x": [2**30]}, ["y"]), "is too large"),
    "slow window": (lambda: of_one("MaxPool", arrays={}, shape=(1, 1, 4096, 4096), kernel_shape=[2000, 2000],
                                   dilations=[2, 2]), "a window of 4000000 elements with gaps is too large"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_refused_in_little_time(name, tmp_path):
    make, message = HOSTILE[name]
    path = tmp_path / "m.onnx"
    path.write_bytes(make().SerializeToString())

    def read():
        with pytest.raises(FormatError, match=message) as error:
            from_onnx(path)
        assert str(error.value).startswith(str(path))

    # It is 0.5 at most; a bomb that goes off takes minutes.
    assert takes_at_most(5, read)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts memory in the units of Linux")
def test_refused_in_little_memory(tmp_path):
    sound = model([node("Relu", ["x"], ["y"])], {"x": [2]}, ["y"]).SerializeToString()
    hostile = [make().SerializeToString() for make, _ in HOSTILE.values()]
    assert largest("nnabla.converters.onnx.from_onnx", sound, hostile, tmp_path) < 200


@pytest.mark.parametrize(
    "data", [b"", b"no model", b"\x0a" * 999, NodeProto(op_type="Relu").SerializeToString()], ids=range(4)
)
def test_what_is_no_model(tmp_path, data):
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(FormatError, match="m.onnx: "):
        from_onnx(tmp_path / "m.onnx")


def test_a_name_that_is_not_in_utf_8(tmp_path):
    data = model([node("Strange", ["x"], ["y"], name="nodename")], {"x": [2]}, ["y"]).SerializeToString()
    (tmp_path / "m.onnx").write_bytes(data.replace(b"nodename", b"nodenam\xff"))
    with pytest.raises(FormatError, match="m.onnx"):
        from_onnx(tmp_path / "m.onnx")


def test_truncated_models(tmp_path):
    data = claiming().SerializeToString()
    path = tmp_path / "m.onnx"
    refused = 0
    for size in range(len(data)):
        path.write_bytes(data[:size])
        try:
            from_onnx(path)  # what is left may be a model that needs less
        except FormatError as error:
            assert "m.onnx: " in str(error) or "m.onnx cannot be read" in str(error)
            refused += 1
    assert refused > 0.9 * len(data)


# ---- changes at random -------------------------------------------------------------------------------------


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import fuzz_readers
    import onnx_models

    return fuzz_readers, onnx_models


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of memory by Linux's means")
@pytest.mark.parametrize("first", [0, pytest.param(2500, marks=pytest.mark.heavy)])
def test_changed_models_are_read_or_refused(tools, first):
    """In less than a second (five on a slow CPU) and 200 MB each; see the tool for a hundred thousand of them."""
    assert tools[0].sweep("onnx", 2500, seed=3, first=first, slow=5) == []


def test_most_are_changed_inside_of_messages(tools):
    fuzz, models = tools
    changed = [models.changed(n, np.random.RandomState((3, n)), fuzz.damaged) for n in range(500)]
    assert sum(inside for _, inside in changed) > 390
    assert len({data for data, _ in changed}) > 450
