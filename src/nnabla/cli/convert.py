"""``nnabla_cli convert``: a model file in another format."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..converters.nnb.executed import Executed
from ..errors import ArgumentError
from ..files import model_files
from ..network import ProtoGraph
from ..parameter_files import stored_parameters
from .convert_nnp import readable, to_nnp_command
from .convert_onnx import from_onnx_command, to_onnx_command
from .convert_parts import Part, parts_of_nnp
from .convert_runtime import to_csrc_command, to_nnb_command
from .convert_tensorflow import SOURCES, TARGETS, from_tensorflow_command, to_tensorflow_command
from .convert_tflite import from_tflite_command, to_tflite_command

_IMPORTS = {".nnp": "NNP", ".nntxt": "NNP", ".onnx": "ONNX", ".pb": "TF_PB", ".ckpt": "TF_CKPT_V1",
            ".meta": "TF_CKPT_V2", ".tflite": "TFLITE"}  # fmt: skip
_EXPORTS = {".nnp": "NNP", ".nntxt": "NNP", ".nnb": "NNB", ".onnx": "ONNX", ".pb": "TF_PB", ".tflite": "TFLITE"}


class _Option(NamedTuple):
    """An option that not all formats take: how it is written, and its value where it is not given."""

    flag: str
    usual: Any = None


_OPTIONS = {
    "outputs": _Option("--outputs"),
    "inputs": _Option("--inputs"),
    "nnp_exclude_preprocess": _Option("--nnp-exclude-preprocess", False),
    "split": _Option("-S"),
    "define_version": _Option("-d"),
    "enable_optimize_pb": _Option("--enable-optimize-pb", False),
    "channel_last": _Option("--channel-last", False),
    "quantization": _Option("--quantization", False),
    "dataset": _Option("--dataset"),
    "ir_version": _Option("--ir_version", -1),
    "config": _Option("-c"),
    "nnp_parameter_h5": _Option("--nnp-parameter-h5", False),
    "nnp_parameter_nntxt": _Option("--nnp-parameter-nntxt", False),
    "nnp_exclude_parameter": _Option("--nnp-exclude-parameter", False),
    "nnp_version": _Option("--nnp-version"),
    "default_variable_type": _Option("-T", ["FLOAT32"]),
    "settings": _Option("-s"),
    "api": _Option("--api", -1),
    "nnp_no_expand_network": _Option("--nnp-no-expand-network", False),
    "self_contained": _Option("--self-contained", False),
}
_NNP_MEMBERS = {"nnp_parameter_h5", "nnp_parameter_nntxt", "nnp_exclude_parameter", "nnp_version"}
_OF_NNP = {"split", "config", "nnp_exclude_preprocess"}
_TFLITE = {"channel_last", "quantization", "dataset", "default_variable_type"}
# What each pair of formats takes of them.
_TAKEN = {
    ("NNP", "NNP"): {*_NNP_MEMBERS, "split", "nnp_no_expand_network", "nnp_exclude_preprocess"},
    ("NNP", "ONNX"): {"define_version", "ir_version", *_OF_NNP},
    ("NNP", "NNB"): {"define_version", "config", "default_variable_type", "settings", "api"},
    ("ONNX", "NNP"): _NNP_MEMBERS,
    ("ONNX", "ONNX"): {"define_version", "ir_version"},
    ("ONNX", "TFLITE"): _TFLITE,
    ("TFLITE", "NNP"): _NNP_MEMBERS,
    ("TFLITE", "ONNX"): {"define_version", "ir_version"},
    ("TFLITE", "TFLITE"): _TFLITE,
    ("NNP", "TFLITE"): {*_TFLITE, *_OF_NNP},
    ("NNP", "CSRC"): {"default_variable_type", "settings", "self_contained"},
}
_TAKEN |= {(source, target): options for source in ("NNP", "ONNX", "TFLITE") for target, options in TARGETS.items()}
_TAKEN |= {
    (source, target): taken | options
    for source, taken in SOURCES.items()
    for target, options in {
        "NNP": _NNP_MEMBERS, "ONNX": {"define_version", "ir_version"}, "TFLITE": _TFLITE, **TARGETS
    }.items()
}  # fmt: skip


def convert_command(args: argparse.Namespace) -> bool:
    """Write the model in all files but the last to the last.

    Of a model of NNabla, the network is that of the executor that ``-E`` names by its number, else of the first
    executor, else the only one.

    Raises:
        ArgumentError: a format or an option is not there yet; the output exists and ``-f`` is not given; or nothing
            says which network is meant.
        FileNotFoundError: an input is not there.
        FormatError: a file is damaged, or the format cannot express the network, or NNabla the model.
    """
    if len(args.files) < 2:
        raise ArgumentError("convert: two files must be given at least, inputs and then the output")
    *inputs, output = args.files
    resolve_file_format(args, inputs, output)
    source, target = args.import_format, args.export_format
    if (source, target) not in _TAKEN:
        known = ", ".join([f"{a} to {b}" for a, b in _TAKEN])
        raise ArgumentError(f"convert: from {source} to {target} is not there yet, only {known}")
    taken = _TAKEN[source, target]
    if source != "NNP" and args.nnp_import_executor_index is not None:
        raise ArgumentError(f"convert: from {source} to {target} does not take -E")
    given = [o.flag for name, o in _OPTIONS.items() if name not in taken and getattr(args, name, o.usual) != o.usual]
    if given:
        raise ArgumentError(f"convert: from {source} to {target} does not take {', '.join(given)}")
    # A part goes to another file, and into a folder that is there go the members of an archive.
    parted = args.split is not None or (args.config is not None and target != "NNB")
    spared = parted or ((source, target) == ("NNP", "NNP") and os.path.isdir(output))
    if os.path.exists(output) and not args.force and not spared:
        raise ArgumentError(f"convert: {output} exists; -f overwrites it")
    if (source, target) == ("NNP", "NNP"):
        return to_nnp_command(args, inputs, output)
    if target == "NNB":
        return to_nnb_command(args, inputs, output)
    if target == "CSRC":
        return to_csrc_command(args, inputs, output)
    if source == "NNP":
        parts = parts_of_nnp(args, inputs, output)
    else:
        graph = _graph_of(args, inputs)
        if target == "NNP":
            _to_nnp(graph, args, output)
            return True
        network = graph.default_graph()
        parts = [Part(output, Executed(network, list(network.inputs), list(network.outputs), []))]
    if target in TARGETS:
        return to_tensorflow_command(args, parts[0].found, output)
    return to_tflite_command(args, parts, output) if target == "TFLITE" else to_onnx_command(args, parts, output)


def _graph_of(args: argparse.Namespace, inputs: list[str]) -> ProtoGraph:
    """The network of a model that is none of NNabla's."""
    if args.import_format in SOURCES:
        return from_tensorflow_command(args, inputs)
    if args.import_format == "ONNX":
        return from_onnx_command(inputs, args.batch_size)
    return from_tflite_command(inputs)


def _to_nnp(graph: ProtoGraph, args: argparse.Namespace, output: str) -> None:
    extension = os.path.splitext(output)[1] or ".nnp"
    inside = args.nnp_parameter_nntxt or extension != ".nnp"
    kept = not args.nnp_exclude_parameter
    # The shapes say already which axis is the batch's.
    message = graph.as_proto(kept and inside, variable_batch_size=False)
    if args.nnp_version is not None:
        message = readable(message, args.nnp_version, output)
    stored = stored_parameters(graph.get_parameters()) if kept and not inside else []
    kind = ".h5" if args.nnp_parameter_h5 else ".protobuf"
    model_files.write(output, extension, model_files.Model(message, stored, kind if stored else ""))
    network = graph.default_graph()
    print(f"{output}: {len(network.functions)} functions, {len(network.parameters)} parameters")


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
