#!/usr/bin/env bash
# onnxruntime 1.32.0 (CPU, x86-64 without VNNI): a model whose activations and weights are both int8, written with
# QuantizeLinear and DequantizeLinear, computes other numbers than it says once the graph is optimized, as it is by default:
# int8 activations are moved to uint8, and sums of two products then saturate at 16 bits. It is not only for activations
# that the model itself has as uint8, and NumPy foretells every wrong number. Without graph optimizations, with the session
# option session.x64quantprecision, or with weights from -64 to 64 the results are exact. A network that was trained for
# 8 bits has weights beyond 64 as a rule: 33 % of scikit-learn's digits became wrong instead of 1.6 %.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 "numpy<3"
"$folder/venv/bin/python" - <<'PY'
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

flags = Path("/proc/cpuinfo").read_text().split()
print(f"onnxruntime {ort.__version__}, AVX2: {'avx2' in flags}, VNNI: {any('vnni' in flag for flag in flags)}")
random = np.random.RandomState(0)
x = random.randint(-127, 128, (4, 16))


def run(weights, **settings):
    """Rounded products of x and weights, both as int8 with the scale 1/64, as onnxruntime computes them."""
    arrays = {"w": weights.astype(np.int8), "s": np.float32(1 / 64), "one": np.float32(1), "zero": np.int8(0)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "zero"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "zero"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "s", "zero"], ["wd"]),
        helper.make_node("MatMul", ["xd", "wd"], ["product"]),
        helper.make_node("QuantizeLinear", ["product", "one", "zero"], ["yq"]),
        helper.make_node("DequantizeLinear", ["yq", "one", "zero"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    constants = [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = ort.SessionOptions()
    if settings.get("as_written"):
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if settings.get("precise"):
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": (x / 64).astype(np.float32)})[0]


def rounded(sums):
    return np.clip(np.rint(sums / 64**2), -128, 127)


def saturated(weights):
    """Activations moved by 128, products of neighbours added in 16 bits, the sums moved back."""
    pairs = ((x + 128)[:, :, None] * weights).reshape(4, -1, 2, 8).sum(2)
    return np.clip(pairs, -(2**15), 2**15 - 1).sum(1) - 128 * weights.sum(0)


large = random.randint(-127, 128, (16, 8))
small = random.randint(-64, 65, (16, 8))
wrong = {
    "by default": run(large) != rounded(x @ large),
    "by default, against 16 bits": run(large) != rounded(saturated(large)),
    "no graph optimizations": run(large, as_written=True) != rounded(x @ large),
    "session.x64quantprecision": run(large, precise=True) != rounded(x @ large),
    "weights from -64 to 64": run(small) != rounded(x @ small),
}
for name, places in wrong.items():
    print(f"{name}: {places.sum()} of {places.size} wrong")
counts = [int(places.sum()) for places in wrong.values()]
as_described = counts[0] > 0 and not any(counts[1:])
print("as described" if as_described else "the behaviour has changed, or this CPU has VNNI")
sys.exit(not as_described)
PY
