"""Small ONNX models for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

node = helper.make_node


def model(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Sequence[int | str | None]],
    outputs: Sequence[str],
    arrays: Mapping[str, Any] | None = None,
    *,
    opset: int = 21,
    ir: int = 10,
    types: Mapping[str, int] | None = None,
    **facts: Any,
) -> ModelProto:
    """A model; inputs are floats unless `types` says another type."""
    kinds = types or {}
    graph = helper.make_graph(
        list(nodes),
        "net",
        [helper.make_tensor_value_info(k, kinds.get(k, TensorProto.FLOAT), s) for k, s in inputs.items()],
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, None) for k in outputs],
        [numpy_helper.from_array(np.asarray(a), k) for k, a in (arrays or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir, **facts)
