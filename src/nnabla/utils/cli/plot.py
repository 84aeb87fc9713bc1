"""Door to `nnabla.cli.plot`."""

from nnabla_cli.commands import add_plot_any_command
from nnabla_cli.commands import plot_series as add_plot_series_command
from nnabla_cli.commands import plot_timer as add_plot_timer_command

from ...cli.plot import plot_any_command, plot_series_command, plot_timer_command

__all__ = [
    "add_plot_any_command",
    "add_plot_series_command",
    "add_plot_timer_command",
    "plot_any_command",
    "plot_series_command",
    "plot_timer_command",
]
