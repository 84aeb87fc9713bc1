"""Case name to NNabla program, and the exchange of initial parameters with the other implementations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from cases import SIZE_MARK, UPDATES, Program

import nnabla as nn
from workloads import (
    bert,
    cnn12,
    gan,
    lenet,
    mlp,
    mobilenet,
    resnet18,
    rnn,
    solvers,
    transformer,
    unet,
)

PROGRAMS: dict[str, Callable[[], Program]] = {
    "mlp": mlp.training,
    "mlp_dynamic": mlp.dynamic_training,
    "lenet": lenet.training,
    "cnn12_static": cnn12.static_training,
    "cnn12_dynamic": cnn12.dynamic_training,
    "resnet18": resnet18.training,
    "elman_rnn": rnn.elman_training,
    "lstm": rnn.lstm_training,
    "transformer": transformer.training,
    "transformer_small": transformer.small_training,
    "bert": bert.training,
    "gru": rnn.gru_training,
    "gru_lengths": rnn.lengths_training,
    "wgan_gp": gan.wgan_gp_training,
    "dcgan": gan.dcgan_training,
    "mobilenet": mobilenet.training,
    "unet": unet.training,
    "unet_large": partial(unet.training, 256),
    "resnet18_infer_1": lambda: resnet18.inference(1),
    "resnet18_infer_8": lambda: resnet18.inference(8),
    **{name: partial(solvers.update, solver) for name, solver in UPDATES.items()},
    "build": resnet18.graph_building,
    "build_first": resnet18.first_building,
}


def _program(name: str, parameters: Path) -> Program:
    if name in PROGRAMS:
        return PROGRAMS[name]()
    # Imported here: checkouts that are compared with this one may lack what these rows measure.
    if name.startswith("data_"):
        from workloads import data

        return data.program(name, parameters.parent)
    from workloads import model_files

    return {"model_load": model_files.loading, "model_save": model_files.saving}[name]()


def version() -> str:
    return f"nnabla {nn.__version__}"


def location() -> str:
    return nn.__file__


def build(name: str, parameters: Path) -> Program:
    """Build a case with the initial parameters in `parameters`, or write them there where no file is yet.

    The file is an `.npz` of the parameters by NNabla name and in order of creation, so that every
    implementation starts from the same values.
    """
    if SIZE_MARK in name:
        from functions import nnabla_program

        return nnabla_program.build(*name.split(SIZE_MARK), parameters)
    nn.clear_parameters()
    program = _program(name, parameters)
    created = nn.get_parameters(grad_only=False)
    if parameters.exists():
        with np.load(parameters) as arrays:
            for key, parameter in created.items():
                parameter.d = arrays[key]
    else:
        np.savez(parameters, **{key: parameter.d for key, parameter in created.items()})
    return program


def clear() -> None:
    nn.clear_parameters()
