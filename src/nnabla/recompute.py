"""Recomputation, under the path that scripts import it from."""

from .graph.modes import get_global_recompute, recompute, recompute_fn, set_global_recompute

__all__ = ["get_global_recompute", "recompute", "recompute_fn", "set_global_recompute"]
