"""TFLite models run by LiteRT."""

from __future__ import annotations

import ai_edge_litert.interpreter as litert
import numpy as np

from nnabla.converters.tflite import from_tflite, to_tflite
from nnabla.errors import FormatError

from ..case_networks import computed as computed_here


def interpreter(model: bytes, plain: bool = False):
    """An interpreter of a model; a plain one keeps what is computed in between, and uses the reference kernels."""
    if not plain:
        return litert.Interpreter(model_content=model, num_threads=1)
    return litert.Interpreter(
        model_content=model,
        num_threads=1,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
    )


def fed(runner, feeds):
    """Run an interpreter; its inputs are changed to the integers that the model takes."""
    for entry, x in zip(runner.get_input_details(), feeds, strict=True):
        scale, zero = entry["quantization"]
        if entry["dtype"] == np.int8:
            x = np.clip(np.rint(np.asarray(x, np.float64) / scale) + zero, -128, 127)
        runner.set_tensor(entry["index"], np.asarray(x, entry["dtype"], order="C"))
    runner.invoke()
    return runner


def computed(model, feeds):
    """The outputs of a model, as floats."""
    runner = interpreter(model)
    runner.allocate_tensors()
    fed(runner, feeds)
    found = []
    for entry in runner.get_output_details():
        y, (scale, zero) = runner.get_tensor(entry["index"]), entry["quantization"]
        found.append((y.astype(np.float64) - zero) * scale if entry["dtype"] == np.int8 else y)
    return found


def in_litert(network, given, outputs):
    """What LiteRT computes of a network."""
    return computed(to_tflite(network, outputs=outputs), given)


def read_again(network, given, outputs):
    """What we compute of a network that was written and read."""
    model = to_tflite(network, outputs=outputs)
    try:
        graph = from_tflite(model)
    except FormatError as error:  # what is written must be read
        raise AssertionError(str(error)) from None
    return computed_here(graph, *given)
