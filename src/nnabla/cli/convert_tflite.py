"""``nnabla_cli convert`` to TFLite and from it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..converters.nnb.executed import Executed
from ..converters.nnb.lowering import lower
from ..errors import ArgumentError
from ..files.atomic import replacing
from ..network import ProtoGraph
from ..network.concrete_shapes import concrete_shapes
from .convert_parts import Part, print_part

if TYPE_CHECKING:
    from ..converters.tflite.exporter import Form

# What -T may say, and the weights that it stands for.
_TYPES = {"FLOAT32": "float32", "FLOAT16": "float16"}


def from_tflite_command(inputs: Sequence[str]) -> ProtoGraph:
    """The network of a TFLite model."""
    _need_tflite()
    from ..converters.tflite import from_tflite

    if len(inputs) != 1:
        raise ArgumentError(f"convert: a TFLite model is one file, not {len(inputs)}")
    return from_tflite(inputs[0])


def to_tflite_command(args: argparse.Namespace, parts: Sequence[Part], output: str) -> bool:
    """Write TFLite models, of 8-bit integers with ``--quantization``; none of them if one cannot be written."""
    _need_tflite()
    form = _form(args)
    models = [(part.path, part.found, tflite_bytes(args, part.found, form)) for part in parts]
    for path, found, data in models:
        with replacing(path) as temporary, open(temporary, "wb") as file:
            file.write(data)
        if path == output:
            print(f"{path}: {len(data)} bytes")
        else:
            shapes = concrete_shapes(found.network, _batch_size(args)).shapes
            print_part(path, *[[(name, str(shapes[name])) for name in ends] for ends in (found.inputs, found.outputs)])
    return True


def tflite_bytes(args: argparse.Namespace, found: Executed, form: Form) -> bytes:
    """A network as a TFLite model, for the size of the batch that ``-b`` says."""
    from ..converters.tflite.exporter import written
    from ..converters.tflite.rules import OWN_RULES

    batch_size = _batch_size(args)
    drawn = found.drawn(batch_size)
    network = lower(found.network, batch_size, found.inputs, found.outputs, found.order, (), drawn, OWN_RULES)
    return written(network, form)


def _batch_size(args: argparse.Namespace) -> int | None:
    return None if args.batch_size < 0 else args.batch_size


def _need_tflite() -> None:
    try:
        import flatbuffers  # noqa: F401
        import tflite  # noqa: F401
    except ModuleNotFoundError as error:
        raise ArgumentError(f"convert: TFLite needs the package {error.name!r}: pip install nnabla[tflite]") from None


def _form(args: argparse.Namespace) -> Form:
    from ..converters.tflite.exporter import Form

    type = args.default_variable_type[0]
    if type not in _TYPES:
        raise ArgumentError(f"convert: to TFLITE, -T must be one of {', '.join(_TYPES)}, not {type!r}")
    if args.quantization != (args.dataset is not None):
        raise ArgumentError("convert: --quantization and --dataset must be given together: the data say how large "
                            "numbers get")  # fmt: skip
    dataset = None if args.dataset is None else _dataset(args.dataset)
    return Form(args.channel_last, _TYPES[type], dataset)


def _dataset(path: str) -> Any:
    """Representative inputs: an array, or several by the names of the inputs.

    Raises:
        ArgumentError: the file holds none.
        FileNotFoundError: there is no such file.
    """
    if os.path.splitext(path)[1].lower() not in (".npy", ".npz"):
        raise ArgumentError(f"convert: --dataset must be a .npy file, or .npz with an array for each input, not {path}")
    try:
        found = np.load(path, mmap_mode="r" if path.lower().endswith(".npy") else None, allow_pickle=False)
        return found if isinstance(found, np.ndarray) else {name: found[name] for name in found.files}
    except (ValueError, EOFError, KeyError) as error:
        raise ArgumentError(f"convert: --dataset: {path} holds no arrays of numbers: {error}") from None
