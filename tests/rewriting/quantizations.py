"""Networks quantized by schedulers of several configurations, which are compared with those of the original NNabla."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import nnabla as nn
import nnabla.solvers as S
import nnabla.utils.qnn as Q

from . import networks

CONFIGURATIONS: dict[str, Callable[[], Any]] = {
    "default": Q.QATConfig,
    "TensorRT": Q.QATTensorRTConfig,
    "range of activations": lambda: _config(recorder_activation=Q.MinMaxMvaRecorderCallback),
    "largest values": lambda: _config(
        recorder_activation=Q.MaxMaxRecorderCallback, recorder_weight=Q.AbsMaxRecorderCallback
    ),
    "scales of any size": lambda: _config(pow2=Q.QATConfig.RoundingMethod.NOTROUND),
    "scales rounded up": lambda: _config(pow2=Q.QATConfig.RoundingMethod.CEIL),
    "scales rounded down": lambda: _config(pow2=Q.QATConfig.RoundingMethod.FLOOR),
    "narrow range": lambda: _config(narrow_range=True, round_mode="HALF_AWAY_FROM_ZERO"),
    "unsigned": lambda: _config(dtype=np.uint8),
    "both sides": lambda: _config(recorder_position=Q.QATConfig.RecorderPosition.BOTH),
    "convolutions": lambda: _config(record_layers=["Convolution"]),
    "everything": lambda: _config(skip_inputs_layers=[], skip_outputs_layers=[]),
    "no biases": lambda: _config(skip_bias=True),
    "self-folding": lambda: _config(bn_self_folding=True),
}


def _config(**options: Any) -> Any:
    config = Q.QATConfig()
    for name, value in options.items():
        setattr(config, name, value)
    return config


def stages(configuration: str, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a network is, and computes, while it records and while it is trained with integers.

    Returns:
        The graphs of both stages; the outputs of both, the parameters that are read in the second stage, and the
        learning rates.
    """
    config = CONFIGURATIONS[configuration]()
    config.ext_name, config.niter_to_recording, config.niter_to_training = "cpu", 0, 2
    x, y = networks.build(name)
    solver = S.Sgd(0.5)
    solver.set_parameters(nn.get_parameters())
    scheduler = Q.QATScheduler(config, solver)
    scheduler(y)
    facts: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    rng = np.random.RandomState(5)
    for step in range(4):
        scheduler.step()
        x.d = rng.randn(*x.shape)
        y.forward()
        if step in (1, 2):
            stage = scheduler.state.name
            facts[stage] = networks.described(y, {x: "x"})
            arrays[f"{stage}/y"] = np.array(y.d, np.float32)
    used = {name for f in facts["TRAINING"] for name in f[2]}
    parameters = nn.get_parameters(grad_only=False)
    arrays.update({k: np.array(v.d, np.float32) for k, v in parameters.items() if k in used})
    facts["fixed"] = sorted(k for k, v in parameters.items() if k in used and not v.need_grad)
    facts["learning rate"] = float(np.float32(solver.learning_rate()))
    return facts, arrays
