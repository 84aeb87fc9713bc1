"""``nnabla_cli convert``: a model file in another format. So far NNabla's own are written as ONNX."""

from __future__ import annotations

import argparse
import os
from typing import Any

from ..errors import ArgumentError
from ..network import ProtoNetwork
from ..network.saved_graphs import graph_of, read_files

_IMPORTS = {".nnp": "NNP", ".nntxt": "NNP", ".onnx": "ONNX", ".pb": "TF_PB", ".ckpt": "TF_CKPT_V1",
            ".meta": "TF_CKPT_V2", ".tflite": "TFLITE"}  # fmt: skip
_EXPORTS = {".nnp": "NNP", ".nnb": "NNB", ".onnx": "ONNX", ".pb": "TF_PB", ".tflite": "TFLITE"}
# Options that belong to other formats or are not there yet, with the value that they have where they are not given.
_NOT_YET: dict[str, tuple[str, Any]] = {
    "outputs": ("--outputs", None),
    "inputs": ("--inputs", None),
    "nnp_exclude_preprocess": ("--nnp-exclude-preprocess", False),
    "split": ("-S", None),
    "enable_optimize_pb": ("--enable-optimize-pb", False),
    "channel_last": ("--channel-last", False),
    "quantization": ("--quantization", False),
    "dataset": ("--dataset", None),
    "config": ("-c", None),
    "nnp_parameter_h5": ("--nnp-parameter-h5", False),
    "nnp_parameter_nntxt": ("--nnp-parameter-nntxt", False),
    "nnp_exclude_parameter": ("--nnp-exclude-parameter", False),
    "nnp_version": ("--nnp-version", None),
    "default_variable_type": ("-T", ["FLOAT32"]),
    "settings": ("-s", None),
    "api": ("--api", -1),
    "nnp_no_expand_network": ("--nnp-no-expand-network", False),
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
    source = _format(args.import_format, inputs[0] if len(inputs) == 1 else "", _IMPORTS)
    target = _format(args.export_format, output, _EXPORTS)
    if (source, target) != ("NNP", "ONNX"):
        raise ArgumentError(f"convert: from {source} to {target} is not there yet, only from NNP to ONNX")
    given = [flag for name, (flag, usual) in _NOT_YET.items() if getattr(args, name) != usual]
    if given:
        raise ArgumentError(f"convert: from {source} to {target} does not take {', '.join(given)}")
    if os.path.exists(output) and not args.force:
        raise ArgumentError(f"convert: {output} exists; -f overwrites it")
    try:
        from ..converters.onnx import save, to_onnx
        from ..converters.onnx.exporter import opset_of
    except ModuleNotFoundError as error:
        raise ArgumentError(f"convert: ONNX needs the package {error.name!r}: pip install nnabla[onnx]") from None
    opset = opset_of(args.define_version)
    found = read_files(inputs, "", "convert")
    graph = graph_of(found.model, found.parameters, function="convert")
    network = _network(args.nnp_import_executor_index, found.model, graph)
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


def _format(given: str, path: str, by_extension: dict[str, str]) -> str:
    """The format that the extension says, else the option."""
    return by_extension.get(os.path.splitext(path)[1].lower(), given.upper())


def _newest_ir() -> int:
    from onnx import IR_VERSION

    return int(IR_VERSION)


def _network(executor: int | None, model: Any, graph: Any) -> ProtoNetwork:
    names = [each.network_name for each in model.executor]
    if executor is not None:
        if not 0 <= executor < len(names):
            raise ArgumentError(f"convert: -E must be the number of one of {len(names)} executors, not {executor}")
        name = names[executor]
    elif names:
        name = names[0]
    elif len(graph.networks) == 1:
        name = next(iter(graph.networks))
    else:
        raise ArgumentError(f"convert: there is no executor, and not one network but {list(graph.networks)}")
    if name not in graph.networks:
        raise ArgumentError(f"convert: the executor's network {name!r} is none of {list(graph.networks)}")
    return graph.networks[name]


def _batch_size(given: int, network: ProtoNetwork) -> int | None:
    """What `to_onnx` is asked for. A file whose shapes are all fixed keeps the size that it has."""
    fixed = all(-1 not in network.variables[name].shape for name in network.inputs)
    return None if fixed and given == 1 else given
