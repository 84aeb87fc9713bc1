"""``nnabla_cli optimize``: a frozen graph of TensorFlow, or a model of NNabla, with fewer functions."""

from __future__ import annotations

import argparse
import os

from ..errors import ArgumentError
from ..files import model_files
from ..files.atomic import replacing
from ..network.saved_graphs import graph_of, read_files
from ..parameter_files import stored_parameters
from ..rewriting.affine_products import simplified
from .convert_tensorflow import need_tensorflow


def optimization_command(args: argparse.Namespace) -> bool:
    """Write the simplified model; the extension of the input says which it is.

    Raises:
        ArgumentError: it is neither ``.pb`` nor a model of NNabla.
        FileNotFoundError, FormatError: the file is not there or damaged.
    """
    source, target = args.input_file[0], args.output_file[0]
    extension = os.path.splitext(source)[1].lower()
    if extension == ".pb":
        return optimize_pb_model_command(source, target)
    if extension in (".nnp", ".nntxt", ".prototxt", ".protobuf"):
        return optimize_nnp_model_command(source, target)
    raise ArgumentError(f"optimize: the input must be a .pb, .nnp or .nntxt file, not {source}")


def optimize_pb_model_command(input_pb_file: str, output_pb_file: str) -> bool:
    """Simplify a frozen graph of TensorFlow, see `nnabla.converters.tensorflow.optimized`."""
    need_tensorflow("optimize")
    from ..converters.tensorflow.optimizing import optimized

    with open(input_pb_file, "rb") as file:
        data = file.read()
    found = optimized(data)
    with replacing(output_pb_file) as temporary, open(temporary, "wb") as file:
        file.write(found)
    print(f"{output_pb_file}: {len(found)} bytes instead of {len(data)}")
    return True


def optimize_nnp_model_command(input_file: str, output_file: str) -> bool:
    """Simplify the networks of a model of NNabla, see `nnabla.rewriting.affine_products.simplified`.

    The output has the networks, their parameters and the executors.
    """
    extension = model_files.format_of(output_file, ".nnp", model_files.WRITERS, "optimize")
    read = read_files(input_file, "", "optimize")
    graph = graph_of(read.model, read.parameters, function="optimize")
    found = simplified(graph)
    inside = extension != ".nnp"
    message = found.as_proto(inside, variable_batch_size=False)
    stored = [] if inside else stored_parameters(found.get_parameters())
    model_files.write(output_file, extension, model_files.Model(message, stored, "" if inside else ".protobuf"))
    counts = [sum([len(network.functions) for network in each.networks.values()]) for each in (found, graph)]
    print(f"{output_file}: {counts[0]} functions instead of {counts[1]}")
    return True
