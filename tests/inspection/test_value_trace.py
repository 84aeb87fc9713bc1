"""`NanInfTracer` beyond what `test_reference.py` compares."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.utils.inspection import NanInfTracer


def traced(y, tracer):
    with tracer.trace():
        y.forward(function_post_hook=tracer.forward_post_hook)
        y.backward(function_post_hook=tracer.backward_post_hook)


def test_the_line_is_named_where_it_is_recorded(capsys):
    x = nn.Variable.from_numpy_array(np.array([-1.0, 1.0]))
    with nn.record_lines():
        y = F.sum(F.log(x))
    with pytest.raises(ValueError) as raised:
        traced(y, NanInfTracer())
    assert str(raised.value).endswith(f"\n  called at {y.parent.inputs[0].parent.tags['line']}")
    assert __file__ in str(raised.value)


def test_findings_stay_until_the_next_trace(capsys):
    x = nn.Variable.from_numpy_array(np.array([-1.0, 1.0]))
    y, tracer = F.sum(F.log(x)), NanInfTracer()
    with pytest.raises(ValueError, match="'Log' .rank: 1. has nan or inf"):
        traced(y, tracer)
    assert [str(f) for f in tracer.key_to_stat_fwd] == ["Log", "Sum"]
    with pytest.raises(ValueError, match="'Log'"):
        tracer.check()
    x.d = 1
    traced(y, tracer)
    assert tracer.check() is None


def test_an_error_inside_passes():
    tracer = NanInfTracer()
    with pytest.raises(RuntimeError, match="inner"), tracer.trace():
        raise RuntimeError("inner")


def test_hooks():
    tracer = NanInfTracer()
    assert tracer.pre_hook(None) is None
    with pytest.raises(NotImplementedError, match="use forward_post_hook for forward"):
        _ = tracer.post_hook


def test_values_that_are_integers_or_filled():
    x = nn.Variable.from_numpy_array(np.array([1, 2]))
    y = F.add_scalar(F.constant(float("inf"), (2,)), 1.0)
    tracer = NanInfTracer()
    traced(F.sum(F.one_hot(F.reshape(x, (2, 1)), (3,))), tracer)
    with pytest.raises(ValueError, match="'Constant'"), tracer.trace():
        y.forward(function_post_hook=tracer.forward_post_hook)
    assert nn.NdArray((2,)).data.tolist() == [0, 0]
