#!/usr/bin/env bash
# onnx 1.23.2: version_converter changes GroupNormalization of opset 20 to opset 21 by the number alone. Up to opset 20 the
# scale has an element for each group, from 21 on for each channel, so the model that comes out is invalid: onnx's own
# checker passes it, onnxruntime 1.32.0 refuses it when it is run. Exporters have to write the scale anew.
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
from onnx import TensorProto, helper, numpy_helper, version_converter

print(f"onnx {onnx.__version__}, onnxruntime {ort.__version__}")
x = np.random.RandomState(0).randn(2, 4, 3).astype(np.float32)


def model(opset, length):
    node = helper.make_node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=2, epsilon=1e-5)
    arrays = [numpy_helper.from_array(np.full(length, v, np.float32), n) for n, v in (("s", 2), ("b", 1))]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2, 4, 3]) for n in ("x", "y")]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], arrays)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def run(m):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(m.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return session.run(None, {"x": x})[0]
    except Exception as error:
        return str(error).splitlines()[0][:160]


before = model(20, 2)
after = version_converter.convert_version(before, 21)
print("converted to opset", after.opset_import[0].version, "with a scale of", list(after.graph.initializer[0].dims))
try:
    onnx.checker.check_model(after, full_check=True)
    checked = "passes"
except Exception as error:
    checked = f"refuses: {str(error).splitlines()[0][:120]}"
old, new, right = run(before), run(after), run(model(21, 4))
print("onnx.checker on the result:", checked)
print("onnxruntime on opset 20:", old if isinstance(old, str) else "runs")
print("onnxruntime on the result:", new if isinstance(new, str) else "runs")
print("onnxruntime on opset 21 with a scale for each channel:", right if isinstance(right, str) else "runs")
as_described = isinstance(new, str) and not isinstance(right, str)
print("as described" if as_described else "the behaviour has changed")
sys.exit(not as_described)
PY
