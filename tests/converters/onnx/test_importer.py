"""ONNX models as networks: names, shapes that are worked out, open batch, branches, functions, and what is refused."""

from __future__ import annotations

import logging

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import nnabla as nn
from nnabla.converters.onnx import from_onnx, save
from nnabla.errors import ArgumentError, FormatError

from ..case_networks import computed
from .making import model, node

X = np.arange(12, dtype=np.float32).reshape(2, 6)


def flattened(batch, **facts):
    """A Reshape to what Shape, Gather, Unsqueeze and Concat make of the shape."""
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"], axis=0),
        node("Unsqueeze", ["n", "front"], ["n1"]),
        node("Cast", ["n1"], ["n2"], to=TensorProto.INT64),
        node("Concat", ["n2", "rest"], ["to"], axis=0),
        node("Relu", ["x"], ["r"]),
        node("Reshape", ["r", "to"], ["y"]),
    ]
    arrays = {"zero": np.int64(0), "front": np.array([0]), "rest": np.array([3, -1])}
    return model(nodes, {"x": [batch, 6]}, ["y"], arrays, **facts)


def test_what_follows_from_shapes_is_worked_out():
    graph = from_onnx(flattened(2))
    network = graph.default_graph()
    assert [f.type for f in network.functions.values()] == ["ReLU", "Reshape"]
    assert (network.name, network.inputs, network.outputs, network.batch_size) == ("net", ["x"], ["y"], None)
    assert list(network.variables) == ["x", "r", "y"]
    np.testing.assert_array_equal(computed(graph, X)[0], X.reshape(2, 3, 2))


def test_an_open_batch_stays_open(tmp_path):
    graph = from_onnx(flattened("batch"), batch_size=4)
    network = graph.default_graph()
    assert network.batch_size == 4
    assert {name: v.shape for name, v in network.variables.items()} == {"x": (-1, 6), "r": (-1, 6), "y": (-1, 3, 2)}
    assert network().shape == (4, 3, 2)
    graph.save(tmp_path / "m.nnp", variable_batch_size=False)
    loaded = nn.graph_def.load(tmp_path / "m.nnp")
    more = np.concatenate([X, X + 1, X - 9])
    np.testing.assert_array_equal(computed(loaded, more)[0], np.maximum(more, 0).reshape(6, 3, 2))


def test_known_arrays_that_have_the_batch_along_an_axis_are_repeated():
    nodes = [
        node("Shape", ["x"], ["s"], start=0, end=1),
        node("Concat", ["one", "s", "four"], ["to"], axis=0),
        node("Expand", ["state", "to"], ["h"]),
        node("LSTM", ["t", "w", "r", "", "", "h", "h"], ["y"], hidden_size=4),
        node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
    ]
    nodes = [*nodes[:3], nodes[4], nodes[3]]
    rng = np.random.RandomState(0)
    arrays = {
        "one": np.array([1]), "four": np.array([4]), "state": np.full((1, 1, 1), 0.5, np.float32),
        "w": rng.randn(1, 16, 3).astype(np.float32), "r": rng.randn(1, 16, 4).astype(np.float32),
    }  # fmt: skip
    graph = from_onnx(model(nodes, {"x": ["n", 5, 3]}, ["y"], arrays))
    network = graph.default_graph()
    assert network.variables["x"].shape == (-1, 5, 3)
    x = rng.randn(3, 5, 3)
    one = [computed(graph, x[i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(computed(graph, x)[0], np.concatenate(one, 2), rtol=1e-5, atol=1e-6)


def test_a_batch_that_cannot_stay_open_is_fixed_and_said(caplog):
    nodes = [node("Reshape", ["x", "to"], ["r"]), node("CumSum", ["r", "axis"], ["y"])]
    source = model(nodes, {"x": ["n", 6]}, ["y"], {"to": np.array([3, 4]), "axis": np.int64(0)})
    with caplog.at_level(logging.WARNING, "nnabla"):
        graph = from_onnx(source, batch_size=2)
    assert graph.default_graph().variables["x"].shape == (2, 6)
    assert "the batch size is fixed to 2" in caplog.text


def test_other_open_axes_need_a_length():
    source = model([node("Relu", ["x"], ["y"])], {"x": ["n", "time"]}, ["y"])
    with pytest.raises(FormatError, match="input 'x': the length 'time' of axis 1 is open; lengths must say it"):
        from_onnx(source)
    assert from_onnx(source, lengths={"time": 5}).default_graph().variables["x"].shape == (-1, 5)
    assert from_onnx(source, lengths={"time": 5, "n": 3}).default_graph().variables["x"].shape == (3, 5)


def test_inputs_with_fixed_values():
    source = model([node("Add", ["x", "z"], ["y"])], {"x": [2, 6], "z": [6]}, ["y"])
    graph = from_onnx(source, fixed={"z": np.arange(6, dtype=np.float32)})
    assert graph.default_graph().inputs == ["x"]
    np.testing.assert_array_equal(computed(graph, X)[0], X + np.arange(6))
    with pytest.raises(ArgumentError, match="fixed: the model has no input 'w'"):
        from_onnx(source, fixed={"w": X})


def test_parameters():
    arrays = {
        "layer/w": np.ones((6, 2), np.float32), "layer": np.ones(2, np.float32), "i": np.array([[1.0]], np.float32),
        "n": np.array([2]), "twice": np.float64([[1, 2]]),
    }  # fmt: skip
    nodes = [
        node("Gemm", ["x", "layer/w", "layer"], ["a"]),
        node("Gemm", ["x", "layer/w", "layer"], ["b"]),
        node("Concat", ["a", "b"], ["c"], axis=1),
        node("MatMul", ["c", "flat"], ["d"]),
        node("Constant", [], ["flat"], value_floats=[1.0, 2.0, 3.0, 4.0]),
        node("Mul", ["a", "twice"], ["e"]),
        node("Gather", ["e", "places"], ["f"], axis=1),
        node("Constant", [], ["places"], value_ints=[0, 1, -1]),
        node("Identity", ["f"], ["y"]),
    ]
    order = [nodes[i] for i in (0, 1, 2, 4, 3, 5, 7, 6, 8)]
    graph = from_onnx(model(order, {"x": [2, 6]}, ["y", "d"], arrays))
    parameters = graph.get_parameters()
    assert {k: p.shape for k, p in parameters.items()} == {
        "layer/w": (6, 2), "layer_": (2,), "flat": (4, 1), "twice": (1, 2), "places": (3,),
    }  # fmt: skip
    assert {k for k, p in parameters.items() if p.need_grad} == {"layer/w", "layer_", "twice"}
    y, d = computed(graph, X)
    a = X.sum(1, keepdims=True) + 1
    np.testing.assert_array_equal(y, np.concatenate([a, a * 2, a * 2], 1))
    np.testing.assert_array_equal(d, (a * 10)[:, 0])


def test_outputs_that_are_inputs_known_or_read_by_others():
    nodes = [
        node("Relu", ["x"], ["a"]),
        node("Neg", ["a"], ["b"]),
        node("Shape", ["x"], ["s"]),
        node("Identity", ["x"], ["i"]),
        node("Identity", ["b"], ["c"]),
        node("Tanh", ["x"], ["unused"]),
    ]
    graph = from_onnx(model(nodes, {"x": [2, 6], "idle": [3]}, ["b", "a", "s", "i", "c"]))
    network = graph.default_graph()
    assert (network.inputs, network.outputs) == (["x", "idle"], ["b", "a", "s", "i", "c"])
    found = computed(graph, X, np.zeros(3))
    for ours, wanted in zip(found, [-X, X, [2, 6], X, -X], strict=True):
        np.testing.assert_array_equal(ours, wanted)


def branches(condition):
    then = helper.make_graph([node("Add", ["x", "k"], ["t"])], "then", [], [onnx.ValueInfoProto(name="t")])
    other = helper.make_graph([node("Mul", ["x", "k"], ["e"])], "else", [], [onnx.ValueInfoProto(name="e")])
    nodes = [*condition, node("If", ["c"], ["y"], then_branch=then, else_branch=other)]
    return model(nodes, {"x": [2, 6]}, ["y"], {"k": np.float32(2), "six": np.int64(6), "one": np.int64(1)})


def test_branches():
    known = branches(
        [node("Shape", ["x"], ["s"]), node("Gather", ["s", "one"], ["n"]), node("Equal", ["n", "six"], ["c"])]
    )
    graph = from_onnx(known)
    assert [f.type for f in graph.default_graph().functions.values()] == ["AddScalar"]
    np.testing.assert_array_equal(computed(graph, X)[0], X + 2)
    later = branches([node("ReduceMax", ["x"], ["m"], keepdims=0), node("Greater", ["m", "k"], ["c"])])
    graph = from_onnx(later)
    np.testing.assert_array_equal(computed(graph, X)[0], X + 2)
    np.testing.assert_array_equal(computed(graph, X - 20)[0], (X - 20) * 2)


def test_functions_of_the_model():
    inner = helper.make_function(
        "own", "Scaled", ["p", "q"], ["u"],
        [helper.make_node("LeakyRelu", ["p"], ["m"]), node("Clip", ["m", "", "q"], ["u"])],
        [helper.make_opsetid("", 18)], ["slope"],
    )  # fmt: skip
    attribute = inner.node[0].attribute.add(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    assert attribute.name == "alpha"
    outer = helper.make_function(
        "own", "Both", ["p"], ["u"],
        [node("Scaled", ["p"], ["a"], domain="own", slope=0.5), node("Scaled", ["a", "four"], ["u"], domain="own"),
         ][::1], [helper.make_opsetid("own", 1), helper.make_opsetid("", 18)],
    )  # fmt: skip
    outer.node.insert(0, node("Constant", [], ["four"], value_float=4.0))
    source = model([node("Both", ["x"], ["y"], domain="own")], {"x": [2, 6]}, ["y"], functions=[inner, outer])
    x = X - 6
    first = np.where(x < 0, 0.5 * x, x)
    expected = np.minimum(np.where(first < 0, 0.01 * first, first), 4)
    np.testing.assert_allclose(computed(from_onnx(source), x)[0], expected, rtol=1e-6)


def test_a_function_of_itself_is_refused():
    loop = helper.make_function("own", "Again", ["p"], ["u"], [node("Again", ["p"], ["u"], domain="own")],
                                [helper.make_opsetid("own", 1)])  # fmt: skip
    source = model([node("Again", ["x"], ["y"], domain="own")], {"x": [2]}, ["y"], functions=[loop])
    with pytest.raises(FormatError, match="inside of each other more than 24 times"):
        from_onnx(source)


def test_every_obstacle_is_named_in_one_message():
    nodes = [
        node("Relu", ["x"], ["a"]),
        node("Strange", ["a"], ["b"], name="n1"),
        node("Relu", ["b"], ["c"]),
        node("ImageDecoder", ["c"], ["d"], name="n2"),
        node("TfIdfVectorizer", ["x"], ["e"], name="n3", mode="TF", min_gram_length=1, max_gram_length=1,
             max_skip_count=0, ngram_counts=[0], ngram_indexes=[0]),
        node("Cast", ["x"], ["f"], to=TensorProto.FLOAT8E5M2, name="n4"),
        node("MaxPool", ["image"], ["g", "places"], kernel_shape=[2, 2], name="n5"),
        node("Transpose", ["x"], ["h"], perm=[0, 0], name="n6"),
        node("Own", ["x"], ["k"], domain="other", name="n7"),
        node("Elu", ["x"], ["l"], alpha=1, name="n8"),
        node("Concat", ["x", ""], ["m"], axis=0, name="n9"),
    ]  # fmt: skip
    source = model(nodes, {"x": [2, 6], "image": [1, 1, 4, 4]}, ["d", "e", "f", "g", "h", "k", "l", "m"])
    with pytest.raises(FormatError) as error:
        from_onnx(source)
    lines = str(error.value).splitlines()
    assert lines[0] == "the model cannot be read as a network:"
    assert [line.strip() for line in lines[1:]] == [
        "Strange 'n1': opset 21 of domain ai.onnx has no such operator",
        "ImageDecoder 'n2': the operator has no counterpart",
        "TfIdfVectorizer 'n3': the operator has no counterpart",
        "Cast 'n4': numbers are not rounded to type FLOAT8E5M2",
        "MaxPool 'n5': output 1 has no counterpart",
        "Transpose 'n6': perm [0, 0] is no order of 2 axes",
        "Own 'n7': the model does not say which operators of domain 'other' it uses",
        "Elu 'n8': attribute 'alpha' is of another type than the operator takes",
        "Concat 'n9': input 1 is left out, which the operator needs",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ir": 2}, "version 2 of the format is not among 3 to"),
        ({"ir": 99}, "version 99 of the format is not among 3 to"),
        ({"opset": 999}, "opset 999 is not among 1 to"),
        ({"types": {"x": TensorProto.STRING}}, "input 'x': input 'x' is of type STRING"),
        ({"types": {"x": TensorProto.COMPLEX64}}, "input 'x' is of type COMPLEX64"),
    ],
)
def test_models_that_are_refused(changes, message):
    with pytest.raises(FormatError, match=message):
        from_onnx(model([node("Relu", ["x"], ["y"])], {"x": [2, 6]}, ["y"], **changes))


def test_a_model_without_outputs():
    with pytest.raises(FormatError, match="the model: it has no outputs"):
        from_onnx(model([node("Relu", ["x"], ["y"])], {"x": [2, 6]}, []))


@pytest.mark.parametrize("ir", [3, 7, 13])
def test_versions_of_the_format(ir):
    source = model([node("Add", ["x", "w"], ["y"])], {"x": [2, 6], "w": [6]}, ["y"], {"w": X[1]}, ir=ir, opset=9)
    graph = from_onnx(source)
    assert graph.default_graph().inputs == ["x"]
    np.testing.assert_array_equal(computed(graph, X)[0], X + X[1])


def test_a_size_that_is_known_only_later():
    source = model([node("NonZero", ["x"], ["y"])], {"x": [2, 6]}, ["y"])
    np.testing.assert_array_equal(computed(from_onnx(source), X % 3 == 1)[0], np.stack(np.nonzero(X % 3 == 1)))
    source = model([node("NonZero", ["x"], ["p"]), node("Neg", ["p"], ["y"])], {"x": [2, 6]}, ["y"])
    with pytest.raises(FormatError, match="Neg 'y': the shape of an input is known only when the network has run"):
        from_onnx(source)


def test_integers_that_float32_does_not_hold():
    source = model([node("Add", ["x", "k"], ["y"])], {"x": [2, 6]}, ["y"], {"k": np.arange(6) + 2**24 + 1})
    with pytest.raises(FormatError, match="array 'k' holds integers that float32 cannot hold"):
        from_onnx(source)


# ---- arrays in files beside the model ----------------------------------------------------------------------


@pytest.fixture
def beside(tmp_path):
    """A model whose weight is in a file beside it, and what tells where."""
    source = model([node("Add", ["x", "w"], ["y"])], {"x": [2, 6]}, ["y"], {"w": X})
    folder = tmp_path / "models"
    folder.mkdir()
    onnx.save(source, folder / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    source = onnx.load(folder / "m.onnx", load_external_data=False)

    def told(**facts):
        weight = source.graph.initializer[0]
        entries = {e.key: e.value for e in weight.external_data} | facts
        del weight.external_data[:]
        for key, value in entries.items():
            weight.external_data.add(key=key, value=value)
        (folder / "m.onnx").write_bytes(source.SerializeToString())
        return folder / "m.onnx"

    return folder, told


def test_arrays_in_a_file_beside_the_model(beside):
    folder, told = beside
    np.testing.assert_array_equal(computed(from_onnx(told()), X)[0], 2 * X)
    (folder / "deeper").mkdir()
    (folder / "m.data").rename(folder / "deeper" / "w.bin")
    np.testing.assert_array_equal(computed(from_onnx(str(told(location="deeper/w.bin"))), X)[0], 2 * X)
    with pytest.raises(FormatError, match="beside the model, which was not read from a file"):
        from_onnx(onnx.load(folder / "m.onnx", load_external_data=False))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"location": "../m.data"}, "which is not in the folder of the model"),
        ({"location": "a/../../m.data"}, "which is not in the folder of the model"),
        ({"location": "/etc/hostname"}, "which is not in the folder of the model"),
        ({"location": "C:\\m.data"}, "which is not in the folder of the model"),
        ({"location": ""}, "which is not in the folder of the model"),
        ({"location": "none"}, "cannot be read: No such file"),
        ({"location": "linked.data"}, "where a link leads out of the folder of the model"),
        ({"location": "linked/m.data"}, "where a link leads out of the folder of the model"),
        ({"location": "."}, "is in '.'"),
        ({"length": "47"}, "needs 48 bytes, but 47 at 0"),
        ({"offset": "-4"}, "needs 48 bytes, but 48 at -4"),
        ({"offset": "4"}, "ends before its elements do"),
        ({"offset": "9" * 30}, "ends before its elements do"),
        ({"offset": "x"}, "offset and length in its file must be numbers"),
    ],
)
def test_files_elsewhere_are_refused(beside, tmp_path, facts, message):
    folder, told = beside
    (tmp_path / "m.data").write_bytes((folder / "m.data").read_bytes())
    (folder / "linked.data").symlink_to(tmp_path / "m.data")
    (folder / "linked").symlink_to(tmp_path)
    with pytest.raises(FormatError, match=message):
        from_onnx(told(**facts))


def test_a_model_that_we_wrote_with_a_second_file(tmp_path):
    source = model([node("Add", ["x", "w"], ["y"])], {"x": [40, 40]}, ["y"], {"w": np.ones((40, 40), np.float32)})
    save(source, tmp_path / "m.onnx", most_inside=1000)
    assert (tmp_path / "m.onnx.data").exists()
    np.testing.assert_array_equal(computed(from_onnx(tmp_path / "m.onnx"), np.zeros((40, 40)))[0], np.ones((40, 40)))
