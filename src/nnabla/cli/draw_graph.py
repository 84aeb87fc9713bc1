"""``nnabla_cli draw_graph``: pictures of the networks in a model file."""

from __future__ import annotations

import argparse
import os

from ..errors import ArgumentError
from ..inspection.drawing.diagram import network_diagram
from ..inspection.drawing.picture import write_picture
from ..logger import logger
from ..network.saved_graphs import load


def draw_graph_command(args: argparse.Namespace) -> bool:
    """Write a picture of each network, or of those that ``-n`` names, into a folder."""
    networks = load(args.input).networks
    wanted = args.network or list(networks)
    for name in wanted:
        if name not in networks:
            raise ArgumentError(f"draw_graph: there is no network {name!r}; there are {list(networks)}")
    logger.info("Save drawn network(s) into `%s`.", args.output_dir)
    for name in wanted:
        logger.info("Drawing: %s", name)
        # A name is no path.
        file_name = name.replace("/", "_").replace(os.sep, "_")
        write_picture(network_diagram(networks[name]), os.path.join(args.output_dir, file_name), args.format)
    return True
