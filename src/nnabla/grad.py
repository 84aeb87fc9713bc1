"""Gradients as a graph, under the path that scripts import them from."""

from .graph.grad import grad

__all__ = ["grad"]
