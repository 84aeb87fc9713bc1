"""``nnabla_cli infer``: outputs of an executor for raw binary files."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ..context import context_scope
from ..converters.nnp.loading import load
from ..errors import ArgumentError
from ..files.atomic import replacing
from ..logger import ALWAYS, logger
from ..training.feeding import let_data_to_variable

DATA_TYPES = {"uint8": np.uint8, "int32": np.int32, "float32": np.float32}


def infer_command(args: argparse.Namespace) -> bool:
    """Read a file for each input, compute, and write ``<output>_<sample>.bin``: all outputs of that sample, float32."""
    if args.data_type not in DATA_TYPES:
        raise ArgumentError(f"infer: -t must be one of {', '.join(DATA_TYPES)}, not {args.data_type!r}")
    files = [args.config] if args.param is None else [args.config, args.param]
    size = None if args.batch_size < 0 else args.batch_size
    info = load(files, prepare_data_iterator=False, batch_size=size)
    logger.log(ALWAYS, 'Using context "%s"', info.default_context)
    inputs = [np.fromfile(path, dtype=DATA_TYPES[args.data_type]) for path in args.inputs]
    outputs = infer(info, inputs)
    if args.output:
        for sample in range(min((len(output) for output in outputs), default=0)):
            with replacing(f"{args.output}_{sample}.bin") as temporary, open(temporary, "wb") as file:
                for output in outputs:
                    file.write(np.ascontiguousarray(output[sample], dtype=np.float32).tobytes())
    return True


def infer(info: Any, input_data: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs of the first executor of a model, each with the samples along axis 0.

    Args:
        info: what `nnabla.utils.load.load` returned.
        input_data: an array for each input of the executor, in its order, with as many elements as it has.

    Raises:
        ValueError: the model has no executor, or an input has another number of elements.
    """
    executor = only_executor(info, "infer")
    with context_scope(info.default_context):
        given = list(executor.dataset_assign)
        if len(given) != len(input_data):
            raise ValueError(
                f"infer: the executor reads {len(given)} inputs, {[v.name for v in given]}; "
                f"{len(input_data)} were given"
            )
        for described, data in zip(given, input_data, strict=True):
            variable = described.variable_instance
            if data.size != variable.size:
                raise ValueError(
                    f"infer: Size of input data for {described.name!r} does not match: "
                    f"shape {variable.shape} has {variable.size} elements, {data.size} were given"
                )
            let_data_to_variable(variable, data.reshape(variable.shape), variable_name=described.name)
        for described, generate in executor.generator_assign.items():
            variable = described.variable_instance
            let_data_to_variable(variable, np.asarray(generate(variable.shape)), variable_name=described.name)
        return evaluated(executor)


def only_executor(info: Any, function: str) -> Any:
    """The first executor of a model.

    Raises:
        ValueError: it has none.
    """
    if not info.executors:
        raise ValueError(f"{function}: the model has no executor")
    return next(iter(info.executors.values()))


def evaluated(executor: Any) -> list[np.ndarray]:
    """Outputs of an executor for the inputs that its variables hold; of several evaluations what it asks for."""
    runs = []
    for _ in range(executor.num_evaluations):
        executor.forward_target.forward(clear_buffer=True)
        runs.append([np.array(v.variable_instance.d) for v in executor.output_assign])
    if executor.num_evaluations == 1 or executor.repeat_evaluation_type == "last":
        return runs[-1]
    reduce = np.std if executor.repeat_evaluation_type == "std" else np.mean
    return [reduce(np.stack(values), axis=0) for values in zip(*runs, strict=True)]
