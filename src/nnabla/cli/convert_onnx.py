"""``nnabla_cli convert`` to ONNX and from it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..converters.nnb.executed import Executed
from ..errors import ArgumentError
from ..network import ProtoGraph, ProtoNetwork
from .convert_parts import Part, print_part

if TYPE_CHECKING:
    from ..converters.onnx.model_files import Exported


def from_onnx_command(inputs: Sequence[str], batch_size: int) -> ProtoGraph:
    """The network of an ONNX model."""
    _need_onnx()
    from ..converters.onnx import from_onnx

    if len(inputs) != 1:
        raise ArgumentError(f"convert: an ONNX model is one file, not {len(inputs)}")
    if batch_size < 1 and batch_size != -1:
        raise ArgumentError(f"convert: -b must be -1 or at least 1, not {batch_size}")
    return from_onnx(inputs[0], batch_size=max(batch_size, 1))


def to_onnx_command(args: argparse.Namespace, parts: Sequence[Part], output: str) -> bool:
    """Write ONNX models, none of them if one cannot be written."""
    _need_onnx()
    from ..converters.onnx import save

    models = [(part.path, _model(args, part.found)) for part in parts]
    for path, exported in models:
        save(exported, path)
        model = exported.model
        if path == output:
            print(f"{path}: {len(model.graph.node)} nodes, opset {model.opset_import[0].version}")
        else:
            print_part(path, _ends(model.graph.input), _ends(model.graph.output))
    return True


def _need_onnx() -> None:
    try:
        import onnx  # noqa: F401
    except ModuleNotFoundError as error:
        raise ArgumentError(f"convert: ONNX needs the package {error.name!r}: pip install nnabla[onnx]") from None


def _model(args: argparse.Namespace, found: Executed) -> Exported:
    from onnx import IR_VERSION

    from ..converters.onnx.exporter import exported, opset_of

    batch_size = _batch_size(args.batch_size, found.network)
    opset = opset_of(args.define_version)
    model = exported(found.network, opset, batch_size, found.inputs, found.outputs, found.generated)
    message = model.model
    if args.ir_version != -1:
        if not message.ir_version <= args.ir_version <= IR_VERSION:
            raise ArgumentError(
                f"convert: --ir_version must be from {message.ir_version} to {IR_VERSION} for this opset, "
                f"not {args.ir_version}"
            )
        message.ir_version = args.ir_version
    return model


def _batch_size(given: int, network: ProtoNetwork) -> int | None:
    """What `to_onnx` is asked for. A file whose shapes are all fixed keeps the size that it has."""
    fixed = all(-1 not in network.variables[name].shape for name in network.inputs)
    return None if fixed and given == 1 else given


def _ends(values: Any) -> list[tuple[str, str]]:
    shapes = [[d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim] for value in values]
    return [(value.name, f"({', '.join(map(str, shape))})") for value, shape in zip(values, shapes, strict=True)]
