#!/usr/bin/env bash
# onnx 1.23.2: version_converter from opset 6 to 7. In opset 6 an operator says in the attributes broadcast and axis along
# which axes its second input lies, and slopes of PRelu lie along the channels; from opset 7 on shapes are aligned at the
# last axis. Add with a bias for each channel (axis=1, the usual case) ends in an assertion, since the shapes are compared
# before they are aligned; with axis=0 the result says of a value in between that its type is undefined, and onnxruntime
# 1.32.0 refuses it. PRelu is passed on as it is: where the last axis has as many elements as there are channels, the
# result is a valid model that computes something else, without a message.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 "numpy<3"
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, version_converter

print(f"onnx {onnx.__version__}, onnxruntime {ort.__version__}")
x = np.random.RandomState(0).randn(2, 3, 4, 3).astype(np.float32)


def model(op_type, length, **attributes):
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", x.shape), ("b", [length]))]
    node = helper.make_node(op_type, ["x", "b"], ["y"], **attributes)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, x.shape)
    graph = helper.make_graph([node], "g", ends, [result])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 6)], ir_version=4)
    onnx.checker.check_model(made, full_check=True)
    return made


def converted(before, b):
    """What the converted model computes, or why it was not converted."""
    try:
        after = version_converter.convert_version(before, 7)
        options = ort.SessionOptions()
        options.log_severity_level = 4
        session = ort.InferenceSession(after.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        return str(error)
    return session.run(None, {"x": x, "b": np.asarray(b, np.float32)})[0]


def shown(found, expected):
    return found[-120:] if isinstance(found, str) else f"{(found != expected).sum()} of {found.size} elements differ"


first = converted(model("Add", 2, broadcast=1, axis=0), [1, 2])
second = converted(model("Add", 3, broadcast=1, axis=1), [1, 2, 3])
third = converted(model("PRelu", 3), [0.1, 0.2, 0.3])
channels, last = (np.float32([0.1, 0.2, 0.3]).reshape(shape) for shape in ((3, 1, 1), (3,)))
right, wrong = (np.where(x < 0, x * slopes, x) for slopes in (channels, last))
print("Add, axis 0:", shown(first, x + np.float32([1, 2]).reshape(2, 1, 1, 1)))
print("Add, axis 1:", shown(second, x + np.float32([1, 2, 3]).reshape(3, 1, 1)))
print("PRelu, against slopes along the channels:", shown(third, right))
print("PRelu, against slopes along the last axis:", shown(third, wrong))
as_described = (
    "Invalid tensor data type" in str(first)
    and isinstance(second, str)
    and not isinstance(third, str)
    and not np.allclose(third, right)
    and np.allclose(third, wrong)
)
print("as described" if as_described else "the behaviour has changed")
sys.exit(not as_described)
PY
