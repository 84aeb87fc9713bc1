"""ONNX Runtime: ResNet-18 inference, from a model written node by node from NNabla's parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
from cases import Program
from onnx import TensorProto, helper, numpy_helper

_threads = 0


def version() -> str:
    return f"onnxruntime {onnxruntime.__version__}"


def set_threads(count: int) -> None:
    global _threads
    _threads = count


class _Graph:
    """Nodes and weights of the model under construction."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.arrays = arrays
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, op: str, inputs: Sequence[str], **attributes: object) -> str:
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def weight(self, name: str, flat: bool = False) -> str:
        array = self.arrays[name]
        self.weights.append(numpy_helper.from_array(array.reshape(-1) if flat else array, name))
        return name

    def conv_bn(self, scope: str, x: str, stride: int) -> str:
        kernel = self.arrays[f"{scope}/conv/W"].shape[-1]
        h = self.node("Conv", [x, self.weight(f"{scope}/conv/W")], pads=[kernel // 2] * 4, strides=[stride, stride])
        statistics = [self.weight(f"{scope}/bn/{key}", flat=True) for key in ("gamma", "beta", "mean", "var")]
        return self.node("BatchNormalization", [h, *statistics], epsilon=1e-5)


def resnet18_model(arrays: Mapping[str, np.ndarray], batch_size: int) -> onnx.ModelProto:
    graph = _Graph(arrays)
    h = graph.node("Relu", [graph.conv_bn("stem", "x", 2)])
    h = graph.node("MaxPool", [h], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for i in range(4):
        for j in range(2):
            scope = f"stage{i}/block{j}"
            stride = 2 if i > 0 and j == 0 else 1
            y = graph.node("Relu", [graph.conv_bn(f"{scope}/conv1", h, stride)])
            y = graph.conv_bn(f"{scope}/conv2", y, 1)
            if f"{scope}/shortcut/conv/W" in arrays:
                h = graph.conv_bn(f"{scope}/shortcut", h, stride)
            h = graph.node("Relu", [graph.node("Add", [h, y])])
    h = graph.node("Flatten", [graph.node("GlobalAveragePool", [h])])
    y = graph.node("Gemm", [h, graph.weight("fc/affine/W"), graph.weight("fc/affine/b")])
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "resnet18",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, (batch_size, 3, 224, 224))],
            [helper.make_tensor_value_info(y, TensorProto.FLOAT, (batch_size, 1000))],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model)
    return model


def build(name: str, arrays: Mapping[str, np.ndarray]) -> Program | None:
    """The program of a case with NNabla's parameters `arrays`; None for all but inference."""
    batch_sizes = {"resnet18_infer_1": 1, "resnet18_infer_8": 8}
    if name not in batch_sizes:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _threads
    session = onnxruntime.InferenceSession(
        resnet18_model(arrays, batch_sizes[name]).SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
    )
    output = np.zeros(())

    def step(x: np.ndarray) -> None:
        nonlocal output
        (output,) = session.run(None, {"x": x})

    return Program(step, lambda: output.copy())


def clear() -> None:
    """Nothing outlives the session."""
