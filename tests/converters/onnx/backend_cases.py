"""The cases for single operators that the onnx package brings, read as networks and computed by us."""

from __future__ import annotations

import collections
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

import nnabla as nn
from nnabla.converters.onnx import from_onnx
from nnabla.converters.onnx.importer import Obstacles
from nnabla.errors import ArgumentError, FormatError


def cases() -> list[Any]:
    """All of them."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return list(collect_testcases(None))


def operator_of(case: Any) -> str:
    """What a case is about; for models of several nodes, the first one."""
    node = case.model.graph.node[0]
    return f"{node.domain}.{node.op_type}" if node.domain else str(node.op_type)


def is_expanded(case: Any) -> bool:
    """Whether it is a definition of an operator by others."""
    return "_expanded" in case.name


def _fixings(arrays: dict[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """Which inputs are made part of the model: none, else shapes and the like, which NNabla must know beforehand."""
    yield {}
    rest = list(arrays)[1:]
    yield {name: arrays[name] for name in rest if arrays[name].dtype.kind in "iub"}
    yield {name: arrays[name] for name in rest}
    yield dict(arrays)


def attempt(case: Any) -> str | None:
    """Read and compute a case; why not, or in what the result differs, or ``None``."""
    for given, wanted in case.data_sets:
        inputs, outputs = ([_array(x) for x in xs] for xs in (given, wanted))
        names = [entry.name for entry in case.model.graph.input]
        arrays = dict(zip(names, inputs, strict=True))
        for value in (*inputs, *outputs):
            if not isinstance(value, np.ndarray) or value.dtype.kind in "OUSc":
                return "refused: no array of numbers"
        graph = None
        reason = ""
        for fixed in _fixings(arrays) if arrays else ({},):
            try:
                graph = from_onnx(case.model, fixed=fixed)
                break
            except Obstacles as error:
                reason = str(error)
                if not error.not_known:
                    return f"refused: {reason}"
            except (FormatError, ArgumentError) as error:
                return f"refused: {error}"
        if graph is None:
            return f"refused: {reason}"
        found = _computed(graph, arrays)
        for entry, expected in zip(case.model.graph.output, outputs, strict=True):
            difference = _difference(found[entry.name], expected, case)
            if difference:
                return f"wrong: {entry.name}: {difference}"
    return None


def _array(x: Any) -> Any:
    """Arrays of types that NumPy lacks stand there as messages, and single numbers as such."""
    if isinstance(x, TensorProto):
        return numpy_helper.to_array(x)
    return np.asarray(x) if isinstance(x, np.generic) else x


def _computed(graph: nn.graph_def.ProtoGraph, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    network = graph.default_graph()
    variables = []
    for name in network.inputs:
        variable = nn.Variable(arrays[name].shape)
        variable.d = arrays[name].astype(np.float32)
        variables.append(variable)
    network(*variables)
    names = [v.variable_name for v in graph.executors["runtime"].as_proto().output_variable]
    outputs = [network.variables[name].variable_instance for name in names]
    nn.forward_all(outputs)
    return {name: np.array(v.d) for name, v in zip(names, outputs, strict=True)}


def _difference(found: np.ndarray, expected: np.ndarray, case: Any) -> str:
    if found.shape != expected.shape:
        return f"shape {found.shape}, not {expected.shape}"
    with np.errstate(all="ignore"):
        close = np.isclose(
            found, expected.astype(np.float32), rtol=case.rtol, atol=max(case.atol, 1e-6), equal_nan=True
        )
    return "" if close.all() else f"{(~close).sum()} of {close.size} elements differ"


def summary(results: dict[str, str | None], found: list[Any]) -> dict[str, list[int]]:
    """For each operator, how many cases are right and how many there are; without definitions by others."""
    counts: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0])
    for case in found:
        if not is_expanded(case):
            counts[operator_of(case)][0] += results[case.name] is None
            counts[operator_of(case)][1] += 1
    return dict(counts)
