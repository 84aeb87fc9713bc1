"""The real C runtime computes what the interpreter does. It runs where NNABLA_C_RUNTIME names its program, nnablart."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from nnabla.converters.nnb import run, save

from .written_cases import cases, model_of

PROGRAM = os.environ.get("NNABLA_C_RUNTIME")
pytestmark = pytest.mark.skipif(not PROGRAM, reason="NNABLA_C_RUNTIME does not name nnablart")


def computed(model, given, folder: Path) -> list[np.ndarray]:
    save(model, folder / "m.nnb")
    files = []
    for i, (v, x) in enumerate(zip(model.inputs, given, strict=True)):
        files.append(str(folder / f"x{i}.bin"))
        np.ascontiguousarray(x, model.variables[v].type.dtype).tofile(files[-1])
    command = [str(PROGRAM), "infer", str(folder / "m.nnb"), *files, str(folder / "y")]
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    return [
        np.fromfile(folder / f"y_{i}.bin", model.variables[v].type.dtype).reshape(model.variables[v].shape)
        for i, v in enumerate(model.outputs)
    ]


@pytest.mark.parametrize("name", sorted(cases()))
def test_it_computes_the_same(tmp_path, name):
    count = 0
    for case in cases()[name]:
        try:
            found = model_of(case, True)
        except ValueError:
            continue
        if found is None:
            continue
        model, given, _ = found
        for ours, theirs in zip(run(model, given), computed(model, given, tmp_path), strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5, equal_nan=True)
            count += 1
        if count >= 4:
            break
