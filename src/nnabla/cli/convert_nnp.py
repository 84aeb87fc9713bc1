"""``nnabla_cli convert`` from NNabla's model files to others of them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from ..converters.nnp.exporter import NnpExporter
from ..converters.nnp.importer import ImportedModel, NnpImporter
from ..converters.nnp.parts import part_of, ranges_in
from ..converters.nnp.releases import for_release
from ..errors import ArgumentError


def to_nnp_command(args: argparse.Namespace, inputs: Sequence[str], output: str) -> bool:
    """Write one model file of several, or of another form; with ``-S`` a file for each part of a network."""
    index = args.nnp_import_executor_index
    model = NnpImporter(*inputs, expand_network=not args.nnp_no_expand_network, executor_index=index).execute()
    if args.split is None:
        _write(model, args, output)
        return True
    if index is None:
        raise ArgumentError("convert: -S needs -E: the executor whose network is meant")
    name = model.protobuf.executor[0].network_name
    count = next((len(network.function) for network in model.protobuf.network if network.name == name), 0)
    stem, extension = os.path.splitext(output)
    parts = []
    for first, last in ranges_in(args.split, count):
        path = f"{stem}_{first}_{last}{extension}"
        if os.path.exists(path) and not args.force:
            raise ArgumentError(f"convert: {path} exists; -f overwrites it")
        parts.append((path, part_of(model, first, last)))
    for path, part in parts:
        _write(part, args, path)
    return True


def _write(model: ImportedModel, args: argparse.Namespace, path: str) -> None:
    if args.nnp_exclude_parameter:
        where = "none"
    elif args.nnp_parameter_nntxt:
        where = "included"
    else:
        where = "h5" if args.nnp_parameter_h5 else "protobuf"
    if args.nnp_version is not None:
        model = ImportedModel(readable(model.protobuf, args.nnp_version, path), model.other_files)
    NnpExporter(model, args.batch_size, where, args.force).execute(path)
    functions = sum([len(network.function) for network in model.protobuf.network])
    print(f"{path}: {len(model.protobuf.network)} networks, {functions} functions")


def readable(message: Any, release: str, path: str) -> Any:
    """A model for a release of NNabla, as ``--nnp-version`` asks for.

    Raises:
        ArgumentError: the release is not known, or the file is not one of text.
        FormatError: the model has what the release lacks.
    """
    if os.path.splitext(path)[1] == ".protobuf":
        raise ArgumentError(f"convert: {path}: --nnp-version is for texts; numbers in binary files move with releases")
    return for_release(message, release)
