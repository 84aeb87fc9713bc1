"""Self-contained C sources compiled by gcc and run."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnabla.converters.csrc.self_contained import Sources
from nnabla.converters.nnb.model import DataType, Model, computed

GCC = shutil.which("gcc") or shutil.which("cc")
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
_TYPES = {DataType.FLOAT: ctypes.c_float, DataType.INT16: ctypes.c_int16, DataType.INT8: ctypes.c_int8}


def library(models: Sequence[Model], folder: Path) -> ctypes.CDLL:
    """All networks in one shared library; their names must differ."""
    files = []
    for model in models:
        sources = Sources(model)
        for name, text in sources.files.items():
            (folder / name).write_text(text, encoding="ascii")
        files += [f"{sources.name}_inference.c", f"{sources.name}_parameters.c"]
    command = [str(GCC), *FLAGS, "-O1", "-shared", "-fPIC", "-o", "lib.so", *files, "-lm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]
    return ctypes.CDLL(str(folder / "lib.so"))


def run(built: ctypes.CDLL, model: Model, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What the compiled network computes, as float64."""
    name = Sources(model).name

    def memory(what: str, number: int, v: int) -> np.ndarray:
        variable = model.variables[v]
        function = getattr(built, f"{name}_{what}_{number}")
        function.restype = ctypes.POINTER(_TYPES[variable.type])
        return np.ctypeslib.as_array(function(), (variable.size,))

    for i, v in enumerate(model.inputs):
        variable = model.variables[v]
        memory("input", i, v)[:] = computed(inputs[i].ravel(), variable.type, variable.fp_pos)
    getattr(built, f"{name}_run")()
    found = []
    for i, v in enumerate(model.outputs):
        variable = model.variables[v]
        found.append(variable.numbers(memory("output", i, v).copy()).reshape(variable.shape))
    return found
