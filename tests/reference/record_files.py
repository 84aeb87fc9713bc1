"""Files of the original NNabla, and what a reader should find in files: parameters, models, solver states.

    python tests/reference/record_files.py

writes ``tests/reference/files/``. With the argument ``write`` or ``read`` and a folder, it writes the files of both
implementations, or reads them and writes what it found to ``seen.json``: `tests/test_files_of_both.py` runs that on
both. Only NNabla's public API is used here.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S

VERSION = "1.39.0"
FOLDER = Path(__file__).resolve().parent / "files"
MODELS = ("model.nntxt", "model.prototxt", "model.protobuf", "model.nnp", "model_messages.nnp")
PARAMETERS = ("parameters.h5", "parameters.protobuf")
STATES = ("states.h5", "states.protobuf")


def parameters() -> OrderedDict[str, Any]:
    """By name: every kind of shape and flag, values at the ends of the range; the order is not that of the alphabet."""
    rng = np.random.RandomState(5)
    arrays = {
        "z/conv/W": rng.randn(4, 3, 2, 2),
        "z/conv/b": [np.inf, -np.inf, np.nan, -0.0],
        "a/bn/mean": np.array([[3.4e38, -1.2e-38, 1e-45]]),
        "ä b/scalar": np.array(-1.5),
        "none": np.zeros((0, 2)),
        "half": np.array([0.1, 65504.0], np.float16),
        "integers": np.array([[-7], [2**24]], np.int32),
    }
    params = OrderedDict()
    for name, values in arrays.items():
        values = np.asarray(values)
        dtype = values.dtype if values.dtype in (np.float16, np.int32) else np.float32
        params[name] = nn.Variable.from_numpy_array(values.astype(dtype))
        params[name].need_grad = name not in ("a/bn/mean", "integers")
    return params


def trained() -> Any:
    """A solver whose states are worth saving."""
    x, y = (nn.Variable.from_numpy_array(np.arange(n, dtype=np.float32)) for n in (3, 1))
    solver = S.Adam()
    solver.set_parameters({"scope/x": x, "y": y})
    for _ in range(2):
        for variable in (x, y):
            variable.grad.fill(0.3)
        solver.update()
    return solver


def untrained() -> Any:
    """A solver that can load the states of `trained`."""
    solver = S.Adam()
    solver.set_parameters({"scope/x": nn.Variable((3,)), "y": nn.Variable((1,))})
    return solver


def write(folder: Path) -> None:
    """All files that both implementations write."""
    for name in PARAMETERS:
        nn.save_parameters(str(folder / name), parameters())
    for name in STATES:
        trained().save_states(str(folder / name))


def described(variable: Any) -> Any:
    """Shape, flag and values; as text, because JSON has no infinities, and NaN is not equal to itself."""
    return [list(variable.shape), bool(variable.need_grad), [repr(float(value)) for value in variable.d.ravel()]]


def described_states(solver: Any) -> Any:
    """By parameter: update count and states; the order of the parameters is not defined."""
    return {
        key: [state.t, {name: described(variable) for name, variable in sorted(state.pstate.items())}]
        for key, state in sorted(solver.get_states().items())
    }


def registered() -> Any:
    """Parameters of the current scope, described, in their order."""
    return [[name, *described(variable)] for name, variable in nn.get_parameters(grad_only=False).items()]


def read(folder: Path) -> dict[str, Any]:
    """What stands in each file of the folder."""
    seen: dict[str, Any] = {}
    for name in PARAMETERS:
        nn.clear_parameters()
        nn.load_parameters(str(folder / name))
        seen[name] = registered()
    for name in STATES:
        solver = untrained()
        solver.load_states(str(folder / name))
        seen[name] = described_states(solver)
    return seen


def write_models(folder: Path) -> None:
    """A small network, with its parameters, as the original saves it."""
    import nnabla.utils.save

    nn.clear_parameters()
    x = nn.Variable((2, 3))
    y = F.sigmoid(PF.batch_normalization(PF.affine(x, 2, name="fc"), batch_stat=False))
    rng = np.random.RandomState(6)
    for variable in nn.get_parameters(grad_only=False).values():
        variable.d = rng.rand(*variable.shape).astype(np.float32)
    contents = {
        "networks": [{"name": "net", "batch_size": 2, "outputs": {"y": y}, "names": {"x": x}}],
        "executors": [{"name": "run", "network": "net", "data": ["x"], "output": ["y"]}],
    }
    for name in MODELS:
        if name != "model.prototxt":
            settings = {"parameter_format": ".protobuf"} if name == "model_messages.nnp" else {}
            nnabla.utils.save.save(str(folder / name), contents, include_params=True, **settings)
    shutil.copy(folder / "model.nntxt", folder / "model.prototxt")
    lines = ",\n".join(map(json.dumps, registered()))
    (folder / "model.json").write_text(f"[\n{lines}\n]\n")


def main() -> None:
    """Records, or does as the arguments say."""
    if len(sys.argv) == 3:
        print(nn.__version__)
        task, folder = sys.argv[1], Path(sys.argv[2])
        if task == "write":
            write(folder)
        else:
            (folder / "seen.json").write_text(json.dumps(read(folder)))
        return
    if nn.__version__ != VERSION or not hasattr(nn, "_variable"):
        raise SystemExit(f"the reference is the original NNabla {VERSION}; this is {nn.__version__} at {nn.__file__}")
    FOLDER.mkdir(exist_ok=True)
    write(FOLDER)
    write_models(FOLDER)


if __name__ == "__main__":
    main()
