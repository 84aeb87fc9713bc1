"""Records what the original NNabla makes of training configurations.

    python tests/reference/record_training.py

writes ``tests/reference/cli/train/variants.json``: for each variant of ``net.nntxt`` the costs and errors of its
epochs, and the sums of the squares of its parameters at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format

import nnabla as nn
from nnabla.utils import nnabla_pb2

FOLDER = Path(__file__).parent / "cli" / "train"
FILE = FOLDER / "variants.json"
VERSION = "1.39.0"


def _parts(proto: Any) -> None:
    """Two optimizers, each of the parameters of one layer; the one that stands second comes first.

    The original trains nothing then: a parameter that one optimizer leaves out gets no gradients at all.
    """
    second = proto.optimizer.add()
    second.CopyFrom(proto.optimizer[0])
    second.name, second.order = "second", 0
    proto.optimizer[0].order = 1
    second.solver.Clear()
    second.solver.type = "Adam"
    second.solver.adam_param.alpha = 0.01
    second.solver.adam_param.beta1, second.solver.adam_param.beta2, second.solver.adam_param.eps = 0.9, 0.999, 1e-8
    for optimizer, trained in ((proto.optimizer[0], "a1"), (second, "a2")):
        for parameter in optimizer.parameter_variable:
            parameter.learning_rate_multiplier = float(parameter.variable_name.startswith(trained))


def _multiplier(proto: Any) -> None:
    proto.optimizer[0].parameter_variable[0].learning_rate_multiplier = 0.5
    proto.optimizer[0].parameter_variable[3].learning_rate_multiplier = 0


def _warm_up(proto: Any) -> None:
    solver = proto.optimizer[0].solver
    solver.lr_warmup_scheduler_type = "Linear"
    solver.linear_warmup_scheduler_param.warmup_iter = 7
    solver.lr_scheduler_type = "Cosine"
    solver.cosine_scheduler_param.max_iter = 20


def _steps(proto: Any) -> None:
    solver = proto.optimizer[0].solver
    solver.lr_scheduler_type = "Step"
    solver.step_scheduler_param.gamma = 0.5
    solver.step_scheduler_param.iter_steps.extend([4, 9])
    proto.optimizer[0].update_interval = 2


def _polynomial(proto: Any) -> None:
    solver = proto.optimizer[0].solver
    solver.lr_scheduler_type = "Polynomial"
    solver.polynomial_scheduler_param.max_iter, solver.polynomial_scheduler_param.power = 40, 1.5
    proto.training_config.save_best = False
    proto.training_config.max_epoch = 7
    proto.training_config.monitor_interval = 3


def _limits(proto: Any) -> None:
    """The optimizer rests at first and at the end."""
    proto.optimizer[0].start_iter, proto.optimizer[0].end_iter = 3, 14


VARIANTS: dict[str, Callable[[Any], None]] = {
    "parts": _parts,
    "multiplier": _multiplier,
    "warm_up": _warm_up,
    "steps": _steps,
    "polynomial": _polynomial,
    "limits": _limits,
}


def configuration(name: str) -> str:
    """The text of a variant; its parameters stand in a file of their own."""
    proto = text_format.Parse((FOLDER / "net.nntxt").read_text(), nnabla_pb2.NNablaProtoBuf())
    del proto.parameter[:]
    VARIANTS[name](proto)
    return str(text_format.MessageToString(proto))


def squares(path: str) -> dict[str, float]:
    """Sums of the squares of the parameters in a file."""
    nn.clear_parameters()
    nn.load_parameters(path)
    return {key: float(np.sum(param.d**2)) for key, param in sorted(nn.get_parameters(grad_only=False).items())}


def run(name: str) -> dict[str, Any]:
    """What the original makes of a variant."""
    import yaml

    with tempfile.TemporaryDirectory() as folder:
        for file in ("init.h5", "train.csv", "valid.csv"):
            shutil.copy(FOLDER / file, folder)
        Path(folder, f"{name}.nntxt").write_text(configuration(name))
        os.mkdir(f"{folder}/out")
        code = "from nnabla.utils.cli.cli import main; main()"
        program = [sys.executable, "-c", code, "train", "-c", f"{name}.nntxt", "-p", "init.h5", "-o", "out"]
        done = subprocess.run(program, cwd=folder, capture_output=True, text=True)
        if not Path(folder, "out", "monitoring_report.yml").exists():
            return {"error": done.stderr.strip().splitlines()[-1]}
        report = yaml.safe_load(Path(folder, "out", "monitoring_report.yml").read_text())
        found: dict[str, Any] = {"report": report}
        for path in Path(folder, "out").glob("results*.nnp"):
            found[path.stem] = squares(str(path))
        return found


def main() -> None:
    """Records."""
    if nn.__version__ != VERSION or not hasattr(nn, "_variable"):
        raise SystemExit(f"the reference is the original NNabla {VERSION}; this is {nn.__version__} at {nn.__file__}")
    found = {name: run(name) for name in VARIANTS}
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for name, entry in found.items():
        print(name, entry.get("error") or entry["report"])


if __name__ == "__main__":
    main()
