#!/usr/bin/env bash
# onnxruntime 1.32.0 (CPU), models of opset 21 and older: behind a MaxPool with ceil_mode=1 whose last window would begin
# in the padding at the end, Shape answers with one element more than the result of MaxPool has, so that a Reshape or a
# Slice by that shape fails or cuts wrongly. Shapes are inferred before the model runs, by the formula without the
# exception for such windows, and Shape of a known shape is a constant. Without graph optimizations, and from opset 22 on,
# it is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 "numpy<3"
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

print(f"onnxruntime {ort.__version__}")


def lengths(opset, optimized=True):
    """The length of a pooled axis, and what Shape says of it."""
    window = {"kernel_shape": [2], "strides": [3], "pads": [0, 2 - 1], "ceil_mode": 1}
    nodes = [
        helper.make_node("MaxPool", ["x"], ["y"], **window),
        helper.make_node("Shape", ["y"], ["s"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 6])]
    outputs = [helper.make_tensor_value_info("y", 1, None), helper.make_tensor_value_info("s", 7, None)]
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    y, s = session.run(None, {"x": np.arange(6, dtype=np.float32).reshape(1, 1, 6)})
    return y.shape[2], int(s[2])


found = {
    "opset 13": lengths(13),
    "opset 21": lengths(21),
    "opset 21, no graph optimizations": lengths(21, optimized=False),
    "opset 22": lengths(22),
}
for name, (length, said) in found.items():
    print(f"{name}: the axis has {length} elements, Shape says {said}")
wrong = [length != said for length, said in found.values()]
as_described = wrong == [True, True, False, False]
print("as described" if as_described else "the behaviour has changed")
sys.exit(not as_described)
PY
