"""Networks as values: described by names, types and shapes, without memory or kernels.

A graph (`ProtoGraph`) holds networks (`ProtoNetwork`), and these hold functions (`ProtoFunction`) and variables
(`ProtoVariable`). There are three ways to come by one: from live variables (`create_graph_from_variable`), by calling
functions with described ones (`graph`), and piece by piece (`ProtoNetwork.add_variable`, `ProtoNetwork.add_function`).
Calling a network builds a graph of live variables.
"""

from __future__ import annotations

from typing import Any

from .from_variables import create_graph_from_variable
from .graph_generator import ProtoGraphGenerator
from .loop_control import LoopControlFunction, RepeatInfo
from .proto_executor import ProtoExecutor
from .proto_function import ProtoFunction
from .proto_graph import ProtoGraph
from .proto_network import ProtoNetwork
from .proto_variable import ProtoVariable
from .saved_graphs import load, save
from .tracing import (
    FlatModule,
    ProtoGraphBuilder,
    current_graph_builder,
    current_module,
    current_network,
    get_default_graph,
    get_default_graph_by_variable,
    graph,
    graph_name,
    module_scope,
    reset_default_graph,
)

__all__ = [
    "FlatModule",
    "LoopControlFunction",
    "ProtoExecutor",
    "ProtoFunction",
    "ProtoGraph",
    "ProtoGraphBuilder",
    "ProtoGraphGenerator",
    "ProtoNetwork",
    "ProtoVariable",
    "RepeatInfo",
    "create_graph_from_variable",
    "current_graph_builder",
    "current_module",
    "current_network",
    "get_default_graph",
    "get_default_graph_by_variable",
    "graph",
    "graph_name",
    "load",
    "module_scope",
    "reset_default_graph",
    "save",
]


def __getattr__(name: str) -> Any:
    if name == "proto_graph_builder":
        return current_graph_builder()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
