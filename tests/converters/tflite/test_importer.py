"""TFLite models read as networks: what they compute is what LiteRT computes, and what was written."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert.interpreter")

from nnabla.converters.tflite import from_tflite, to_tflite
from nnabla.converters.tflite.flat_graph import FlatGraph
from nnabla.converters.tflite.flat_model import to_bytes
from nnabla.errors import ArgumentError, FormatError

from ...cli.running import run
from ..case_networks import computed as computed_here
from .running import computed, read_again
from .written_cases import ALL_CASES, BY_FUNCTION, check

rng = np.random.RandomState(0)


def test_a_case_of_every_function_comes_back():
    assert check([found[-1] for found in BY_FUNCTION.values()], read_again) >= 100


@pytest.mark.heavy
def test_all_cases_come_back():
    assert check(ALL_CASES, read_again) >= 110


# ---- a whole network ---------------------------------------------------------------------------------------


@pytest.fixture
def network():
    nn.clear_parameters()
    x = nn.Variable((2, 3, 8, 8))
    h = F.relu(PF.convolution(x, 4, (3, 3), pad=(1, 1), name="c1"))
    h = F.max_pooling(h, (2, 2)) + PF.convolution(h, 4, (2, 2), stride=(2, 2), group=2, name="c2")
    y = F.softmax(PF.affine(h, 5, name="a"))
    x.d = rng.randn(*x.shape)
    y.forward()
    named = nn.graph_def.create_graph_from_variable("net", y, names={"x": x, "y": y})["net"]
    return named, x.d.astype(np.float32), y.d.copy()


def test_names_and_weights_come_back(network):
    described, given, expected = network
    graph = from_tflite(to_tflite(described))
    found = graph.default_graph()
    assert (found.inputs, found.outputs, found.name) == (["x"], ["y"], "net")
    assert {"c1/conv/W", "c1/conv/b", "a/affine/W"} <= set(graph.get_parameters(grad_only=False))
    assert found.variables["x"].shape == (2, 3, 8, 8)
    types = [f.type for f in found.functions.values()]
    assert "Transpose" not in types and types.count("Convolution") == 3
    np.testing.assert_allclose(computed_here(graph, given)[0], expected, rtol=1e-5, atol=1e-6)


def test_channels_last_stay_last(network):
    described, given, expected = network
    graph = from_tflite(to_tflite(described, channel_last=True))
    assert graph.default_graph().variables["x"].shape == (2, 8, 8, 3)
    found = computed_here(graph, given.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-6)


def test_weights_of_other_types_are_numbers(network):
    described, given, expected = network
    half = computed_here(from_tflite(to_tflite(described, weights="float16")), given)[0]
    np.testing.assert_allclose(half, expected, atol=2e-3)
    model = to_tflite(described, dataset=rng.randn(64, 3, 8, 8).astype(np.float32))
    graph = from_tflite(model)
    whole = computed_here(graph, given)[0]
    np.testing.assert_allclose(whole, expected, atol=0.02)
    assert np.abs(whole - computed(model, [given])[0]).max() < 0.03
    weight = graph.get_parameters(grad_only=False)["c1/conv/W"].d
    steps = weight / (np.abs(weight).max(axis=(1, 2, 3), keepdims=True) / 127)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)


def test_the_command_there_and_back(network, tmp_path):
    described, given, expected = network
    nn.graph_def.save(str(tmp_path / "m.nnp"), described.owner)
    assert run("convert", "-b", "2", tmp_path / "m.nnp", tmp_path / "m.tflite") == 0
    assert run("convert", tmp_path / "m.tflite", tmp_path / "n.nnp") == 0
    assert run("convert", "-b", "2", tmp_path / "n.nnp", tmp_path / "n.tflite") == 0
    found = computed((tmp_path / "n.tflite").read_bytes(), [given])[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    loaded = nn.graph_def.load(str(tmp_path / "n.nnp"))
    np.testing.assert_allclose(computed_here(loaded, given)[0], expected, rtol=1e-5, atol=1e-6)
    pytest.importorskip("onnx")
    assert run("convert", tmp_path / "m.tflite", tmp_path / "m.onnx") == 0
    assert run("convert", tmp_path / "m.onnx", tmp_path / "o.tflite") == 0
    found = computed((tmp_path / "o.tflite").read_bytes(), [given])[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


# ---- operators that others write ---------------------------------------------------------------------------

SAME = {"Padding": 0, "StrideH": 2, "StrideW": 2}
SIZE = {"FilterHeight": 3, "FilterWidth": 3}


def of_one(code, shape, out, options="", extra=(), dtype=np.float32, before=(), **values):
    """A model of one operator: constants `before` x and `extra` behind it."""
    g = FlatGraph()
    x = g.add(shape, "x")

    def constants(arrays):
        return [g.constant(a, np.asarray(a).dtype) for a in arrays]

    y = g.op(code, [*constants(before), x, *constants(extra)], out, options, dtype, **values)
    if dtype != np.float32:
        y = g.op("CAST", [y], out, "CastOptions")
    g.tensors[y].name = "y"
    return to_bytes(g, [x], [y], "one")


def ints(*values):
    return np.asarray(values, np.int32)


WEIGHT = rng.randn(3, 3, 3, 2).astype(np.float32)
OTHERS = {
    "same": of_one("CONV_2D", (1, 5, 6, 2), (1, 3, 3, 3), "Conv2DOptions", [WEIGHT, np.ones(3, np.float32)], **SAME),
    "depth": of_one("DEPTHWISE_CONV_2D", (1, 5, 6, 2), (1, 3, 3, 4), "DepthwiseConv2DOptions",
                    [rng.randn(1, 3, 3, 4).astype(np.float32), np.ones(4, np.float32)], DepthMultiplier=2, **SAME),
    "max": of_one("MAX_POOL_2D", (1, 6, 6, 2), (1, 3, 3, 2), "Pool2DOptions", **SAME, **SIZE),
    "mean": of_one("AVERAGE_POOL_2D", (1, 6, 6, 2), (1, 3, 3, 2), "Pool2DOptions", **SAME, **SIZE,
                   FusedActivationFunction=1),
    "relu6": of_one("RELU6", (4, 5), (4, 5)),
    "relu1": of_one("RELU_N1_TO_1", (4, 5), (4, 5)),
    "hard swish": of_one("HARD_SWISH", (4, 5), (4, 5)),
    "neg": of_one("NEG", (4, 5), (4, 5)),
    "square": of_one("SQUARE", (4, 5), (4, 5)),
    "round": of_one("ROUND", (4, 5), (4, 5)),
    "gelu": of_one("GELU", (4, 5), (4, 5), "GeluOptions", Approximate=False),
    "prelu": of_one("PRELU", (1, 3, 3, 2), (1, 3, 3, 2), "", [np.float32([[[0.1, -0.5]]])]),
    "difference": of_one("SQUARED_DIFFERENCE", (4, 5), (4, 5), "", [np.float32([1, 2, 3, 4, 5])]),
    "floor mod": of_one("FLOOR_MOD", (4, 5), (4, 5), "", [np.float32([[0.7]])]),
    "floor div": of_one("FLOOR_DIV", (4, 5), (4, 5), "", [np.float32([[0.7]])]),
    "expand": of_one("EXPAND_DIMS", (4, 5), (4, 1, 5), "", [ints(1)]),
    "squeeze": of_one("SQUEEZE", (4, 1, 5), (4, 5), "SqueezeOptions", SqueezeDims=[1]),
    "slice": of_one("SLICE", (4, 5), (2, 4), "", [ints(1, 1), ints(2, -1)]),
    "reverse": of_one("REVERSE_V2", (4, 5), (4, 5), "", [ints(1)]),
    "mirror": of_one("MIRROR_PAD", (4, 5), (6, 8), "MirrorPadOptions", [ints(1, 1, 2, 1).reshape(2, 2)], Mode=1),
    "tile": of_one("TILE", (4, 5), (8, 5), "", [ints(2, 1)]),
    "broadcast": of_one("BROADCAST_TO", (4, 1, 5), (4, 3, 5), "", [ints(4, 3, 5)]),
    "bilinear": of_one("RESIZE_BILINEAR", (1, 4, 4, 2), (1, 6, 7, 2), "ResizeBilinearOptions", [ints(6, 7)],
                       HalfPixelCenters=True),
    "corners": of_one("RESIZE_BILINEAR", (1, 4, 4, 2), (1, 6, 7, 2), "ResizeBilinearOptions", [ints(6, 7)],
                      AlignCorners=True),
    "one": of_one("RESIZE_BILINEAR", (1, 4, 4, 2), (1, 1, 7, 2), "ResizeBilinearOptions", [ints(1, 7)],
                  HalfPixelCenters=True),
    "nearest": of_one("RESIZE_NEAREST_NEIGHBOR", (1, 4, 4, 2), (1, 6, 7, 2), "ResizeNearestNeighborOptions",
                      [ints(6, 7)]),
    "nearest half": of_one("RESIZE_NEAREST_NEIGHBOR", (1, 4, 4, 2), (1, 6, 7, 2), "ResizeNearestNeighborOptions",
                           [ints(6, 7)], HalfPixelCenters=True),
    "nearest corners": of_one("RESIZE_NEAREST_NEIGHBOR", (1, 4, 4, 2), (1, 6, 7, 2), "ResizeNearestNeighborOptions",
                              [ints(6, 7)], AlignCorners=True),
    "to depth": of_one("SPACE_TO_DEPTH", (1, 4, 6, 2), (1, 2, 3, 8), "SpaceToDepthOptions", BlockSize=2),
    "from depth": of_one("DEPTH_TO_SPACE", (1, 2, 3, 8), (1, 4, 6, 2), "DepthToSpaceOptions", BlockSize=2),
    "argument": of_one("ARG_MIN", (4, 5), (4,), "ArgMinOptions", [np.int32(1)], np.int32, OutputType=2),
    "masks": of_one("STRIDED_SLICE", (4, 5, 6), (4, 6), "StridedSliceOptions", [ints(0, -2, 9), ints(9, 0, 0),
                    ints(1, 1, -1)], BeginMask=5, EndMask=5, ShrinkAxisMask=2),
    "same transposed": of_one("TRANSPOSE_CONV", (1, 3, 3, 2), (1, 6, 6, 3), "TransposeConvOptions",
                              before=[ints(1, 6, 6, 3), WEIGHT], **SAME),
    "flat": of_one("FULLY_CONNECTED", (2, 3, 4), (2, 3, 5), "FullyConnectedOptions",
                   [rng.randn(5, 4).astype(np.float32), np.zeros(5, np.float32)], KeepNumDims=True,
                   FusedActivationFunction=3),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_operators_that_are_not_written(name):
    graph = from_tflite(OTHERS[name])
    shape = graph.default_graph().variables["x"].shape
    x = (3 * np.random.RandomState(len(name)).randn(*shape)).astype(np.float32)
    expected, found = computed(OTHERS[name], [x])[0], computed_here(graph, x)[0]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_what_has_no_counterpart_is_named():
    g = FlatGraph()
    x = g.add((4, 5), "x")
    y = g.op("UNIQUE", [g.op("SEGMENT_SUM", [x, g.integers([0, 1, 1, 2])], (3, 5)), x], (3, 5))
    z = g.op("GATHER", [x, g.integers([0])], (1, 5), "GatherOptions", Axis=7)
    model = to_bytes(g, [x], [y, z], "net")
    with pytest.raises(FormatError) as error:
        from_tflite(model)
    lines = str(error.value).split("\n")
    assert lines[0] == "the model cannot be read as a network:"
    assert lines[1:] == [
        "  SEGMENT_SUM 't2': this operator has no counterpart",
        "  UNIQUE 't3': this operator has no counterpart",
        "  GATHER 't5': axis 7 is out of range for 2 axes",
    ]


@pytest.mark.parametrize("given", [3, None, bytearray(b"TFL3")])
def test_what_is_no_model(given):
    with pytest.raises(ArgumentError, match="from_tflite: model must be a path or bytes, not "):
        from_tflite(given)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        from_tflite(tmp_path / "m.tflite")


def test_inputs_that_are_outputs():
    g = FlatGraph()
    x = g.add((4, 5), "x")
    graph = from_tflite(to_bytes(g, [x], [x], "net"))
    assert (graph.default_graph().inputs, graph.default_graph().outputs) == (["x"], ["x_out"])
