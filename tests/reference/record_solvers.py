"""What the solvers of the original NNabla do, step by step: the cases, how they are run, and their records.

    python tests/reference/record_solvers.py

writes ``tests/reference/solvers/trajectories.npz`` and, beside it, state files as the original writes them.
`tests/test_solvers.py` runs the same cases on this package. Only NNabla's public API is used here.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import nnabla as nn
import nnabla.solvers as S

VERSION = "1.39.0"
FOLDER = Path(__file__).resolve().parent / "solvers"
STEPS = 20
# A matrix, a vector, and a vector that starts at 0 (where the rules that divide by norms take another way).
SHAPES = {"scope/a": (2, 3), "b": (4,), "zeros": (3,)}

# Settings other than the defaults; each set is run as well as the defaults.
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "Sgd": [{"lr": 0.3}],
    "SgdW": [{"lr": 0.1, "momentum": 0.5, "wd": 0.02}, {"lr": 0.05, "momentum": 0.0, "wd": 0.0}],
    "Momentum": [{"lr": 0.1, "momentum": 0.5}, {"lr": 0.1, "momentum": 0.0}],
    "Nesterov": [{"lr": 0.1, "momentum": 0.5}, {"lr": 0.1, "momentum": 0.0}],
    "Adadelta": [{"lr": 0.5, "decay": 0.8, "eps": 1e-3}],
    "Adagrad": [{"lr": 0.1, "eps": 1e-2}],
    "Adam": [{"alpha": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 1e-2}],
    "AdamW": [{"alpha": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 1e-2, "wd": 0.02}, {"wd": 0.0}],
    "Adamax": [{"alpha": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 1e-2}],
    "AMSGRAD": [
        {"bias_correction": True},
        {"alpha": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 1e-2, "bias_correction": False},
        {"alpha": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 1e-2, "bias_correction": True},
    ],
    "AMSBound": [
        {"bias_correction": True},
        {"alpha": 0.05, "beta1": 0.8, "beta2": 0.9, "eps": 1e-2, "final_lr": 0.02, "gamma": 0.1},
        {"alpha": 0.05, "beta1": 0.8, "beta2": 0.9, "final_lr": 0.02, "gamma": 0.3, "bias_correction": True},
    ],
    "AdaBound": [{"alpha": 0.05, "beta1": 0.8, "beta2": 0.9, "eps": 1e-2, "final_lr": 0.02, "gamma": 0.1}],
    "AdaBelief": [
        {"alpha": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 1e-2, "wd": 0.02},
        {"alpha": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 1e-2, "amsgrad": True},
        {"alpha": 0.1, "wd": 0.02, "weight_decouple": True},
        {"alpha": 0.1, "wd": 0.02, "weight_decouple": True, "fixed_decay": True},
        {"alpha": 0.1, "wd": 0.02, "fixed_decay": True},
        {"alpha": 0.1, "rectify": True},
        {"alpha": 0.1, "beta1": 0.8, "beta2": 0.9, "rectify": True},
        {
            "alpha": 0.1,
            "beta2": 0.7,
            "eps": 1e-3,
            "wd": 0.02,
            "amsgrad": True,
            "weight_decouple": True,
            "fixed_decay": True,
            "rectify": True,
        },
        {
            "alpha": 0.1,
            "beta2": 0.99,
            "eps": 1e-3,
            "wd": 0.02,
            "amsgrad": True,
            "weight_decouple": True,
            "rectify": True,
        },
    ],
    "RMSprop": [{"lr": 0.1, "decay": 0.5, "eps": 1e-2}],
    "RMSpropGraves": [{"lr": 0.1, "decay": 0.5, "momentum": 0.3, "eps": 1e-2}],
    "Lars": [
        {"lr": 0.1, "momentum": 0.5, "coefficient": 0.1, "eps": 1e-2},
        {"lr": 0.3, "momentum": 0.0, "coefficient": 1.0, "eps": 1e-4},
    ],
    "Lamb": [
        {"bias_correction": True},
        {"eta": 0.1, "beta1": 0.8, "beta2": 0.9, "gamma_l": 1.0, "gamma_u": 1.5, "eps": 1e-2},
        {"eta": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 1e-2, "bias_correction": True},
    ],
    "Lion": [{"lr": 0.02, "beta1": 0.6, "beta2": 0.8}],
}


@dataclass(frozen=True)
class Case:
    """One solver with its settings. `schedule` "plain" only updates; "training" does all that solvers offer."""

    solver: str
    settings: dict[str, Any]
    schedule: str

    @property
    def key(self) -> str:
        """Readable name, unique."""
        given = ",".join(f"{k}={v}" for k, v in self.settings.items())
        return f"{self.solver}({given})-{self.schedule}"


@dataclass
class Trajectory:
    """What was seen. Arrays are the parameters in the order of `SHAPES`, flattened, end to end."""

    params: np.ndarray  # (STEPS, n): after each update
    grads: np.ndarray  # (STEPS, n): after each update, so after decay, scaling and clipping
    states: dict[str, np.ndarray]  # (n,) by name of the state, at the end
    t: list[int]
    info: dict[str, Any]
    learning_rate: float
    fused: bool = field(default=False)


CASES = [
    Case(solver, settings, schedule)
    for solver, others in SETTINGS.items()
    for settings in ({}, *others)
    for schedule in ("plain", "training")
]


def gradients(seed: str) -> list[dict[str, np.ndarray]]:
    """For every step the gradients: of very different sizes, some elements and some whole tensors 0."""
    rng = np.random.RandomState(zlib.crc32(seed.encode()))
    steps = []
    for step in range(STEPS):
        grads = {}
        for name, shape in SHAPES.items():
            values = rng.randn(*shape) * 10.0 ** rng.uniform(-3, 1, shape)
            values[rng.rand(*shape) < 0.1] = 0
            grads[name] = values.astype(np.float32)
        if step in (0, 9):
            grads["b"][:] = 0
        steps.append(grads)
    return steps


def start(seed: str) -> dict[str, Any]:
    """Parameters as every case starts with them."""
    rng = np.random.RandomState(zlib.crc32(seed.encode()))
    params = {name: nn.Variable(shape, need_grad=True) for name, shape in SHAPES.items()}
    for name, param in params.items():
        param.d = np.zeros(param.shape, np.float32) if name == "zeros" else rng.randn(*param.shape).astype(np.float32)
    return params


def flat(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """All arrays end to end, float32."""
    return np.concatenate([np.asarray(arrays[name], np.float32).ravel() for name in SHAPES])


def run(case: Case, extension: str = ".h5") -> Trajectory:
    """One case from start to end; states go through a file with `extension` on the way."""

    def fresh() -> Any:
        solver = getattr(S, case.solver)(**case.settings)
        solver.set_parameters(params)
        return solver

    params = start(case.solver)
    solver = fresh()
    seen_params, seen_grads = [], []
    for step, grads in enumerate(gradients(case.solver)):
        solver.zero_grad()
        for name, param in params.items():
            # In one step of a training, a parameter has no gradient.
            if not (case.schedule == "training" and step == 12 and name == "b"):
                param.g = grads[name]
        if case.schedule == "training":
            prepare(solver, step)
        solver.update()
        seen_params.append(flat({name: param.d for name, param in params.items()}))
        seen_grads.append(flat({name: param.g for name, param in params.items()}))
        if case.schedule == "training" and step == 10:
            rate = solver.learning_rate()
            with tempfile.TemporaryDirectory() as folder:
                solver.save_states(f"{folder}/states{extension}")
                solver = fresh()
                solver.load_states(f"{folder}/states{extension}")
            solver.set_learning_rate(rate)
    states = solver.get_states()
    names = sorted(states["b"].pstate)
    return Trajectory(
        np.stack(seen_params),
        np.stack(seen_grads),
        {state: flat({name: states[name].pstate[state].d for name in SHAPES}) for state in names},
        [states[name].t for name in SHAPES],
        dict(solver.info),
        solver.learning_rate(),
        solver.weight_decay_is_fused(),
    )


def prepare(solver: Any, step: int) -> None:
    """What a training script does between backward and update."""
    if step in (5, 14):
        solver.set_learning_rate(solver.learning_rate() * 0.4)
    if step % 4 == 1:
        solver.scale_grad(0.25)
    if step % 3 != 2:  # a decay that is part of the update must not outlive it
        solver.weight_decay(0.05 if step < 8 else 0.01)
    if step % 5 != 4:
        solver.clip_grad_by_norm(1.5)


def save(path: Path, trajectories: dict[str, Trajectory], source: str) -> None:
    """Writes all numbers as one array, with a JSON index of what lies where."""
    values: list[np.ndarray] = []
    index: dict[str, Any] = {}
    for key, seen in trajectories.items():
        entry = {"states": list(seen.states), "t": seen.t, "info": seen.info}
        index[key] = entry | {"learning_rate": seen.learning_rate, "fused": seen.fused}
        values += [seen.params.ravel(), seen.grads.ravel(), *seen.states.values()]
    text = json.dumps({"source": source, "cases": index}).encode()
    np.savez_compressed(path, values=np.concatenate(values), index=np.frombuffer(text, np.uint8))


def load(path: Path = FOLDER / "trajectories.npz") -> dict[str, Trajectory]:
    """The recorded trajectories by key of the case."""
    with np.load(path, allow_pickle=False) as archive:
        values = archive["values"]
        index = json.loads(archive["index"].tobytes().decode())["cases"]
    width = sum(int(np.prod(shape)) for shape in SHAPES.values())
    trajectories = {}
    at = 0

    def take(rows: int) -> np.ndarray:
        nonlocal at
        at += rows * width
        return values[at - rows * width : at].reshape(rows, width)

    for key, entry in index.items():
        params, grads = take(STEPS), take(STEPS)
        states = {name: take(1)[0] for name in entry["states"]}
        rest = (entry["t"], entry["info"], entry["learning_rate"], entry["fused"])
        trajectories[key] = Trajectory(params, grads, states, *rest)
    return trajectories


def trained(solver: str) -> Any:
    """A solver whose states are worth saving: after three updates, one parameter after two."""
    params = start(solver)
    made = getattr(S, solver)()
    made.set_parameters(params)
    for step, grads in enumerate(gradients(solver)[:3]):
        made.zero_grad()
        for name, param in params.items():
            if not (step == 1 and name == "b"):
                param.g = grads[name]
        made.update()
    return made


# Rules with no, one, two and three states.
FILES = [
    f"{solver}{extension}" for solver in ("Sgd", "Momentum", "Adam", "AMSGRAD") for extension in (".h5", ".protobuf")
]


def main() -> None:
    """Records all cases."""
    if nn.__version__ != VERSION or not hasattr(nn, "_variable"):
        raise SystemExit(f"the reference is the original NNabla {VERSION}; this is {nn.__version__} at {nn.__file__}")
    trajectories = {case.key: run(case) for case in CASES}
    path = FOLDER / "trajectories.npz"
    save(path, trajectories, source=f"NNabla {nn.__version__}")
    print(f"{len(trajectories)} cases, {path.stat().st_size} bytes")
    for name in FILES:
        trained(name.split(".")[0]).save_states(str(FOLDER / name))


if __name__ == "__main__":
    main()
