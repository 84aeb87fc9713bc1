"""Which networks ``nnabla_cli convert`` writes: of an executor, in one piece or in parts."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..converters.nnb.executed import Executed, executed, executed_in_files
from ..converters.nnb.function_lists import read_function_list
from ..converters.nnb.splitting import pieces
from ..converters.nnp.importer import NnpImporter
from ..converters.nnp.parts import part_of, ranges_in
from ..errors import ArgumentError


class Part(NamedTuple):
    """A network to be written, and the file that gets it."""

    path: str
    found: Executed


def parts_of_nnp(args: argparse.Namespace, inputs: Sequence[str], output: str) -> list[Part]:
    """The network of the executor that ``-E`` names; with ``-S`` or ``-c`` its parts, a file for each.

    Raises:
        ArgumentError: nothing says which network is meant, there are no such parts, or a file exists and ``-f`` is not
            given.
    """
    index = args.nnp_import_executor_index
    if args.split is not None and args.config is not None:
        raise ArgumentError("convert: -S and -c both say where the network is cut; one of them must be given")
    if args.split is not None:
        return _free([Part(_numbered(output, *numbers), found) for numbers, found in _ranges(args, inputs)], args.force)
    return parts_of(executed_in_files(inputs, index), args, output)


def parts_of(found: Executed, args: argparse.Namespace, output: str) -> list[Part]:
    """A network in one piece; with ``-c`` its pieces between functions that the list does not have, a file for each.

    Raises:
        ArgumentError: a file exists and ``-f`` is not given.
        FormatError: the network has no function of the list.
    """
    if args.config is None:
        return [Part(output, found)]
    cut = pieces(found, read_function_list(args.config))
    return _free([Part(_numbered(output, piece.first, piece.last), piece) for piece in cut], args.force)


def _ranges(args: argparse.Namespace, inputs: Sequence[str]) -> list[tuple[tuple[int, int], Executed]]:
    index = args.nnp_import_executor_index
    if index is None:
        raise ArgumentError("convert: -S needs -E: the executor whose network is meant")
    model = NnpImporter(*inputs, expand_network=True, executor_index=index).execute()
    name = model.protobuf.executor[0].network_name
    count = next((len(network.function) for network in model.protobuf.network if network.name == name), 0)
    found = []
    for numbers in ranges_in(args.split, count):
        part = part_of(model, *numbers)
        found.append((numbers, executed(part.protobuf, part.graph("convert"), 0)))
    return found


def _numbered(path: str, first: int, last: int) -> str:
    stem, extension = os.path.splitext(path)
    return f"{stem}_{first}_{last}{extension}"


def _free(parts: list[Part], force: bool) -> list[Part]:
    for part in parts:
        if os.path.exists(part.path) and not force:
            raise ArgumentError(f"convert: {part.path} exists; -f overwrites it")
    return parts


def print_part(path: str, inputs: Iterable[tuple[str, str]], outputs: Iterable[tuple[str, str]]) -> None:
    """Print the names and shapes of a part's inputs and outputs, as NNabla does."""
    import yaml

    ends = {what: [{"name": name, "shape": shape} for name, shape in found]
            for what, found in (("input", inputs), ("output", outputs))}  # fmt: skip
    print(yaml.safe_dump({path: ends}, default_flow_style=False, sort_keys=False, allow_unicode=True))
