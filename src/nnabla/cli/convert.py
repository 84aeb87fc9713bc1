"""``nnabla_cli convert``: a model file in another format."""

from __future__ import annotations

import argparse
import os
from typing import Any, NamedTuple

from ..converters.nnb.executed import executed_by
from ..errors import ArgumentError
from ..files import model_files
from ..network import ProtoGraph
from ..parameter_files import stored_parameters
from .convert_nnp import readable, to_nnp_command
from .convert_onnx import to_onnx_command
from .convert_parts import parts_of, parts_of_nnp
from .convert_runtime import to_csrc_command, to_nnb_command
from .convert_tensorflow import SOURCES, TARGETS, to_tensorflow_command
from .convert_tflite import to_tflite_command
from .model_formats import READ, imported, resolve_file_format


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
_TAKEN_BY = {
    "NNP": {"nnp_parameter_h5", "nnp_parameter_nntxt", "nnp_exclude_parameter", "nnp_version"},
    "ONNX": {"define_version", "ir_version"},
    "NNB": {"define_version", "config", "default_variable_type", "settings", "api"},
    "CSRC": {"default_variable_type", "settings", "self_contained"},
    "TFLITE": {"channel_last", "quantization", "dataset", "default_variable_type"},
    **TARGETS,
}
"""What each format that is written takes of the options, wherever the model comes from."""
_OF_NNP = {"split", "config", "nnp_exclude_preprocess"}
_ALSO_OF_NNP = {"NNP": {"split", "nnp_no_expand_network", "nnp_exclude_preprocess"}, "ONNX": _OF_NNP, "TFLITE": _OF_NNP}
"""And what it takes besides of NNabla's own models."""


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
    if source not in READ or target not in _TAKEN_BY:
        known = f"from {', '.join(READ)} to {', '.join(_TAKEN_BY)}"
        raise ArgumentError(f"convert: from {source} to {target} is not there yet, only {known}")
    taken = _TAKEN_BY[target] | (_ALSO_OF_NNP.get(target, set()) if source == "NNP" else SOURCES.get(source, set()))
    if source != "NNP" and args.nnp_import_executor_index is not None:
        raise ArgumentError(f"convert: from {source} to {target} does not take -E")
    given = [o.flag for name, o in _OPTIONS.items() if name not in taken and getattr(args, name, o.usual) != o.usual]
    if given:
        raise ArgumentError(f"convert: from {source} to {target} does not take {', '.join(given)}")
    # A part goes to another file, and into a folder that is there go the members of an archive.
    parted = args.split is not None or args.config is not None
    spared = parted or ((source, target) == ("NNP", "NNP") and os.path.isdir(output))
    if os.path.exists(output) and not args.force and not spared:
        raise ArgumentError(f"convert: {output} exists; -f overwrites it")
    if (source, target) == ("NNP", "NNP"):
        return to_nnp_command(args, inputs, output)
    if source == "NNP":
        parts = parts_of_nnp(args, inputs, output)
    else:
        graph = imported(args, inputs)
        if target == "NNP":
            _to_nnp(graph, args, output)
            return True
        parts = parts_of(executed_by(graph), args, output)
    if target == "CSRC":
        return to_csrc_command(args, parts[0].found, output)
    if target in TARGETS:
        return to_tensorflow_command(args, parts[0].found, output)
    to_files = {"NNB": to_nnb_command, "TFLITE": to_tflite_command, "ONNX": to_onnx_command}
    return to_files[target](args, parts, output)


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
