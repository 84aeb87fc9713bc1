"""Dynamic graphs, under the path that scripts import them from."""

from .graph.modes import auto_forward, get_auto_forward, set_auto_forward

__all__ = ["auto_forward", "get_auto_forward", "set_auto_forward"]
