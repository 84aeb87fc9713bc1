"""Door to `nnabla.cli.draw_graph`."""

from nnabla_cli.commands import draw_graph as add_draw_graph_command

from ...cli.draw_graph import draw_graph_command

__all__ = ["add_draw_graph_command", "draw_graph_command"]
