"""Door to `nnabla.network`."""

from typing import Any

from .. import network
from ..network import (
    FlatModule,
    ProtoFunction,
    ProtoGraph,
    ProtoGraphBuilder,
    ProtoNetwork,
    ProtoVariable,
    create_graph_from_variable,
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
    "ProtoFunction",
    "ProtoGraph",
    "ProtoGraphBuilder",
    "ProtoNetwork",
    "ProtoVariable",
    "create_graph_from_variable",
    "current_graph_builder",
    "current_module",
    "current_network",
    "get_default_graph",
    "get_default_graph_by_variable",
    "graph",
    "graph_name",
    "module_scope",
    "reset_default_graph",
]


def __getattr__(name: str) -> Any:
    return getattr(network, name)
