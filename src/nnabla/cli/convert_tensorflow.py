"""``nnabla_cli convert`` to TensorFlow's formats and from them."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence

from ..converters.nnb.executed import Executed
from ..errors import ArgumentError
from ..network import ProtoGraph
from .convert_tflite import tflite_bytes

# What each format takes of the options that not all have.
SOURCES = {
    "TF_PB": {"inputs", "outputs"},
    "SAVED_MODEL": set[str](),
    "TF_CKPT_V1": {"inputs", "outputs"},
    "TF_CKPT_V2": {"inputs", "outputs"},
}
TARGETS = {"TF_PB": {"channel_last", "enable_optimize_pb"}, "SAVED_MODEL": {"channel_last"}}


def from_tensorflow_command(args: argparse.Namespace, inputs: Sequence[str]) -> ProtoGraph:
    """The network of a SavedModel, a frozen graph or a checkpoint."""
    need_tensorflow("convert")
    from ..converters.tensorflow import from_checkpoint, from_frozen_graph, from_saved_model

    if len(inputs) != 1:
        raise ArgumentError(f"convert: a model of TensorFlow is one file or folder, not {len(inputs)}")
    if args.batch_size < 1 and args.batch_size != -1:
        raise ArgumentError(f"convert: -b must be -1 or at least 1, not {args.batch_size}")
    batch_size = max(args.batch_size, 1)
    if args.import_format == "SAVED_MODEL":
        return from_saved_model(inputs[0], batch_size)
    # Commands that only look at a model do not have these options.
    given, wanted = (_names(getattr(args, which, None)) for which in ("inputs", "outputs"))
    if args.import_format == "TF_PB":
        return from_frozen_graph(inputs[0], batch_size, given, wanted)
    if not wanted:
        raise ArgumentError("convert: checkpoints need --outputs, the names of the nodes that are asked for")
    return from_checkpoint(inputs[0], wanted, given, batch_size)


def to_tensorflow_command(args: argparse.Namespace, found: Executed, output: str) -> bool:
    """Write a SavedModel or a frozen graph."""
    need_tensorflow("convert")
    from ..converters.tensorflow.exporter import write_frozen_graph, write_saved_model
    from ..converters.tflite.exporter import Form
    from ..converters.tflite.flat_file import from_bytes

    file = from_bytes(tflite_bytes(args, found, Form(args.channel_last)), "the network")
    if args.export_format == "SAVED_MODEL":
        write_saved_model(file, output)
    else:
        write_frozen_graph(file, output, args.enable_optimize_pb)
    print(f"{output}: {len(file.graph.operations)} operators")
    return True


def need_tensorflow(command: str) -> None:
    """Find the packages for TensorFlow's formats, without importing them.

    Raises:
        ArgumentError: one is not installed.
    """
    for package in ("tensorflow", "flatbuffers", "tflite"):
        if importlib.util.find_spec(package) is None:
            raise ArgumentError(
                f"{command}: TensorFlow's formats need the package {package!r}: pip install nnabla[tensorflow]"
            )


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]
