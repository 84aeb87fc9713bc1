"""Operator cases written as ONNX and read again: equal to 1e-4."""

from __future__ import annotations

import re

import pytest

import nnabla as nn
from nnabla.converters.onnx import from_onnx, to_onnx
from nnabla.errors import FormatError

from ..case_networks import computed
from .exported_cases import cases, close, network_of

# What is not read again, by a pattern of the case's name, and why.
EXCEPTIONS = {r"\w+-bool_gather-": "Compress is read with a condition that is known beforehand"}
BY_FUNCTION = cases()


def trip(case, opset):
    """In what a case differs after the way there and back; ``None`` if in nothing, or if it is not written."""
    found = network_of(case)
    if found is None:
        return None
    network, feeds, expected = found
    try:
        model = to_onnx(network, opset)
    except FormatError:
        return None
    try:
        graph = from_onnx(model)
        results = computed(graph, *[feeds[int(name[1:])] for name in graph.default_graph().inputs])
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:300]}"
    wrong = [i for i, pair in enumerate(zip(expected, results, strict=True)) if not close(*pair)]
    return f"outputs {wrong} differ" if wrong else None


def differing(chosen, opset):
    nn.clear_parameters()
    found = {str(case): trip(case, opset) for case in chosen}
    return {n: why for n, why in found.items() if why and not any(re.match(p, n) for p in EXCEPTIONS)}


@pytest.mark.parametrize(("opset", "first"), [(9, 0), (17, 1), (21, 2)])
def test_a_case_of_every_third_function(opset, first):
    assert differing([found[-1] for found in list(BY_FUNCTION.values())[first::3]], opset) == {}


@pytest.mark.heavy
@pytest.mark.parametrize("opset", [11, 17, 21])
def test_all_cases(opset):
    assert differing([case for found in BY_FUNCTION.values() for case in found], opset) == {}
