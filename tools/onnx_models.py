"""Sound ONNX models, and changes at random of them: what `fuzz_readers` reads as kind ``onnx``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from message_changes import change_fields
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

import nnabla as nn
from nnabla.converters.onnx import from_onnx

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
Shape = Sequence["int | str"]


def _graph(
    nodes: list[Any], inputs: dict[str, Shape], outputs: Sequence[str], arrays: dict[str, Any], name: str = "g"
) -> GraphProto:
    return helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(key, FLOAT, list(shape)) for key, shape in inputs.items()],
        [helper.make_tensor_value_info(key, FLOAT, None) for key in outputs],
        [numpy_helper.from_array(np.asarray(array), key) for key, array in arrays.items()],
    )


def _model(graph: GraphProto, opset: int = 21, **facts: Any) -> bytes:
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=domains, ir_version=10, **facts)
    return bytes(model.SerializeToString())


def _floats(*shape: int) -> np.ndarray:
    return np.random.RandomState(sum(shape)).standard_normal(shape).astype(np.float32)


node = helper.make_node


def _cnn() -> bytes:
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 0, 0], strides=[1, 1], group=1),
        node("BatchNormalization", ["c", "b", "b", "b", "v"], ["n"], epsilon=1e-3),
        node("Relu", ["n"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, dilations=[1, 1]),
        node("AveragePool", ["p"], ["a"], kernel_shape=[2, 2], pads=[0, 0, 1, 1], count_include_pad=0),
        node("Shape", ["a"], ["s"]),
        node("Gather", ["s", "zero"], ["s0"], axis=0),
        node("Unsqueeze", ["s0", "axes"], ["s1"]),
        node("Concat", ["s1", "rest"], ["to"], axis=0),
        node("Reshape", ["a", "to"], ["f"]),
        node("Gemm", ["f", "m"], ["y"], transB=1, alpha=0.5),
    ]
    arrays = {
        "w": _floats(4, 3, 3, 3), "b": _floats(4), "v": np.ones(4, np.float32), "zero": np.int64(0),
        "axes": np.array([0]), "rest": np.array([-1]), "m": _floats(2, 36),
    }  # fmt: skip
    return _model(_graph(nodes, {"x": ["batch", 3, 8, 8]}, ["y"], arrays))


def _recurrent() -> bytes:
    nodes = [
        node("LSTM", ["x", "w", "r", "b"], ["h", "", "c"], hidden_size=4, direction="bidirectional"),
        node("GRU", ["x", "gw", "gr"], ["g"], hidden_size=4),
        node("Transpose", ["h"], ["t"], perm=[2, 0, 1, 3]),
        node("Slice", ["t", "first", "last", "along", "by"], ["s"]),
        node("Split", ["g", "parts"], ["g0", "g1"], axis=0),
        node("ReduceSum", ["s", "along"], ["y"], keepdims=0),
        node("TopK", ["g0", "k"], ["z", "places"], axis=-1),
    ]
    arrays = {
        "w": _floats(2, 16, 3), "r": _floats(2, 16, 4), "b": _floats(2, 32), "gw": _floats(1, 12, 3),
        "gr": _floats(1, 12, 4), "first": np.array([0]), "last": np.array([2**62]), "along": np.array([1]),
        "by": np.array([2]), "parts": np.array([2, 3]), "k": np.array([2]),
    }  # fmt: skip
    return _model(_graph(nodes, {"x": [5, 2, 3]}, ["y", "z", "places", "c", "g1"], arrays))


def _inner() -> bytes:
    info = helper.make_tensor_value_info
    then = _graph([node("Add", ["a", "one"], ["t"])], {}, ["t"], {"one": np.float32(1)}, "then")
    other = _graph([node("Neg", ["a"], ["e"])], {}, ["e"], {}, "else")
    body = helper.make_graph(
        [node("Add", ["v", "a"], ["w"]), node("Identity", ["go"], ["on"]), node("Identity", ["w"], ["out"])],
        "body",
        [info("i", INT64, []), info("go", BOOL, []), info("v", FLOAT, [2, 3])],
        [info("on", BOOL, []), info("w", FLOAT, None), info("out", FLOAT, None)],
    )
    function = helper.make_function(
        "own", "Scaled", ["p", "q"], ["u"],
        [node("Constant", [], ["f"], value_float=2.0), node("Mul", ["p", "f"], ["m"]), node("Add", ["m", "q"], ["u"])],
        [helper.make_opsetid("", 21)],
    )  # fmt: skip
    nodes = [
        node("If", ["yes"], ["i1"], then_branch=then, else_branch=other),
        node("Loop", ["times", "yes", "i1"], ["v1", "all"], body=body),
        node("Scaled", ["v1", "a"], ["u"], domain="own"),
        node("Cast", ["u"], ["k"], to=INT64),
        node("OneHot", ["k", "depth", "values"], ["y"], axis=-1),
    ]
    arrays = {"yes": np.array(True), "times": np.int64(3), "depth": np.int64(4), "values": np.float32([0, 1])}
    return _model(_graph(nodes, {"a": [2, 3]}, ["y", "all"], arrays), functions=[function])


def _quantized() -> bytes:
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        node("Conv", ["d", "wd"], ["c"], auto_pad="SAME_UPPER"),
        node("Resize", ["c", "", "scales"], ["r"], mode="linear", coordinate_transformation_mode="half_pixel"),
        node("Pad", ["r", "pads"], ["p"], mode="reflect"),
        node("Softmax", ["p"], ["y"], axis=1),
    ]
    weight = np.random.RandomState(0).randint(-9, 9, (4, 3, 3, 3)).astype(np.int8)
    arrays = {
        "s": np.float32(0.1), "z": np.int8(3), "w": weight,
        "ws": np.abs(_floats(4)), "wz": np.zeros(4, np.int8), "scales": np.float32([1, 1, 2, 1.5]),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    }  # fmt: skip
    return _model(_graph(nodes, {"x": [1, 3, 6, 6]}, ["y"], arrays))


def _attention() -> bytes:
    nodes = [
        node("LayerNormalization", ["x", "g"], ["n"], axis=-1),
        node("MatMul", ["n", "w"], ["q"]),
        node("Attention", ["q", "n", "n"], ["a"], q_num_heads=2, kv_num_heads=2, is_causal=1),
        node("Gelu", ["a"], ["u"], approximate="tanh"),
        node("Einsum", ["u", "w"], ["e"], equation="bij,jk->bik"),
        node("Range", ["zero", "five", "one"], ["places"]),
        node("Where", ["mask", "e", "u"], ["o"]),
        node("ScatterND", ["o", "at", "rows"], ["y"]),
    ]
    arrays = {
        "g": _floats(8), "w": _floats(8, 8), "zero": np.int64(0), "five": np.int64(5), "one": np.int64(1),
        "mask": np.array([True, False] * 4), "at": np.array([[0, 1]]), "rows": _floats(1, 8),
    }  # fmt: skip
    return _model(_graph(nodes, {"x": [2, 5, 8]}, ["y", "places"], arrays), 23)


@cache
def sound() -> list[bytes]:
    """Sound models: layers with an open batch, recurrent layers, graphs inside, quantized, operators by definition."""
    return [_cnn(), _recurrent(), _inner(), _quantized(), _attention()]


def changed(number: int, rng: np.random.RandomState, damaged: Callable[..., bytes]) -> tuple[bytes, bool]:
    """A model after a change, and whether that was inside of its messages.

    Args:
        number: which of the sound models.
        rng: draws the change.
        damaged: changes bytes.
    """
    data = sound()[number % len(sound())]
    if rng.rand() < 0.18:
        return damaged(data, rng), False
    model = ModelProto.FromString(data)
    change_fields(model, rng)
    try:
        return bytes(model.SerializeToString()), True
    except UnicodeEncodeError:  # a character of several bytes was cut in two
        return data, True


def load_model(path: str) -> None:
    """Read a model, and build the graph of it."""
    network = from_onnx(path).default_graph()
    shapes = [network.variables[name].shape for name in network.inputs]
    network(*[nn.Variable([abs(length) for length in shape]) for shape in shapes])
