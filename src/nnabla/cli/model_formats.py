"""Formats of models on the command line: what extensions say, and networks in files of every format."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from ..converters.nnb.executed import Executed, executed_by, executed_in_files
from ..errors import ArgumentError
from ..network import ProtoGraph
from .convert_onnx import from_onnx_command
from .convert_tensorflow import SOURCES, from_tensorflow_command
from .convert_tflite import from_tflite_command

_IMPORTS = {".nnp": "NNP", ".nntxt": "NNP", ".onnx": "ONNX", ".pb": "TF_PB", ".ckpt": "TF_CKPT_V1",
            ".meta": "TF_CKPT_V2", ".tflite": "TFLITE"}  # fmt: skip
_EXPORTS = {".nnp": "NNP", ".nntxt": "NNP", ".nnb": "NNB", ".onnx": "ONNX", ".pb": "TF_PB", ".tflite": "TFLITE"}

READ = ("NNP", "ONNX", "TFLITE", *SOURCES)
"""Formats that are read."""


def resolve_file_format(args: argparse.Namespace, import_files: Sequence[str], export_file: str | None = None) -> None:
    """Set the formats in parsed arguments to those that the extensions say.

    Args:
        args: `import_format` and, with an output, `export_format` are set; they stay where no extension says anything.
        import_files: inputs; the extension counts of one alone.
        export_file: the output.
    """
    only = import_files[0] if len(import_files) == 1 else ""
    args.import_format = "SAVED_MODEL" if os.path.isdir(only) else _format(args.import_format, only, _IMPORTS)
    if export_file is not None:
        args.export_format = _format(args.export_format, export_file, _EXPORTS)


def _format(given: str, path: str, by_extension: dict[str, str]) -> str:
    """The format that the extension says, else the option."""
    return by_extension.get(os.path.splitext(path)[1].lower(), given.upper())


def imported(args: argparse.Namespace, inputs: Sequence[str]) -> ProtoGraph:
    """The network of a model that is none of NNabla's."""
    if args.import_format in SOURCES:
        return from_tensorflow_command(args, inputs)
    if args.import_format == "ONNX":
        return from_onnx_command(inputs, args.batch_size)
    return from_tflite_command(inputs)


def executed_in(args: argparse.Namespace, inputs: Sequence[str]) -> Executed:
    """The network in files of any format; of NNabla's, that of the executor that ``-E`` names.

    Raises:
        ArgumentError: there is no such executor, or nothing says which network is meant.
    """
    index = args.nnp_import_executor_index
    if args.import_format == "NNP":
        return executed_in_files(inputs, index)
    if index is not None:
        raise ArgumentError(f"a model of format {args.import_format} has no executors that -E could name")
    return executed_by(imported(args, inputs))


def executed_in_file(path: str) -> Executed:
    """The network that a file of any format is written with unless options say more."""
    args = argparse.Namespace(import_format="NNP", batch_size=1, nnp_import_executor_index=None)
    resolve_file_format(args, [path])
    return executed_in(args, [path])
