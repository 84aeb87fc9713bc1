"""``nnabla_cli convert``: a model file in another format. So far NNabla's own are written as ONNX, NNB and C."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..converters.nnb.executed import executed
from ..errors import ArgumentError
from ..network import ProtoNetwork
from ..network.saved_graphs import graph_of, read_files
from .convert_runtime import to_csrc_command, to_nnb_command

_IMPORTS = {".nnp": "NNP", ".nntxt": "NNP", ".onnx": "ONNX", ".pb": "TF_PB", ".ckpt": "TF_CKPT_V1",
            ".meta": "TF_CKPT_V2", ".tflite": "TFLITE"}  # fmt: skip
_EXPORTS = {".nnp": "NNP", ".nnb": "NNB", ".onnx": "ONNX", ".pb": "TF_PB", ".tflite": "TFLITE"}


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
# What each pair of formats takes of them.
_TAKEN = {
    ("NNP", "ONNX"): {"define_version", "ir_version"},
    ("NNP", "NNB"): {"define_version", "config", "default_variable_type", "settings", "api"},
    ("NNP", "CSRC"): {"default_variable_type", "settings", "self_contained"},
}


def convert_command(args: argparse.Namespace) -> bool:
    """Write the model in all files but the last to the last.

    The network is that of the executor that ``-E`` names by its number, else of the first executor, else the only one.

    Raises:
        ArgumentError: a format or an option is not there yet; the output exists and ``-f`` is not given; or nothing
            says which network is meant.
        FileNotFoundError: an input is not there.
        FormatError: a file is damaged, or the format cannot express the network.
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
    given = [o.flag for name, o in _OPTIONS.items() if name not in taken and getattr(args, name, o.usual) != o.usual]
    if given:
        raise ArgumentError(f"convert: from {source} to {target} does not take {', '.join(given)}")
    if os.path.exists(output) and not args.force:
        raise ArgumentError(f"convert: {output} exists; -f overwrites it")
    if target == "NNB":
        return to_nnb_command(args, inputs, output)
    if target == "CSRC":
        return to_csrc_command(args, inputs, output)
    return _to_onnx(args, inputs, output)


def _to_onnx(args: argparse.Namespace, inputs: list[str], output: str) -> bool:
    try:
        from ..converters.onnx import save, to_onnx
        from ..converters.onnx.exporter import opset_of
    except ModuleNotFoundError as error:
        raise ArgumentError(f"convert: ONNX needs the package {error.name!r}: pip install nnabla[onnx]") from None
    opset = opset_of(args.define_version)
    found = read_files(inputs, "", "convert")
    graph = graph_of(found.model, found.parameters, function="convert")
    network = executed(found.model, graph, args.nnp_import_executor_index).network
    model = to_onnx(network, opset, _batch_size(args.batch_size, network))
    if args.ir_version != -1:
        if not model.ir_version <= args.ir_version <= _newest_ir():
            raise ArgumentError(
                f"convert: --ir_version must be from {model.ir_version} to {_newest_ir()} for this opset, "
                f"not {args.ir_version}"
            )
        model.ir_version = args.ir_version
    save(model, output)
    print(f"{output}: {len(model.graph.node)} nodes, opset {model.opset_import[0].version}")
    return True


def resolve_file_format(args: argparse.Namespace, import_files: Sequence[str], export_file: str | None = None) -> None:
    """Set the formats in parsed arguments to those that the extensions say.

    Args:
        args: `import_format` and, with an output, `export_format` are set; they stay where no extension says anything.
        import_files: inputs; the extension counts of one alone.
        export_file: the output.
    """
    args.import_format = _format(args.import_format, import_files[0] if len(import_files) == 1 else "", _IMPORTS)
    if export_file is not None:
        args.export_format = _format(args.export_format, export_file, _EXPORTS)


def _format(given: str, path: str, by_extension: dict[str, str]) -> str:
    """The format that the extension says, else the option."""
    return by_extension.get(os.path.splitext(path)[1].lower(), given.upper())


def _newest_ir() -> int:
    from onnx import IR_VERSION

    return int(IR_VERSION)


def _batch_size(given: int, network: ProtoNetwork) -> int | None:
    """What `to_onnx` is asked for. A file whose shapes are all fixed keeps the size that it has."""
    fixed = all(-1 not in network.variables[name].shape for name in network.inputs)
    return None if fixed and given == 1 else given
