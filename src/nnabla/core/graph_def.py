"""Door to `nnabla.network`."""

from typing import Any

from .. import network
from ..network import (
    FlatModule,
    LoopControlFunction,
    ProtoExecutor,
    ProtoFunction,
    ProtoGraph,
    ProtoGraphBuilder,
    ProtoGraphGenerator,
    ProtoNetwork,
    ProtoVariable,
    RepeatInfo,
    create_graph_from_variable,
    current_graph_builder,
    current_module,
    current_network,
    get_default_graph,
    get_default_graph_by_variable,
    graph,
    graph_name,
    load,
    module_scope,
    reset_default_graph,
    save,
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
    return getattr(network, name)
