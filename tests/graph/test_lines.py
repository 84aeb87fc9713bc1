"""Errors name the line of the program at which a function was called."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF


def here(offset=0):
    frame = inspect.currentframe().f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno + offset}, in {frame.f_code.co_name}"


def test_shapes_that_do_not_fit():
    x, w = nn.Variable((2, 3)), nn.Variable((4, 5))
    with pytest.raises(nn.errors.ShapeError) as raised:
        F.affine(x, w)
    assert str(raised.value).endswith(f"\n  called at {here(-1)}")
    assert "  in Affine(base_axis=1)\n  x: (2, 3)\n" in str(raised.value)


def test_the_line_is_the_users_below_parametric_functions():
    nn.clear_parameters()
    PF.affine(nn.Variable((2, 3)), 4)
    with pytest.raises(nn.errors.ShapeError) as raised:
        PF.affine(nn.Variable((2, 7)), 4)
    if "called at" in str(raised.value):
        assert str(raised.value).endswith(f"\n  called at {here(-2)}")


def test_arrays_and_operators():
    with pytest.raises(nn.errors.ShapeError) as raised:
        nn.NdArray((2, 3)) + nn.NdArray((4, 5))
    assert str(raised.value).endswith(f"\n  called at {here(-1)}")


def test_failures_in_forward_name_the_line_where_recorded():
    x = nn.Variable((2, 3))
    indices = nn.Variable.from_numpy_array(np.array([5]))
    with nn.record_lines():
        y = F.gather(x, indices, axis=0)
        line = here(-1)
    assert y.parent.tags["line"] == line
    with pytest.raises(RuntimeError) as raised:
        y.forward()
    assert str(raised.value).endswith(f"\n  called at {line}")
    z = F.gather(x, indices, axis=0)
    assert z.parent.tags == {}
    with pytest.raises(RuntimeError) as raised:
        z.forward()
    assert "called at" not in str(raised.value)


def test_switches():
    nn.set_record_lines(True)
    try:
        assert "line" in F.relu(nn.Variable((2,))).parent.tags
    finally:
        nn.set_record_lines(False)
    assert F.relu(nn.Variable((2,))).parent.tags == {}


def test_environment(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import nnabla as nn, nnabla.parametric_functions as PF\n"
        "y = PF.affine(nn.Variable((2, 3)), 4)\n"
        "print(y.parent.tags['line'])\n"
    )
    run = subprocess.run(
        [sys.executable, str(program)],
        env={**os.environ, "NNABLA_RECORD_LINES": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.splitlines()[-1] == f"{program}:2, in <module>"
